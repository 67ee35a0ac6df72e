extension FileKind {
    /// Kinds of files with the command that converts each. Where programs differ, the one in Debian's main archive is
    /// named.
    static let signatures: [FileSignature] = documents + data + media + packages + secrets

    private static let documents = [
        FileSignature(
            [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1],
            FileKind(
                "a Microsoft Office document from before 2007, or one with a password",
                "remove the password, and convert it with: libreoffice --headless --convert-to docx FILE")),
        FileSignature([0xDB, 0xA5, 0x2D, 0], FileKind("a Word 2 document", wordAdvice)),
        FileSignature([0x31, 0xBE, 0, 0], FileKind("a Word document for DOS", wordAdvice)),
        FileSignature(
            [0xFF, 0x57, 0x50, 0x43], FileKind("a WordPerfect document", "convert it with: wpd2text FILE > FILE.txt")),
        FileSignature("AT&TFORM", FileKind("a DjVu document", "convert it with: djvutxt FILE FILE.txt")),
        FileSignature("BOOKMOBI", at: 60, mobipocket),
        FileSignature("TEXtREAd", at: 60, FileKind("a PalmDoc e-book", ebookAdvice)),
        FileSignature("ITOLITLS", FileKind("a Microsoft Reader e-book", ebookAdvice)),
        FileSignature(
            "ITSF", FileKind("a compiled help file (CHM)", "unpack its HTML with: extract_chmLib FILE FOLDER")),
        FileSignature(
            [0xF7, 0x02, 0x01, 0x83, 0x92, 0xC0, 0x1C, 0x3B],
            FileKind("a TeX DVI document", "convert it with: dvi2tty FILE > FILE.txt")),
        FileSignature(
            [0xDE, 0x12, 0x04, 0x95],
            FileKind("a compiled gettext catalog", "convert it with: msgunfmt FILE > FILE.po")),
        FileSignature(
            [0x95, 0x04, 0x12, 0xDE],
            FileKind("a compiled gettext catalog", "convert it with: msgunfmt FILE > FILE.po")),
        FileSignature("!BDN", FileKind("an Outlook mail folder", "convert it with: readpst FILE")),
        FileSignature("SQLite format 3\0", sqlite),
        FileSignature([0, 1, 0, 0] + Array("Standard Jet DB".utf8), access),
        FileSignature([0, 1, 0, 0] + Array("Standard ACE DB".utf8), access),
    ]

    private static let data = [
        FileSignature(
            "PAR1",
            FileKind(
                "a Parquet table",
                "convert it with: python3 -c \"import pandas; pandas.read_parquet('FILE').to_json('FILE.jsonl', "
                    + "orient='records', lines=True)\"")),
        FileSignature(
            "ARROW1",
            FileKind(
                "an Arrow table",
                "convert it with: python3 -c \"import pandas; pandas.read_feather('FILE').to_json('FILE.jsonl', "
                    + "orient='records', lines=True)\"")),
        FileSignature("Obj\u{1}", FileKind("an Avro table", "convert it to JSON lines")),
        FileSignature([0x89] + Array("HDF\r\n".utf8), FileKind("an HDF5 file", "export its text as JSON lines")),
        FileSignature([0x93] + Array("NUMPY".utf8), FileKind("a NumPy array")),
        FileSignature("GGUF", FileKind("a language model (GGUF)")),
        FileSignature("RDX2\n", FileKind("an R workspace", "export its text with write.csv")),
        FileSignature("RDX3\n", FileKind("an R workspace", "export its text with write.csv")),
    ]

    private static let media = [
        FileSignature([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], picture("PNG")),
        FileSignature([0xFF, 0xD8, 0xFF], picture("JPEG")),
        FileSignature("GIF87a", picture("GIF")),
        FileSignature("GIF89a", picture("GIF")),
        FileSignature([0x49, 0x49, 0x2A, 0], picture("TIFF")),
        FileSignature([0x4D, 0x4D, 0, 0x2A], picture("TIFF")),
        FileSignature("WEBP", at: 8, picture("WebP")),
        FileSignature("ftypheic", at: 4, picture("HEIC")),
        FileSignature("ftypmif1", at: 4, picture("HEIF")),
        FileSignature("ftypavif", at: 4, picture("AVIF")),
        FileSignature([0, 0, 0, 0x0C, 0x6A, 0x50, 0x20, 0x20], picture("JPEG 2000")),
        FileSignature("8BPS", picture("Photoshop")),
        FileSignature(
            "OggS\0",
            FileKind("an audio recording or a video (Ogg)", "only text can be learned: transcribe it")),
    ]

    private static let packages = [
        FileSignature(
            [0x52, 0x61, 0x72, 0x21, 0x1A, 0x07], FileKind("a RAR archive", "unpack it with: unar FILE")),
        FileSignature("MSCF\0\0\0\0", FileKind("a cabinet archive", "unpack it with: cabextract FILE")),
        FileSignature([0x04, 0x22, 0x4D, 0x18], FileKind("lz4 data", "unpack it with: lz4 -d FILE")),
        FileSignature("LZIP", FileKind("lzip data", "unpack it with: lzip -d FILE")),
        FileSignature([0x89, 0x4C, 0x5A, 0x4F, 0], FileKind("lzop data", "unpack it with: lzop -d FILE")),
        FileSignature("!<arch>\ndebian", FileKind("a Debian package", "unpack it with: dpkg-deb -x FILE FOLDER")),
        FileSignature("!<arch>\n", FileKind("an ar archive", "unpack it with: ar x FILE")),
        FileSignature([0xED, 0xAB, 0xEE, 0xDB], FileKind("an RPM package", "unpack it with: rpm2archive FILE")),
        FileSignature("070701", FileKind("a cpio archive", "unpack it with: cpio -i -d -F FILE")),
        FileSignature("CD001", at: 32_769, FileKind("an image of a CD", "unpack it with: bsdtar -x -f FILE")),
    ]

    private static let secrets = [
        FileSignature("Salted__", FileKind("encrypted with OpenSSL", "decrypt it first")),
        FileSignature("age-encryption.org/", FileKind("encrypted with age", "decrypt it with: age -d FILE > NEW")),
        FileSignature([0x4C, 0x55, 0x4B, 0x53, 0xBA, 0xBE], FileKind("an encrypted disk (LUKS)", "decrypt it first")),
    ]

    private static let wordAdvice = "convert it with: antiword FILE > FILE.txt"
    private static let ebookAdvice = "convert it with: ebook-convert FILE FILE.epub"
    private static let mobipocket = FileKind("a Mobipocket or Kindle e-book", ebookAdvice)
    private static let sqlite = FileKind(
        "an SQLite database",
        "export a column of text with: sqlite3 -csv -header FILE 'SELECT text FROM my_table' > FILE.csv")
    private static let access = FileKind(
        "an Access database", "export a table with: mdb-export FILE TABLE > TABLE.csv")

    /// - Parameter format: the name of the format
    static func picture(_ format: String) -> FileKind {
        FileKind("a \(format) picture", "text in it is recognized with: tesseract FILE FILE")
    }
}
