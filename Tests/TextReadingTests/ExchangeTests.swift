import Conversations
import Testing
import TextReading

/// A stored conversation of a user's message and a reply.
private func stored(_ prompt: String, _ completion: String) -> String {
    String(decoding: Conversation([.init(.user, prompt), .init(.assistant, completion)]).line, as: UTF8.self)
}

private func options(_ prompt: String, _ completion: String) -> ReadingOptions {
    var options = ReadingOptions()
    options.exchange = ExchangeColumns(prompt: prompt, completion: completion)
    return options
}

/// Rows or objects of which two columns or fields are a conversation.
@Suite struct ExchangeTests {
    @Test(
        "The columns in use are known, in any order",
        arguments: [
            ("prompt,completion", "Hi,Hello.", "Hi"), ("id,completion,lang,prompt", "1,Hello.,en,Hi", "Hi"),
            ("instruction,input,output", "Hi,,Hello.", "Hi"), ("output,input,instruction", "Hello.,you,Hi", "Hi\nyou"),
            ("instruction,output", "Hi,Hello.", "Hi"), ("question,answer", "Hi,Hello.", "Hi"),
            ("instruction,context,response,category", "Hi,you,Hello.,a", "Hi\nyou"),
            ("id,question,response,system_prompt", "1,Hi,Hello.,", "Hi"),
            (" prompt , completion ", "\" Hi \", Hello.", "Hi"),
        ])
    func knownColumns(header: String, row: String, prompt: String) throws {
        for size in [1, 7, 1 << 16] {
            let reading = try Reading(.csv, "\(header)\r\n\(row)\r\n\(row)\r\n", pieces: size)
            #expect(reading.lines == Array(repeating: stored(prompt, "Hello."), count: 2), "\(reading)")
            #expect(reading.format == "CSV with delimiter ‘,’, 2 conversations" && reading.warnings == [])
        }
        let tabs = try Reading(.tsv, "\(header)\n\(row)\n".replacing(",", with: "\t"))
        #expect(tabs.lines == [stored(prompt, "Hello.")], "\(tabs)")
    }

