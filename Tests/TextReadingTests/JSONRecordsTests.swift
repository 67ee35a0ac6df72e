import Testing
import TextReading

@Suite struct JSONRecordsTests {
    private static let objects = (0..<20).map { "{\"id\": \($0), \"text\": \"\(sentence($0))\"}" }

    private static let list = objects.joined(separator: ", ")
    private static let strings: [String] = (0..<20).map { "\"\(sentence($0))\"" }

    private static let layouts: [(TextFormat, String, String)] = [
        (.jsonl, objects.joined(separator: "\n"), "JSON lines, 20 objects"),
        (.json, objects.joined(separator: "\r\n\r\n"), "JSON lines, 20 objects"),
        (.json, "[\n\(objects.joined(separator: ",\n"))\n]\n", "JSON array, 20 elements"),
        (.jsonl, " [\(list)]", "JSON array, 20 elements"),
        (.json, "[\(strings.joined(separator: ","))]", "JSON array, 20 elements"),
        (.json, objects.joined(separator: "\n").replacing(", ", with: ",\n  "), "JSON lines, 20 objects"),
        (.jsonl, objects.map { "\u{1E}\($0)\n" }.joined(), "JSON text sequence, 20 objects"),
        (.json, objects.map { "\n\u{1E}\u{1E} \($0)" }.joined(), "JSON text sequence, 20 objects"),
        (
            .json, "{\"name\": [\"x\", \"y\"],\n\"data\": [\(list)], \"end\": null}",
            "JSON object with an array, 20 objects"
        ),
    ]

    @Test(arguments: layouts)
    func recognizesLayout(format: TextFormat, text: String, description: String) throws {
        var options = ReadingOptions()
        for sample in [1 << 18, 40] {
            options.sampleBytes = sample
            for pieces in [1, 7, 1 << 16] {
                let reading = try Reading(format, "\u{FEFF}" + text, options, pieces: pieces)
                #expect(reading.lines == (0..<20).map(sentence), "\(reading)")
                #expect(reading.format == description)
                #expect(reading.warnings == [])
            }
        }
    }

    @Test func rejectsSeparatorsOutsideOfSequences() throws {
        for text in [
            "\(Self.objects[0])\n\u{1E}\(Self.objects[1])", "\u{1E}{\"text\": \"truncated\n\u{1E}\(Self.objects[0])",
        ] {
            #expect(try Reading(.jsonl, text).rejection?.contains("invalid JSON") == true)
        }
    }

