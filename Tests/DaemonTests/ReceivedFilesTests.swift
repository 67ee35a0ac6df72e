import Daemon
import Durable
import FoundationEssentials
import Interface
import Testing

@Suite struct ReceivedFilesTests {
    @Test func keepsTheReserveOfTheDisk() throws {
        let folder = FileManager.default.temporaryDirectory.path
        let total = try FreeSpace.at(folder).total
        try ReceivedFiles.checkRoom(for: 0, at: folder, reserve: 0)
        let error = #expect(throws: ManagerInterface.ImportRefused.self) {
            try ReceivedFiles.checkRoom(for: 1, at: folder, reserve: total)
        }
        #expect(error?.reason.contains("\(total) stay free (retention.reserve)") == true)
    }
}