    @Test func messageOfTheSystemIsFirst() throws {
        let reading = try Reading(.csv, "system_prompt,input,output,instruction\nBe kind.,you,Hello.,Hi\n,,Yes.,No?\n")
        let turns: [Conversation.Turn] = [
            .init(.system, "Be kind."), .init(.user, "Hi\nyou"), .init(.assistant, "Hello."),
        ]
        #expect(
            reading.lines == [String(decoding: Conversation(turns).line, as: UTF8.self), stored("No?", "Yes.")],
            "\(reading)")
    }

    @Test func lineEndsInMessagesAreKept() throws {
        let reading = try Reading(.csv, "prompt,completion\n\"a\r\nb\",\"c \"\"d\"\"\n\ne\rf\n\"\n")
        #expect(reading.lines == [stored("a\nb", "c \"d\"\n\ne\nf")], "\(reading)")
    }

    /// A text comes first, as does any column that is set.
    @Test func tablesWithTextAreRecords() throws {
        #expect(try Reading(.csv, "prompt,completion,text\na,b,c\n").lines == ["c"])
        var options = ReadingOptions()
        options.textColumn = "prompt"
        #expect(try Reading(.csv, "prompt,completion\na,b\n", options).lines == ["a"])
    }

    @Test func settingsNameColumns() throws {
        let table = "ask,text,reply\n" + (0..<20).map { "Hi,\($0),Hello.\n" }.joined()
        #expect(try Reading(.csv, table, options("ask", "reply")).lines?[19] == stored("Hi", "Hello."))
        #expect(try Reading(.csv, table, options("3", "1")).lines?[19] == stored("Hello.", "Hi"))
        var numbers = options("1", "2")
        numbers.table.hasHeader = false
        let rows = (0..<50).map { "Question \($0),Answer \($0)\n" }.joined()
        #expect(try Reading(.csv, rows, numbers).lines?.last == stored("Question 49", "Answer 49"))
        let missing = try Reading(.csv, table, options("ask", "answer"))
        #expect(
            missing.rejection
                == "has no column ‘answer’; its 3 columns are ‘ask’, ‘text’, ‘reply’. Set prompt_column and completion_column "
                + "in .kbconfig.yaml in the file's folder in the inbox and move the file back there")
    }

    @Test func countsRowsWithoutMessageOrReply() throws {
        let rows = (0..<20).map { "question \($0),answer \($0)\n" }
        let table = "prompt,completion\n" + rows.joined() + "alone\n\" \",b\nNULL,c\n"
        let reading = try Reading(.csv, table)
        #expect(reading.lines?.count == 20)
        #expect(
            reading.warnings == [
                "3 of 23 rows have no text in columns ‘prompt’ and ‘completion’ and were left out, the first on line 22, "
                    + "1 of them because they have too few fields"
            ])
        let rejected = try Reading(.csv, "id,prompt,completion\n1,a,b\n2,c,\n3,,d\n")
        #expect(
            rejected.rejection?.hasPrefix(
                "2 of 3 rows have no text in columns ‘prompt’ and ‘completion’, the first on line 3; the columns are ‘id’, "
                    + "‘prompt’, ‘completion’. Set prompt_column and completion_column") == true, "\(rejected)")
    }

    @Test func leavesOutConversationsThatAreTooLong() throws {
        let long = String(repeating: "a", count: 1 << 20)
        let rows = (0..<9).map { "question \($0),answer \($0)\n" }
        let reading = try Reading(.csv, "prompt,completion\n" + rows.joined() + "q,\(long)\n")
        #expect(reading.lines?.count == 9)
        #expect(
            reading.warnings == [
                "1 of 10 rows make a conversation of more than 1 MiB, the first on line 11: they were left out"
            ])
        let objects = (0..<9).map { "{\"q\":\"\($0)\",\"a\":\"\($0)\"}\n" }
        let json = try Reading(.jsonl, objects.joined() + "{\"q\":\"\(long)\",\"a\":\"b\"}", options("q", "a"))
        #expect(json.lines?.count == 9)
        #expect(
            json.warnings == [
                "1 of 10 objects make a conversation of more than 1 MiB, the first on line 10: they were left out"
            ])
        #expect(try Reading(.csv, "prompt,completion\nq,\(long)\n").rejection != nil)
    }

    @Test func settingsNameFieldsOfObjects() throws {
        let object = #"{"turn":{"ask":" Hi\r\n"},"messages":[],"answer":"Hello."}"#
        for (format, text) in [
            (TextFormat.jsonl, "\(object)\n\(object)"), (.json, "[\(object),\(object)]"),
            (.json, #"{"data":[\#(object),\#(object)]}"#),
        ] {
            let reading = try Reading(format, text, options("turn.ask", "answer"))
            #expect(reading.lines == Array(repeating: stored("Hi", "Hello."), count: 2), "\(reading)")
            #expect(reading.format.hasSuffix(", 2 conversations") && reading.warnings == [])
        }
        let objects = (0..<9).map { "{\"q\":\"\($0) and more\",\"a\":\"b\"}\n" }.joined()
        let some = try Reading(.jsonl, objects + #"{"q":"alone"}"#, options("q", "a"))
        #expect(some.lines?.count == 9)
        #expect(
            some.warnings == ["1 of 10 objects have no fields ‘q’ and ‘a’ and were left out, the first on line 10"])
        let none = try Reading(.jsonl, objects, options("q", "other"))
        #expect(
            none.rejection?.hasPrefix(
                "9 of 9 objects have no fields ‘q’ and ‘other’; the fields of the object on line 1 are ‘q’, ‘a’. Set "
                    + "prompt_column and completion_column in .kbconfig.yaml") == true, "\(none)")
        let strings = try Reading(.json, #"["only", "strings"]"#, options("q", "a"))
        #expect(strings.rejection?.hasPrefix("2 of 2 elements have no fields ‘q’ and ‘a’") == true, "\(strings)")
    }
}
