import Jobs
import SettingsTable
import TextFilters

extension ModelSettings {
    /// Settings that belong together, in the order in which they are applied and documented.
    package static let groups: [[Setting<ModelSettings>]] = [
        [
            Setting(
                "objective", \.chosenObjective, .word, change: .onRestart,
                """
                mlm: fills masks. clm: continues text. The default is mlm for the model kantaibert and clm for assistant; \
                for any other model the key is required.
                """)
        ],
        [
            Setting(
                "preset", \.chosenPreset, .word, change: .onReload,
                """
                The architecture: auto (the best for the amount of text, max_time and this machine, chosen by the run and \
                stated in the log), kantaibert (the book chapter's, 83.5 million parameters), small (4 layers of 256) or \
                tiny (for tests). Each of its numbers can be overridden by its Hugging Face key, also of auto, which then \
                chooses the others.
                """)
        ] + Architecture.settings.map(\.setting).nested(in: nil, \.architecture),
        [
            Setting(
                "recipe", \.chosenRecipe, .word, change: .onReload,
                """
                How the model is trained: default (the best recipe known) or seed (the book chapter's: AdamW with a \
                learning rate of 5e-5 that decays linearly, one epoch, batches of 64). Each of its keys can be overridden; \
                the defaults shown are those of default.
                """)
        ] + Recipe.settings.map(\.setting).nested(in: nil, \.recipe),
        [
            Setting(
                "samples", \.samples, .word, change: .onReload,
                """
                The unit of training. auto: decided for each corpus from its text, and stated in the log; hard-wrapped \
                paragraphs are joined into one line. lines, paragraphs (separated by blank lines), records (one per line), \
                conversations (only the replies are learned; other text is refused) \
                or packed (paragraphs joined, each followed by </s>, and cut at block_size). With the recipe seed, auto \
                stands for lines if the objective is mlm, and for paragraphs if it is clm.
                """)
        ] + FilterKeys.settings.nested(in: nil, \.filterKeys) + [
            Setting(
                "tokenizer", \.tokenizer, ValueFormat.text("the path of a directory").or("null"), change: .onReload,
                "Directory of an existing tokenizer. null: trains one.")
        ],
        [
            Setting(
                "start", \.start, .word, change: .onReload,
                """
                What training starts from. previous: the generation that serves; each epoch has all of the new text and \
                repeats a part of the old text (replay). fresh: random weights. auto: previous if less than a \
                third of the text is new, at most \(JobStart.mostWarmStarts) times in a row, otherwise fresh. Where a corpus was removed, or \
                settings do not fit the generation, the run starts fresh, and the log says why. With the recipe seed, \
                auto stands for fresh.
                """)
        ],
        [
            Setting(
                "license", \.license, .license, change: .onReload,
                """
                The license in the card of an exported model (kbctl export), by its name on the Hugging Face Hub, such as \
                cc-by-4.0 or apache-2.0; any other name is written as another license. null: none is stated.
                """),
            Setting(
                "language", \.languages,
                .list("a list of ISO 639 codes such as de, or multilingual") { codes in
                    codes.count <= 64
                        && codes.allSatisfy { code in
                            code == "multilingual"
                                || (2...3).contains(code.utf8.count)
                                    && code.utf8.allSatisfy { (0x61...0x7a).contains($0) }
                        }
                }, change: .onReload,
                "The languages of the text, for the card of an exported model. [] states none."),
        ],
        scheduleKeys.nested(in: "schedule", \.schedule),
    ]

    /// Every setting in a model's section.
    package static let settings: [Setting<ModelSettings>] = groups.flatMap(\.self)
}

extension FilterKeys {
    private static let names = TextFilter.Name.allCases.map(\.rawValue) + [TextFilter.tweets]

    static let settings: [Setting<FilterKeys>] = [
        Setting(
            "filters", \.namesOrNone, .list("a list of filters: \(names.joined(separator: ", "))"), change: .onReload,
            """
            Filters that are applied to each sample before tokenization, in order: lowercase, keep, strip_urls, \
            strip_mentions, min_words, max_words, dedupe_lines, strip_ansi (control sequences of terminals), unwrap (joins \
            hard-wrapped lines, also if samples is set), dehyphenate, gutenberg (drops the license around an e-book), \
            dedupe_documents, near_duplicates; tweets stands for lowercase, keep and min_words with keep "a-z '" and \
            min_words 30. Prompts pass through the filters that modify characters.
            """),
        Setting(
            "keep", \.values.keep, ValueFormat.text("characters and ranges such as \"a-z '\"").or("null"),
            change: .onReload,
            """
            The characters that the filter keep retains, as in the brackets of a regular expression; a space stands for all \
            white space.
            """),
        Setting(
            "min_words", \.values.minWords, ValueFormat.integer(atLeast: 1).or("null"), change: .onReload,
            "The filter min_words drops samples with fewer words."),
        Setting(
            "max_words", \.values.maxWords, ValueFormat.integer(atLeast: 1).or("null"), change: .onReload,
            "The filter max_words drops samples with more words."),
        Setting(
            "near_duplicates", \.values.nearDuplicates,
            ValueFormat.number(
                atLeast: TextFilter.nearDuplicateShares.lowerBound, atMost: TextFilter.nearDuplicateShares.upperBound
            ).or("null"),
            change: .onReload,
            """
            The filter near_duplicates drops lines, paragraphs and records that have at least this share of their text in \
            common with an earlier one, such as 0.8.
            """),
    ]

    private var namesOrNone: [String] {
        get { names ?? [] }
        set { names = newValue }
    }
}

extension ValueFormat<String?> {
    /// The name of a license, which is written into the YAML header of a model card.
    fileprivate static var license: ValueFormat {
        ValueFormat<String>(
            "a name of at most 64 of a-z, 0-9, - and .", parse: { $0 },
            accepts: { name in
                (1...64).contains(name.utf8.count)
                    && name.utf8.allSatisfy {
                        (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d || $0 == 0x2e
                    }
            }, text: { $0 }
        ).or("null")
    }
}
