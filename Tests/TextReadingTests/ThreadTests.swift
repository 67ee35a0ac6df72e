import Conversations
import Testing
import TextReading

/// A message of a made-up thread.
private struct Tweet {
    let id: String
    let parent: String
    let isCustomer: Bool
    let text: String

    init(_ id: Int, answers parent: Int? = nil, _ role: Conversation.Role, _ text: String) {
        self.id = "\(id)"
        self.parent = parent.map { "\($0)" } ?? ""
        isCustomer = role == .user
        self.text = text
    }

    var row: String {
        "\(id),\(isCustomer ? "91" : "Shop"),\(isCustomer ? "True" : "False"),Tue Oct 31,\"\(text)\",,\(parent)\n"
    }
}

private let header = "tweet_id,author_id,inbound,created_at,text,response_tweet_id,in_response_to_tweet_id\n"

private let options = {
    var options = ReadingOptions()
    options.table.hasThreads = true
    return options
}()

/// The conversations that a table of these messages makes, without their roles: a repeated message begins with `↑`, and
/// messages are separated by `|`.
private func read(_ tweets: [Tweet], _ options: ReadingOptions = options) throws -> Reading {
    var reading = try Reading(.csv, header + tweets.map(\.row).joined(), options)
    reading.lines = try reading.lines?.map { line in
        let conversation = try #require(Conversation(line: Array(line.utf8)))
        return conversation.turns.map { ($0.isRepeated ? "↑" : "") + $0.content }.joined(separator: "|")
    }
    return reading
}

