import Foundation
import Testing
import TextReading

@Suite struct TableTests {
    private func table(_ header: String, _ row: (Int) -> String, count: Int = 50) -> String {
        ([header] + (0..<count).map(row)).joined(separator: "\n") + "\n"
    }

    /// Expected output: `csv.DictReader` of Python 3.11 on a file opened with `newline=""`, line breaks as spaces.
    @Test(arguments: [
        ("id,text\n1,a\n2,b\n", "a|b"),
        ("\u{FEFF}id,text\n1,a", "a"),
        ("id,text\r\n1,\"a, \"\"b\"\"\"\r\n2,c\r\n", "a, \"b\"|c"),
        ("id,text\n1,\"a\nb\r\nc\rd\"\n", "a b c d"),
        ("text,id\na,1\n\n\nb\n", "a|b"),
        ("text,text\na,b\n", "b"),
        ("id,text\n1,a\"b\"c\n2,\"d\"e\"f\n", "a\"b\"c|de\"f"),
        ("id,text\r1, a \r\r2,b\r", " a |b"),
        ("\"id\",\"text\"\n\"1\",\"a\"\n", "a"),
    ])
    func readsLikePython(table: String, records: String) throws {
        for delimiter in [",", ";", "|"] {
            let expected = records.components(separatedBy: "|").map { $0.replacing(",", with: delimiter) }
            let reading = try Reading(.csv, table.replacing(",", with: delimiter))
            #expect(reading.lines == expected, "\(reading)")
            #expect(reading.format.hasPrefix("CSV with delimiter ‘\(delimiter)’, "), "\(reading.format)")
        }
        #expect(
            try Reading(.tsv, table.replacing(",", with: "\t")).lines
                == records.components(separatedBy: "|").map { $0.replacing(",", with: "\t") })
    }

    @Test func recognizesDelimiterQuotesAndEscapes() throws {
        let quoted = try Reading(.csv, table("id;text;label") { "\($0);\"\(sentence($0))\";x" })
        #expect(quoted.lines == (0..<50).map(sentence))
        #expect(quoted.format == "CSV with delimiter ‘;’, 50 rows")
        let marker = try Reading(.csv, "sep=;\r\n" + table("id;text") { "\($0);Yes, \(sentence($0))" })
        #expect(marker.lines == (0..<50).map { "Yes, \(sentence($0))" })
        let escaped = try Reading(
            .csv, table("id,text,author") { "\($0),\"She said \\\"come in, please\\\" and left. No \($0)\",A" })
        #expect(escaped.lines?[7] == "She said \"come in, please\" and left. No 7")
        let spaced = try Reading(.csv, table("id,text") { "\($0), \"Yes, \(sentence($0))\"" })
        #expect(spaced.lines?[7] == "Yes, \(sentence(7))")
    }

    @Test func keepsCommasOfOneColumn() throws {
        let text = "First it rained, then nothing happened, and later the sun came."
        let reading = try Reading(.csv, table("text") { _ in text })
        #expect(reading.lines == Array(repeating: text, count: 50))
        #expect(reading.format == "table with one column, 50 rows")
        #expect(try Reading(.csv, table(text) { _ in text }).lines == Array(repeating: text, count: 51))
    }

    @Test func findsColumnOfProseWithoutHeader() throws {
        let text = table("0,\(sentence(0))") { "\($0 + 1),\(sentence($0 + 1))" }
        let reading = try Reading(.csv, text)
        #expect(reading.lines == (0...50).map(sentence))
        #expect(reading.format == "CSV with delimiter ‘,’, 51 rows, no header")
        #expect(reading.warnings.count == 1)
        #expect(reading.warnings[0].hasPrefix("has no header row: column 2 of 2 was taken as the text."))
        var options = ReadingOptions()
        options.textColumns = ["2"]
        #expect(try Reading(.csv, text, options).lines == reading.lines)
        options.textColumns = ["3"]
        #expect(try Reading(.csv, text, options).rejection?.hasPrefix("has no column ‘3’") == true)
    }

    /// The text of a row must neither be lost nor get into a reason.
    @Test func firstRowWithValuesOfItsColumnsIsNoHeader() throws {
        let first = "Mon;Told Bob off"
        let text = table(first) { "Mon;and then \(sentence($0))" }
        let reading = try Reading(.csv, text)
        #expect(reading.lines == ["Told Bob off"] + (0..<50).map { "and then \(sentence($0))" })
        #expect(reading.format == "CSV with delimiter ‘;’, 51 rows, no header")
        var options = ReadingOptions()
        options.textColumns = ["body"]
        let reason = try #require(try Reading(.csv, text, options).rejection)
        #expect(reason.hasPrefix("has no column ‘body’: its first row is not a header.") && !reason.contains("Bob"))
        // Where files were joined, all of a header recurs.
        let joined = try Reading(.csv, table("lang;body") { $0 % 20 == 9 ? "lang;body" : "eng;\(sentence($0))" })
        #expect(joined.rejection?.hasPrefix("has no column ‘text’; its 2 columns are ‘lang’, ‘body’.") == true)
    }

    @Test func countsColumnsOfWideTable() throws {
        let wide = String(repeating: ",", count: 100_000) + "\n"
        #expect(
            try Reading(.csv, "id,text" + wide + "1,x" + wide).rejection?.hasPrefix("has 100002 columns, more than")
                == true)
    }

    @Test func joinsSeveralColumns() throws {
        var options = ReadingOptions()
        options.textColumns = ["text", "title"]
        let text = table("title,id,text") { "T\($0),\($0),\($0 == 3 ? "" : sentence($0))" }
        let lines = try Reading(.csv, text, options).lines
        #expect(lines?[2] == "\(sentence(2)) T2")
        #expect(lines?[3] == "T3")
    }

    /// The options decide where the contents would say something else.
    @Test func followsOptions() throws {
        var options = ReadingOptions()
        options.table.hasHeader = false
        options.textColumns = ["2"]
        #expect(try Reading(.csv, "id,text\n1,one thing\n", options).lines == ["text", "one thing"])
        options = ReadingOptions()
        options.table.quoting = TableQuoting.none
        #expect(try Reading(.csv, "id,text\n1,\"a b\"\n", options).lines == ["\"a b\""])
        options = ReadingOptions()
        options.table.skipsInitialSpace = false
        #expect(try Reading(.csv, table("id,text") { "\($0), \(sentence($0))" }, options).lines?[0].first == " ")
        options = ReadingOptions()
        options.table.delimiter = UInt8(ascii: "-")
        #expect(try Reading(.csv, "id-text\n1-a,b\n", options).lines == ["a,b"])
        options = ReadingOptions()
        options.table.escape = UInt8(ascii: "\\")
        #expect(try Reading(.csv, "id,text\n1,a\\,b \\x \\\\\n", options).lines == ["a,b \\x \\"])
    }

    /// A stray quote mark must not make one record of the rows up to the next.
    @Test(arguments: ["\t", ",", ";"])
    func takesStrayQuoteMarksAsText(delimiter: String) throws {
        for hasQuotedFields in [false, true] {
            var texts = (0..<200).map(sentence)
            for row in [20, 150, 199] { texts[row] = "\"" + texts[row] }
            let rows = texts.enumerated().map { index, text in
                let field = hasQuotedFields && index % 5 == 4 && index != 199 ? "\"\(text)\n\(delimiter)\"" : text
                return "\(index)\(delimiter)eng\(delimiter)\(field)"
            }
            let expected = texts.enumerated().map { index, text in
                hasQuotedFields && index % 5 == 4 && index != 199 ? "\(text) \(delimiter)" : text
            }
            let input = table("id\(delimiter)lang\(delimiter)text", { rows[$0] }, count: 200)
            let reading = try Reading(.csv, input)
            #expect(reading.lines == expected)
            #expect(try Reading(.csv, input, pieces: 7) == reading)
        }
    }

    /// Lines of a quoted field that have as many commas as a row are not rows.
    @Test func keepsQuotedVerse() throws {
        let verse = "Roses are red,\nviolets are blue,\nsugar is sweet,\nand so are you."
        let rows = (0..<20).map { "\($0),\"\(verse)\"\n" }.joined()
        #expect(
            try Reading(.csv, "id,text\n" + rows).lines
                == Array(repeating: verse.replacing("\n", with: " "), count: 20))
    }

    @Test func countsWhatIsLeftOut() throws {
        let missing = [3: "", 14: "NULL", 25: "nan", 36: "\\N", 47: "#N/A"]
        let reading = try Reading(.csv, table("id,text", { "\($0),\(missing[$0] ?? sentence($0))" }, count: 100))
        #expect(reading.lines?.count == 95)
        #expect(
            reading.warnings == ["5 of 100 rows have no text in column ‘text’ and were left out, the first on line 5"])
        let long = try Reading(.csv, table("text,id", { "\(sentence($0)),\($0)" + ($0 % 10 == 1 ? ",surplus" : ",") }))
        #expect(long.lines == (0..<50).map(sentence))
        #expect(
            long.warnings == [
                "5 of 50 rows have more fields than the 2 of the header, the first on line 3 with 3: "
                    + "the surplus fields were left out"
            ])
        let lines = Array(repeating: "word", count: 150).joined(separator: "\n")
        let spanning = try Reading(.csv, table("id,text") { "\($0),\"\($0 == 2 ? lines : sentence($0))\"" })
        #expect(spanning.lines?.count == 50)
        #expect(
            spanning.warnings.first?.hasPrefix(
                "1 of 50 rows span 100 lines or more, the first from line 4, the longest over 150 lines.") == true)
    }

    @Test func rejectsTableThatLosesMuch() throws {
        let empty = try Reading(.csv, table("id,text,body") { "\($0),\($0 % 4 == 0 ? "" : "x y"),\(sentence($0))" })
        #expect(
            empty.rejection
                == "13 of 50 rows have no text in column ‘text’, the first on line 2; the columns are ‘id’, ‘text’, "
                + "‘body’. Set text_column: [text, body] in .kbconfig.yaml in the file's folder in the inbox and move the "
                + "file back there")
        let long = try Reading(.csv, table("id,text") { "\($0),Yes, \(sentence($0))" })
        #expect(
            long.rejection?.hasPrefix(
                "50 of 50 rows have more fields than the 2 of the header, the first on line 2 with 3.") == true)
        #expect(try Reading(.csv, table("id,text", { "\($0),\($0 % 5 == 0 ? "" : "x y")" })).lines?.count == 40)
    }

    @Test func namesColumnsThatExist() throws {
        #expect(
            try Reading(.csv, table("id,body,label") { "\($0),\(sentence($0)),x" }).rejection
                == "has no column ‘text’; its 3 columns are ‘id’, ‘body’, ‘label’. Set text_column: body in "
                + ".kbconfig.yaml in the file's folder in the inbox and move the file back there")
        var options = ReadingOptions()
        options.textColumns = ["body"]
        let reason = try #require(
            try Reading(.csv, table("0,\(sentence(0))") { "\($0),\(sentence($0))" }, options).rejection)
        #expect(
            reason.hasPrefix(
                "has no column ‘body’: its first row is not a header. Set text_column: 2 and header: false"))
        // The first row is text if it is not a header.
        #expect(!reason.contains("garden"))
    }

    /// Text must not be a row with its delimiters.
    @Test func rejectsOtherDelimiterThanTheConfigured() throws {
        let text = table("id;text;label") { "\($0);\"\(sentence($0))\";x" }
        for columns in [["text"], ["id;text;label"], ["1"]] {
            var options = ReadingOptions()
            options.textColumns = columns
            options.table.delimiter = UInt8(ascii: ",")
            #expect(
                try Reading(.csv, text, options).rejection
                    == "has no delimiter ‘,’ in its first row, but 51 of 51 rows have 3 fields with the delimiter ‘;’. "
                    + "Set delimiter: \";\" in .kbconfig.yaml in the file's folder in the inbox and move the file back "
                    + "there")
        }
        #expect(try Reading(.csv, "text\n" + text).lines == nil)
    }

    @Test func rejectsUnclosedFieldAndLongRow() throws {
        var options = ReadingOptions()
        options.table.quoting = .all
        #expect(
            try Reading(.csv, "id,text\n1,a\n2,\"b\n3,c\n", options).rejection?.hasPrefix(
                "line 3: the row has a quoted field that is not closed.") == true)
        options.maxRecordBytes = 100
        let long = String(repeating: "y", count: 200)
        #expect(
            try Reading(.csv, "id,text\n1,x\n2,\"\(long)", options).rejection
                == "line 3: the row has a quoted field that is not closed within 100 bytes, the limit set by "
                + "inbox.max_record_bytes")
        #expect(
            try Reading(.csv, "id,text\n1,x\n2,\(long)\n", options).rejection
                == "line 3: the row is longer than 100 bytes, the limit set by inbox.max_record_bytes")
    }

    /// The dialect and the rows do not depend on the pieces in which the input arrives.
    @Test func doesNotDependOnPieces() throws {
        let text = table("id;text", { "\($0);\"\(sentence($0)) \"\"quoted\"\"\r\nmore\"" }, count: 300)
        var options = ReadingOptions()
        options.sampleBytes = 1000
        let whole = try Reading(.csv, text, options, pieces: text.utf8.count)
        #expect(whole.lines?.count == 300)
        for pieces in [1, 2, 3, 999, 1000, 1001] {
            #expect(try Reading(.csv, text, options, pieces: pieces) == whole)
        }
    }
}
