import Foundation
import NIOCore
import Testing
import WebClient

func permissions(_ path: String) throws -> Int {
    try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
}

/// Uploads into the inbox: atomic, and under safe names.
struct InboxTests {
    private func put(_ web: WebUnderTest, _ query: String, _ bytes: [UInt8]) async throws -> HTTPAnswer {
        try await web.request("POST", "/api/inbox?\(query)", headers: WebUnderTest.authorized, bytes)
    }

    @Test func uploadIsStoredUnmodified() async throws {
        try await WebUnderTest.run { web in
            let bytes = (0..<90_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let answer = try await put(web, "name=critique%20of%20reason.txt", bytes)
            #expect(answer.status == 201)
            #expect(try answer.json()["bytes"] as? Int == 90_000)
            #expect(try web.files == ["critique of reason.txt"])
            #expect(try Data(contentsOf: URL(filePath: "\(web.inbox)/critique of reason.txt")) == Data(bytes))
        }
    }

    @Test func uploadForOneModelGoesIntoItsFolder() async throws {
        try await WebUnderTest.run { web in
            let known = try await put(web, "name=a.txt&model=assistant", [65])
            #expect(known.status == 201)
            let unknown = try await put(web, "name=a.txt&model=..", [65])
            #expect(unknown.status == 404)
            #expect(try web.files == ["assistant", "assistant/a.txt"])
        }
    }

    @Test func uploadsDoNotReplaceFiles() async throws {
        try await WebUnderTest.run { web in
            try Data("first".utf8).write(to: URL(filePath: "\(web.inbox)/a.txt"))
            #expect(try await put(web, "name=a.txt", [66]).json()["name"] as? String == "a-2.txt")
            #expect(try await put(web, "name=a.txt", [67]).json()["name"] as? String == "a-3.txt")
            #expect(try String(contentsOfFile: "\(web.inbox)/a.txt", encoding: .utf8) == "first")
            #expect(try web.files == ["a-2.txt", "a-3.txt", "a.txt"])
        }
    }

    @Test func oversizedUploadsLeaveNothing() async throws {
        try await WebUnderTest.run { web in
            let bytes = [UInt8](repeating: 65, count: WebUnderTest.uploadLimit + 1)
            #expect(try await put(web, "name=a.txt", bytes).status == 413)
            // An unannounced size is counted while receiving.
            let chunked = try await web.request(
                "POST", "/api/inbox?name=a.txt",
                headers: WebUnderTest.authorized.merging(["Transfer-Encoding": "chunked", "Content-Length": ""]) { $1 }
                    .filter { !$1.isEmpty },
                Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + Array("\r\n0\r\n\r\n".utf8))
            #expect(chunked.status == 413 || chunked.status == 400)
            #expect(try web.files == [])
        }
    }

    @Test func abortedUploadLeavesNothing() async throws {
        try await WebUnderTest.run { web in
            try await web.conversation { _, outbound in
                try await outbound.write(
                    ByteBuffer(
                        string: """
                            POST /api/inbox?name=a.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r
                            Authorization: Bearer \(WebUnderTest.token.text)\r\n\r\nhalf a fi
                            """))
                // Wait until the upload has started: there is a hidden file.
                while try web.files.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
                #expect(try web.files.allSatisfy { $0.hasPrefix(".") })
            }
            while try !web.files.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    @Test func abortedChunkedUploadLeavesNothing() async throws {
        try await WebUnderTest.run { web in
            try await web.conversation { _, outbound in
                try await outbound.write(
                    ByteBuffer(
                        string: """
                            POST /api/inbox?name=a.txt HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r
                            Authorization: Bearer \(WebUnderTest.token.text)\r\n\r\n5\r\nwhole\r\n9\r\nhalf
                            """))
                while try web.files.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            }
            while try !web.files.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    /// A member of the group replaces a folder of the inbox by a link.
    @Test(arguments: [true, false]) func folderReplacedByALinkIsNotFollowed(isWhileItComes: Bool) async throws {
        try await WebUnderTest.run { web in
            let manager = FileManager.default
            let elsewhere = "\(web.folder)/elsewhere"
            try manager.createDirectory(atPath: elsewhere, withIntermediateDirectories: false)
            let folder = "\(web.inbox)/assistant"
            guard isWhileItComes else {
                try manager.createSymbolicLink(atPath: folder, withDestinationPath: elsewhere)
                let answer = try await put(web, "name=a.txt&model=assistant", [65])
                #expect(answer.status == 409)
                #expect(try answer.error().code == "inbox_in_the_way")
                #expect(try manager.contentsOfDirectory(atPath: elsewhere) == [])
                return
            }
            try await web.conversation { inbound, outbound in
                try await outbound.write(
                    ByteBuffer(
                        string: """
                            POST /api/inbox?name=a.txt&model=assistant HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r
                            Connection: close\r\nAuthorization: Bearer \(WebUnderTest.token.text)\r\n\r\nfir
                            """))
                while try web.files.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
                try manager.moveItem(atPath: folder, toPath: "\(web.inbox)/aside")
                try manager.createSymbolicLink(atPath: folder, withDestinationPath: elsewhere)
                try await outbound.write(ByteBuffer(string: "st\n"))
                for try await _ in inbound {}
            }
            // The file is in the renamed original folder.
            #expect(try manager.contentsOfDirectory(atPath: elsewhere) == [])
            #expect(try String(contentsOfFile: "\(web.inbox)/aside/a.txt", encoding: .utf8) == "first\n")
        }
    }

    /// A link counts as an existing file of that name, and is not followed.
    @Test func linksAreNotFollowed() async throws {
        try await WebUnderTest.run { web in
            let elsewhere = "\(web.folder)/elsewhere"
            try FileManager.default.createSymbolicLink(atPath: "\(web.inbox)/a.txt", withDestinationPath: elsewhere)
            #expect(try await put(web, "name=a.txt", [66]).json()["name"] as? String == "a-2.txt")
            #expect(!FileManager.default.fileExists(atPath: elsewhere))
        }
    }

    @Test func uploadsLeaveTheDiskReserveFree() async throws {
        try await WebUnderTest.run(reserve: 1 << 60) { web in
            let answer = try await put(web, "name=a.txt", [65])
            #expect(answer.status == 507)
            #expect(try web.files == [])
        }
    }

    /// All uploads together may have twice the size limit of one: three of nearly that limit are too many.
    @Test func concurrentUploadsShareALimit() async throws {
        try await WebUnderTest.run { web in
            let head = """
                HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(WebUnderTest.uploadLimit)\r
                Authorization: Bearer \(WebUnderTest.token.text)\r\n\r\nbeginning
                """
            try await web.conversation { _, first in
                try await first.write(ByteBuffer(string: "POST /api/inbox?name=a.txt \(head)"))
                try await web.conversation { _, second in
                    try await second.write(ByteBuffer(string: "POST /api/inbox?name=b.txt \(head)"))
                    while try web.files.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
                    let answer = try await put(web, "name=c.txt", [65])
                    #expect(answer.status == 429)
                    #expect(try answer.error().code == "too_many_uploads")
                }
            }
            // They have hung up, so their bytes no longer count.
            while try await put(web, "name=c.txt", [65]).status != 201 { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    /// Removes files of exited processes; keeps those of running ones.
    @Test func leftoversAreRemovedAtStartup() async throws {
        try await WebUnderTest.run { web in
            let inbox = Inbox(path: web.inbox, limit: 1)
            let manager = FileManager.default
            try manager.createDirectory(atPath: "\(web.inbox)/assistant", withIntermediateDirectories: false)
            // No process was started at that time.
            let never = UInt64.max
            for name in [".a.txt.1-\(never)-7.tmp", "assistant/.b.txt.1-\(never)-8.tmp", ".hidden", "a.txt"] {
                try Data("half".utf8).write(to: URL(filePath: "\(web.inbox)/\(name)"))
            }
            #expect(inbox.clearLeftovers() == 2)
            #expect(try web.files == [".hidden", "a.txt", "assistant"])
        }
    }

    @Test(arguments: [
        ("kant.txt", "kant.txt"), ("../../etc/passwd", "passwd"), ("C:\\books\\kant.txt", "kant.txt"),
        ("...hidden", "hidden"), (" a b ", "a b"),
        ("<img src=x onerror=alert(1)>.txt", "<img src=x onerror=alert(1)>.txt"),
        ("a\u{0}b\nc\u{1b}[2J.txt", "abc[2J.txt"), ("a\u{202e}txt.exe", "atxt.exe"),
        ("Kritik der Vernunft – ü.txt", "Kritik der Vernunft – ü.txt"),
        ("", nil), ("..", nil), ("/", nil), ("\u{0}\u{7}", nil),
    ])
    func fileNamesAreMadeSafe(given: String, safe: String?) {
        #expect(Inbox.safeName(given) == safe)
    }

    @Test func longNamesAreTruncatedBetweenCharacters() throws {
        let name = try #require(Inbox.safeName(String(repeating: "é", count: 300)))
        #expect(name.utf8.count == 200)
        #expect(name.allSatisfy { $0 == "é" })
    }
}