@Suite struct ThreadTests {
    @Test func repliesFollowWhatTheyAnswer() throws {
        let tweets = [
            Tweet(5, answers: 3, .assistant, "sorry, where?"), Tweet(9, .user, "thanks"),
            Tweet(3, .user, "it is \"late\",\r\nagain"), Tweet(7, answers: 5, .user, "at home"),
        ]
        for size in [1, 7, 1 << 16] {
            let rows = tweets.map(\.row).joined().replacing("\"late\"", with: "\"\"late\"\"")
            let reading = try Reading(.csv, header + rows, options, pieces: size)
            let thread = Conversation([
                .init(.user, "it is \"late\", again"), .init(.assistant, "sorry, where?"), .init(.user, "at home"),
            ])
            #expect(
                reading.lines
                    == [Conversation([.init(.user, "thanks")]), thread].map { String(decoding: $0.line, as: UTF8.self) }
            )
            #expect(reading.format == "CSV with delimiter ‘,’, 4 rows in 2 conversations")
            #expect(
                reading.warnings == [
                    "1 of 2 conversations have no message of the company: a causal model learns nothing from them"
                ])
        }
    }

    /// Without the setting, the same table has the same texts as records.
    @Test func messagesHaveTheTextOfRecords() throws {
        let tweets = (0..<20).map {
            Tweet($0, answers: $0 < 4 ? nil : $0 - 4, $0 % 8 < 4 ? .user : .assistant, " a\nb, \($0) ")
        }
        let records = try Reading(.csv, header + tweets.map(\.row).joined())
        let threads = try Reading(.csv, header + tweets.map(\.row).joined(), options)
        let texts = try #require(threads.lines).flatMap { Conversation(line: Array($0.utf8))?.turns ?? [] }.map(
            \.content)
        #expect(texts.count == 20 && threads.lines?.count == 4)
        #expect(texts.sorted() == records.lines?.sorted())
    }

    @Test func branchesRepeatTheCustomersMessage() throws {
        let tweets = [
            Tweet(1, .user, "a"), Tweet(2, answers: 1, .assistant, "short"), Tweet(3, answers: 1, .assistant, "b"),
            Tweet(4, answers: 3, .assistant, "c"), Tweet(5, answers: 4, .user, "d"),
            Tweet(6, answers: 4, .assistant, "e"), Tweet(7, answers: 3, .user, "f"),
        ]
        let reading = try read(tweets)
        #expect(reading.lines == ["a|b|c|d", "↑a|short", "↑a|e", "f"])
        #expect(
            reading.warnings == [
                "1 of 4 conversations have no message of the company: a causal model learns nothing from them",
                "3 of 7 rows answer a message that has another reply with a longer thread: each is the beginning of a "
                    + "conversation",
            ])
    }

    @Test func circlesMissingMessagesAndRepeatedIdsAreCounted() throws {
        let tweets = [
            Tweet(1, answers: 3, .user, "a"), Tweet(2, answers: 1, .assistant, "b"),
            Tweet(3, answers: 2, .user, "c"), Tweet(4, answers: 4, .assistant, "self"),
            Tweet(5, answers: 77, .assistant, "lost"), Tweet(2, answers: 5, .assistant, "again"),
            Tweet(6, answers: 2, .user, "d"),
        ]
        let reading = try read(tweets)
        #expect(reading.lines == ["a|b|c", "self", "lost", "again", "d"])
        #expect(
            reading.warnings.suffix(3) == [
                "1 of 7 rows answer a message that is not in the table: each is the beginning of a conversation",
                "1 of 7 rows have the tweet_id of an earlier row: each is a conversation of its own",
                "2 of 7 rows answer themselves or one of their own replies: each is the beginning of a conversation",
            ], "\(reading)")
    }

    @Test func longThreadsAreDivided() throws {
        let tweets = (0..<2500).map {
            Tweet($0, answers: $0 == 0 ? nil : $0 - 1, $0 % 2 == 0 ? .user : .assistant, "\($0)")
        }
        let reading = try read(tweets.reversed())
        #expect(
            reading.lines
                == [0..<1000, 1000..<2000, 2000..<2500].map { $0.map(String.init).joined(separator: "|") })
        #expect(reading.warnings == ["conversations of more than 1000 messages or 1 MiB were divided in 2 places"])
        let odd = try read(tweets.map { Tweet(Int($0.id)!, answers: Int($0.parent), .assistant, $0.text) })
        #expect(odd.lines?.count == 3)
        let large = String(repeating: "é", count: 400_000 / 2)
        let some = try read((0..<4).map { Tweet($0, answers: $0 == 0 ? nil : $0 - 1, .assistant, large) })
        #expect(some.lines?.count == 2 && some.warnings.count == 1)
    }

    @Test func rowsBeyondTheLimitStayAlone() throws {
        var few = options
        few.threadRows = 2
        let tweets = [
            Tweet(1, .user, "a"), Tweet(2, answers: 1, .assistant, "b"), Tweet(3, answers: 2, .user, "c"),
            Tweet(4, answers: 3, .assistant, "d"),
        ]
        let reading = try read(tweets, few)
        #expect(reading.lines == ["c", "d", "a|b"])
        #expect(
            reading.warnings.last
                == "2 rows after the first 2, from line 4, not put together: each is a conversation of its own. Divide the "
                + "file at the end of a thread")
    }

    /// The limit on repeated text bounds the size of the stored corpus.
    @Test func manyBranchesRepeatLittleText() throws {
        let long = String(repeating: "a", count: 100_000)
        let tweets = [Tweet(0, .user, long)] + (1...40).map { Tweet($0, answers: 0, .assistant, "\($0)") }
        let reading = try read(tweets)
        #expect(reading.lines?.count == 40)
        #expect(reading.lines?.filter { $0.hasPrefix("↑") }.count == 11)
        #expect(
            reading.warnings.last
                == "28 conversations without the customer's message before, because that would have repeated too much text"
        )
    }

    /// Numbers that a program has written as fractions, and ids that are no numbers.
    @Test(arguments: [("8", "8.0"), ("abc", "abc"), ("123456789012345678901", "123456789012345678901"), ("08", "08")])
    func idsAreCompared(id: String, reference: String) throws {
        let rows = "\(id),x,True,,a,,\n9,y,False,,b,,\(reference)\n10,z,1,,c,,NaN\n"
        let reading = try Reading(.csv, header + rows, options)
        #expect(reading.lines?.count == 2, "\(reading)")
    }

    @Test func unknownRolesAreCountedOrRejected() throws {
        let rows = (0..<9).map { Tweet($0, .user, "\($0)").row }
        let some = try Reading(.csv, header + rows.joined() + "10,x,maybe,,a,,\n", options)
        #expect(
            some.warnings.first
                == "1 of 10 rows have neither True nor False in column ‘inbound’, the first on line 11: they were taken for "
                + "messages of the customer")
        let most = try Reading(.csv, header + "10,x,maybe,,a,,\n", options)
        #expect(
            most.rejection?.hasPrefix(
                "1 of 1 rows have neither True nor False in column ‘inbound’, the first on line 2.")
                == true, "\(most)")
    }

    @Test func rowsWithoutTextAreLeftOut() throws {
        let tweets = (0..<9).map { Tweet($0, answers: $0 == 0 ? nil : $0 - 1, .user, $0 == 5 ? " " : "\($0)") }
        let reading = try read(tweets)
        #expect(reading.lines == ["0|1|2|3|4", "6|7|8"])
        #expect(
            reading.warnings.first
                == "1 of 9 rows have no text in column ‘text’ and were left out, the first on line 7")
    }

    @Test func otherTablesAreRefused() throws {
        let rows = (0..<9).map { "\($0),\(sentence($0))\n" }
        let reading = try Reading(.csv, "id,text\n" + rows.joined(), options)
        #expect(
            reading.rejection
                == "has no column ‘tweet_id’, ‘in_response_to_tweet_id’, ‘inbound’, ‘author_id’: ‘threads: true’ in "
                + ".kbconfig.yaml is for tables with a header that names the columns text, tweet_id, "
                + "in_response_to_tweet_id, inbound, author_id")
        #expect(try Reading(.jsonl, #"{"text":"a"}"#, options).lines == ["a"])
    }
}
