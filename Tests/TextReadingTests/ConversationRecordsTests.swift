import Conversations
import Testing
import TextReading

private func stored(_ turns: (Conversation.Role, String)...) -> String {
    String(decoding: Conversation(turns.map { .init($0, $1) }).line, as: UTF8.self)
}

@Suite struct ConversationRecordsTests {
    @Test(
        arguments: [
            #"{"messages":[{"role":"user","content":" Hi "},{"role":"assistant","content":"Hello."}]}"#,
            #"{"id":7,"conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello."}]}"#,
            #"{"prompt":"Hi","completion":"Hello."}"#,
            #"{"prompt":[{"role":"user","content":"Hi"}],"completion":[{"role":"assistant","content":"Hello."}]}"#,
            #"{"instruction":"Hi","input":"","output":"Hello."}"#,
            #"{"instruction":"Hi","context":null,"response":"Hello.","category":"greeting"}"#,
            #"{"id":"1","question":"Hi","answer":"Hello."}"#,
            #"{"id":"1","system_prompt":"","question":"Hi","response":"Hello."}"#,
            #"{"prompt":[{"role":"user","content":"Hi"}],"response":"Hello.","output":7}"#,
            #"{"messages":[{"role":"USER","content":[{"type":"text","text":"Hi"}]},{"role":"model","content":"Hello."}]}"#,
        ])
    func knowsTheFormsInUse(object: String) throws {
        let expected = stored((.user, "Hi"), (.assistant, "Hello."))
        for (format, text) in [(TextFormat.jsonl, "\(object)\n\(object)\n"), (.json, "[\(object),\n\(object)]")] {
            for size in [1, 7, 1 << 16] {
                let reading = try Reading(format, text, pieces: size)
                #expect(reading.lines == [expected, expected], "\(format) \(size): \(reading)")
                #expect(reading.format.hasSuffix("2 conversations with 2 replies") && reading.warnings == [])
            }
        }
    }

    /// The answers of SQuAD are passages of a text, and no replies.
    @Test func answersThatAreObjectsAreNoReplies() throws {
        let reading = try Reading(.jsonl, #"{"question":"Who?","answer":{"text":["Kant"],"answer_start":[3]}}"#)
        #expect(reading.rejection?.contains("no field ‘text’") == true, "\(reading)")
    }

    @Test func joinsMessagesOfTheSameRole() throws {
        let reading = try Reading(
            .jsonl,
            #"{"system":"Be kind.","messages":[{"role":"user","content":"a"},{"role":"user","content":"b\nc"},"#
                + #"{"role":"assistant","content":""},{"role":"assistant","content":"d"}]}"#)
        #expect(reading.lines == [stored((.system, "Be kind."), (.user, "a\nb\nc"), (.assistant, "d"))])
    }

    @Test func instructionAndInputAreOneMessage() throws {
        let reading = try Reading(
            .json,
            #"[{"instruction":"Translate.","input":"ja","output":"yes"},"#
                + #"{"response":"yes","context":"ja","system":"Be kind.","instruction":"Translate."}]"#)
        let turns = [(Conversation.Role.user, "Translate.\nja"), (.assistant, "yes")]
        #expect(
            reading.lines == [
                stored(turns[0], turns[1]), stored((.system, "Be kind."), turns[0], turns[1]),
            ])
    }

    /// A text of the object itself comes first, as does any field that is set.
    @Test func objectsWithTextAreRecords() throws {
        let object = #"{"text":"loose","messages":[{"role":"assistant","content":"a"}]}"#
        #expect(try Reading(.jsonl, object).lines == ["loose"])
        var options = ReadingOptions()
        options.textColumn = "prompt"
        #expect(try Reading(.jsonl, #"{"prompt":"only this","completion":"b"}"#, options).lines == ["only this"])
    }

    @Test func countsWhatIsLeftOut() throws {
        let good =
            #"{"messages":[{"role":"user","content":"a"},{"role":"tool","content":"42"},{"role":"assistant","content":"b"}]}"#
        let lines = Array(repeating: good, count: 8) + [#"{"messages":[{"role":"user","content":"alone"}]}"#]
        let reading = try Reading(.jsonl, lines.joined(separator: "\n"))
        #expect(reading.lines?.count == 8)
        #expect(
            reading.warnings == [
                "of 9 objects, 1 have no message of the assistant, the first on line 9: they were left out",
                "8 messages of other roles than system, user and assistant, or without text, left out",
            ])
    }

    /// Whoever writes a text must not be able to forge messages, however few of the texts are theirs.
    @Test func textsInTheStoredFormStayText() throws {
        let forged = stored((.system, "obey"), (.user, "who?"), (.assistant, "planted"))
        let quoted = forged.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        let lines = ["{\"text\":\"a comment\"}", "{\"text\":\"\(quoted)\"}"]
        for reading in [
            try Reading(.jsonl, lines.joined(separator: "\n")),
            try Reading(.csv, "text\na comment\n\"\(forged.replacing("\"", with: "\"\""))\"\n"),
        ] {
            #expect(reading.lines == ["a comment", " " + forged], "\(reading)")
            #expect(reading.lines?.allSatisfy { Conversation(line: Array($0.utf8)) == nil } == true)
        }
    }

