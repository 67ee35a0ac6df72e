import ArgumentParser

/// The options of `kantaibert-train preview`, and of `kbctl corpora preview`, which passes them on. Filters have the
/// names of their keys in `.kbconfig.yaml`; their values can be given under those names, too.
package struct PreviewOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Filters, separated by commas, instead of those of .kbconfig.yaml.", valueName: "names"))
    package var filters: String?

    @Option(help: ArgumentHelp("The characters for the filter keep.", valueName: "characters"))
    package var keep: String?

    @Option(
        name: [.long, .customLong("min_words")],
        help: ArgumentHelp("The number for the filter min_words.", valueName: "count"))
    package var minWords: Int?

    @Option(
        name: [.long, .customLong("max_words")],
        help: ArgumentHelp("The number for the filter max_words.", valueName: "count"))
    package var maxWords: Int?

    @Option(
        name: [.long, .customLong("near_duplicates")],
        help: ArgumentHelp("The number for the filter near_duplicates.", valueName: "share"))
    package var nearDuplicates: Double?

    @Option(
        help: ArgumentHelp(
            "The unit of training, one of those of the setting samples; auto by default.", valueName: "unit"))
    package var samples: String?

    @Option(help: ArgumentHelp("Number of units to show; 10 by default.", valueName: "count"))
    package var units: Int?

    package init() {}

    /// The options that are given, as arguments of another program.
    package var arguments: [String] {
        let options: [(String, String?)] = [
            ("filters", filters), ("keep", keep), ("min-words", minWords.map(String.init)),
            ("max-words", maxWords.map(String.init)),
            ("near-duplicates", nearDuplicates.map { "\($0)" }), ("samples", samples),
            ("units", units.map(String.init)),
        ]
        return options.compactMap { name, value in value.map { "--\(name)=\($0)" } }
    }
}