    /// Expected output: `json.loads` of Python 3.11.
    @Test(arguments: [
        (#"{"text": "a \"b\" \u00e9 \ud83d\ude00\nc", "more": {"text": "inner"}}"#, "a \"b\" é 😀 c"),
        (#"{"text": "first", "text": "last"}"#, "last"),
        (#"{"n": [NaN, Infinity, -Infinity, 123456789012345678901234567890, 1e999], "text": "a"}"#, "a"),
        (#"{"text": "a\ud83d", "x": "\ude00"}"#, "a\u{FFFD}"),
        (#"{"text": "\ude00\ud83d\ud83d\ude00b"}"#, "\u{FFFD}\u{FFFD}😀b"),
    ])
    func readsLikePython(line: String, text: String) throws {
        for (format, document) in [(TextFormat.jsonl, line), (.json, "[\(line)]")] {
            #expect(try Reading(format, document).lines == [text])
        }
    }

    @Test func countsReplacedSurrogates() throws {
        let reading = try Reading(.jsonl, #"{"text": "a\ud83d b\u0000", "x": "\ude00"}"#)
        #expect(reading.warnings == ["2 lone surrogates or NUL characters were replaced by U+FFFD"])
        #expect(
            try Reading(.jsonl, #"{"text": "a\ud800b"}"#).warnings
                == ["1 lone surrogate or NUL character was replaced by U+FFFD"])
    }

    @Test func readsNestedAndSeveralFields() throws {
        var options = ReadingOptions()
        options.textColumns = ["message.text", "title"]
        let text = """
            {"title": "T", "message": {"text": "a", "more": {"text": "no"}}}
            {"message.text": "b", "message": {"text": "no"}, "title": null}
            {"message": {"text": "no"}, "message": {"text": "c"}}
            {"message": {"text": "no"}, "message": [{"text": "no"}], "title": "d"}
            """
        #expect(try Reading(.jsonl, text, options).lines == ["a T", "b", "c", "d"])
    }

    @Test func countsObjectsWithoutText() throws {
        let texts: [Int: String] = [
            3: #"{"body": "x"}"#, 14: #"{"text": null}"#, 25: #"{"text": "NaN"}"#, 36: #"{"text": ["a"]}"#,
            47: #"{"text": NaN}"#, 58: #"{"text": 5}"#,
        ]
        let lines = (0..<100).map { texts[$0] ?? "{\"text\": \"\(sentence($0))\"}" }.joined(separator: "\n")
        let reading = try Reading(.jsonl, lines)
        #expect(reading.lines?.count == 94)
        #expect(
            reading.warnings == [
                "6 of 100 objects have no text in field ‘text’ and were left out, the first on line 4: "
                    + "1 have no field ‘text’, 2 have no string in field ‘text’, 3 have no text in field ‘text’"
            ])
        let some = (0..<100).map { $0 % 25 == 0 ? #"{"body": "x"}"# : "{\"text\": \"\(sentence($0))\"}" }
        #expect(
            try Reading(.jsonl, some.joined(separator: "\n")).warnings
                == ["4 of 100 objects have no field ‘text’ and were left out, the first on line 1"])
    }

    @Test func rejectsObjectsThatMostlyLackText() throws {
        let lines = (0..<50).map { "{\"id\": \"x\", \"\($0 % 10 == 0 ? "text" : "body")\": \"\(sentence($0))\"}" }
        let reading = try Reading(.jsonl, lines.joined(separator: "\n"))
        #expect(
            reading.rejection
                == "45 of 50 objects have no field ‘text’; the fields of the object on line 2 are ‘id’, ‘body’. "
                + "Set text_column: [text, body] in .kbconfig.yaml in the file's folder in the inbox and move the file "
                + "back there")
        let nested = try Reading(.json, #"[{"id": 1, "message": {"text": "some words"}}]"#)
        #expect(nested.rejection?.contains("Set text_column: message.text in .kbconfig.yaml") == true)
        let hostile = (0..<1000).map { "\"\(String(repeating: "\($0)", count: 100))\": 1" }.joined(separator: ",")
        let reason = try #require(try Reading(.jsonl, "{\(hostile)}").rejection)
        #expect(reason.hasSuffix(" and 992 more") && reason.utf8.count < 500, "\(reason)")
    }

    @Test(arguments: [
        ("{\"text\": \"a\"}\n{\"text\": \"b", "line 2: invalid JSON: the file ends inside of it"),
        ("[{\"text\": \"a\"},\n{\"text\": \"b\"}", "line 2: invalid JSON: the file ends inside of it"),
        ("{\"text\": \"a\"} {\"text\": \"b\"}", "line 1: invalid JSON"),
        ("[{\"text\": \"a\"}]\n5", "line 1: not a JSON object"),
        ("{\"text\":\n\"a\" \"b\"}", "line 2: invalid JSON in the object that begins on line 1"),
        ("[1]\n[2]", "line 1: not a JSON object"),
        ("[]", "has no object with text in field ‘text’"),
        (
            "{\"a\": [{\"text\": \"a\"}],\n\"b\": [{\"text\": \"a\"}]}",
            "line 2: the file has several arrays of objects. Put each array into a file of its own"
        ),
        (
            "{\"text\": \"x\", \"a\": [{\"text\": \"a\"}],\n\"b\": [{\"text\": \"a\"}]}",
            "line 2: the file has several arrays of objects. Put each array into a file of its own"
        ),
    ])
    func rejectsOtherJSON(text: String, reason: String) throws {
        #expect(try Reading(.json, text).rejection == reason)
    }

    @Test func readsArrayBesideText() throws {
        var options = ReadingOptions()
        for sample in [1 << 18, 80] {
            options.sampleBytes = sample
            for (head, tail) in [("\"text\": \"My data set\", ", ""), ("", ", \"text\": \"My data set\"")] {
                let reading = try Reading(.json, "{\(head)\"data\": [\(Self.list)]\(tail)}", options)
                #expect(reading.lines == (0..<20).map(sentence))
                #expect(reading.format == "JSON object with an array, 20 objects")
                #expect(
                    reading.warnings == [
                        "the text in field ‘text’ of the object around the array was left out, because the objects in the "
                            + "array have it, too"
                    ])
            }
        }
    }

    @Test func choosesArrayWithTheField() throws {
        let contacts = #""contacts": [{"name": "A"}, {"name": "B"}]"#
        for text in ["{\(contacts), \"data\": [\(Self.list)]}", "{\"data\": [\(Self.list)], \(contacts)}"] {
            let reading = try Reading(.json, text)
            #expect(reading.lines == (0..<20).map(sentence))
            #expect(
                reading.warnings == [
                    "2 objects in other arrays, without field ‘text’, left out: the first is on line 1"
                ])
        }
        // A text without objects that have it stays one record.
        #expect(try Reading(.json, "{\"text\": \"one\", \(contacts)}").lines == ["one"])
    }

    /// An export of a chat, in which the text of a message with links is a list.
    @Test func advisesNoFieldThatOnlyDescribes() throws {
        let messages = (0..<40).map { index in
            let text = index % 4 == 0 ? #"["see ", {"type": "link", "text": "x"}]"# : "\"\(sentence(index))\""
            return "{\"id\": \(index), \"type\": \"message\", \"from\": \"user \(index)\", \"text\": \(text)}"
        }
        let chat = "{\"name\": \"A\", \"type\": \"personal_chat\", \"messages\": [\(messages.joined(separator: ", "))]}"
        #expect(
            try Reading(.json, chat).rejection
                == "10 of 40 objects have no string in field ‘text’; the fields of the object on line 1 are ‘id’, ‘type’, "
                + "‘from’, ‘text’")
        var options = ReadingOptions()
        options.textColumns = ["text", "type"]
        #expect(try Reading(.json, chat, options).lines?.count == 40)
        // A field of the object around the array describes all of its objects.
        let long = (0..<10).map { "{\"title\": \"\(sentence($0))\", \"body\": \"short \($0)\"}" }.joined(separator: ",")
        let titled = try Reading(.json, "{\"title\": \"A\", \"list\": [\(long)]}").rejection
        #expect(titled?.contains("Set text_column: body in") == true, "\(titled ?? "")")
        // A longer text that is always the same is passed over.
        let licensed = (0..<10).map { "{\"license\": \"\(sentence(1)), free\", \"body\": \"short \($0)\"}" }
        let rejection = try Reading(.jsonl, licensed.joined(separator: "\n")).rejection
        #expect(rejection?.contains("Set text_column: body in") == true, "\(rejection ?? "")")
    }

    @Test func limitsRecordAndDepth() throws {
        var options = ReadingOptions()
        options.maxRecordBytes = 100
        let long = "{\"text\": \"\(String(repeating: "y", count: 200))\"}"
        let reason = "line 2: the object is longer than 100 bytes, the limit set by inbox.max_record_bytes"
        #expect(try Reading(.json, "[{\"text\": \"a\"},\n\(long)]", options).rejection == reason)
        #expect(try Reading(.jsonl, "{\"text\": \"a\"}\n\(long)", options, pieces: 3).rejection == reason)
        let deep = String(repeating: "[", count: 600)
        #expect(try Reading(.json, deep).rejection == "line 1: nested more than 512 levels deep")
    }
}
