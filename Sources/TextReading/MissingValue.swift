/// Marks for a missing value: those of `pandas.read_csv` (`na_values`) and MySQL's `\N`.
enum MissingValue {
    static let marks: Set<String> = [
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
        "NULL", "NaN", "None", "n/a", "nan", "null", "\\N",
    ]

    private static let longest = marks.map(\.utf8.count).max()!

    static func isMark(_ text: some Collection<UInt8>) -> Bool {
        text.count <= longest && marks.contains(String(decoding: text, as: UTF8.self))
    }
}