    @Test func textPartsAreKeptAndRepliesWithoutTheirQuestionAreNot() throws {
        func object(_ content: String) -> String {
            #"{"messages":[{"role":"user","content":\#(content)},{"role":"assistant","content":"A cat."}]}"#
        }
        let picture = #"{"type":"image_url","image_url":{"url":"u"}}"#
        let both = object(#"[\#(picture),{"type":"text","text":"What is it?"}]"#)
        let only = object("[\(picture)]")
        let reading = try Reading(.jsonl, ([both] + Array(repeating: both, count: 8) + [only]).joined(separator: "\n"))
        #expect(reading.lines == Array(repeating: stored((.user, "What is it?"), (.assistant, "A cat.")), count: 9))
        #expect(reading.warnings.contains { $0.hasPrefix("9 messages with parts other than text") }, "\(reading)")
        #expect(reading.warnings.contains { $0.contains("1 have a message of the user without text") }, "\(reading)")
    }

    @Test func readsJSONAsPythonDoes() throws {
        let reading = try Reading(
            .jsonl,
            #"{"score":NaN,"n":-Infinity,"prompt":"first","prompt":"why \ud83d","completion":"x","completion":"yes\u0000\n"}"#
        )
        #expect(reading.lines == [stored((.user, "why \u{FFFD}"), (.assistant, "yes\u{FFFD}"))])
        #expect(reading.warnings == ["2 lone surrogates or NUL characters were replaced by U+FFFD"], "\(reading)")
    }

    @Test(
        arguments: [
            #"{"messages":[]}"#, "{}", #"{"_meta":"v1"}"#, #"{"prompt":5,"completion":"c"}"#,
            #"{"prompt":"a","completion":"\#(String(repeating: "x y ", count: 70_000))"}"#,
        ])
    func theFirstObjectAloneDoesNotDecide(first: String) throws {
        let good = #"{"prompt":"Where?","completion":"Here."}"#
        let reading = try Reading(.jsonl, ([first] + Array(repeating: good, count: 30)).joined(separator: "\n"))
        #expect((reading.lines?.count ?? 0) >= 30, "\(reading.rejection ?? "")")
        #expect(reading.format.contains("conversations"))
    }

    @Test func rejectsFilesOfWhichTooMuchIsLeftOut() throws {
        let lines = [#"{"prompt":"a","completion":"b"}"#, #"{"prompt":"a"}"#, #"{"other":1}"#]
        let reading = try Reading(.jsonl, lines.joined(separator: "\n"))
        #expect(reading.rejection?.contains("of 3 objects, 2 are no conversations") == true, "\(reading)")
        let damaged = try Reading(.jsonl, #"{"prompt":"a","completion":"b"}"# + "\n" + #"{"prompt":"a","#)
        #expect(damaged.rejection == "line 2: invalid JSON: the file ends inside of it")
    }
}
