import Corpora
import Testing

struct WatchedFoldersTests {
    /// A directory that is renamed keeps its watch; a scan may find the new name before the event is handled.
    @Test func forgetsTheFormerPathOfARenamedFolder() {
        var folders = WatchedFolders()
        #expect(folders.add(1, "/in/a", isUnreported: true) == nil)
        #expect(folders.add(1, "/in/b", isUnreported: false) == nil)
        #expect(folders.path(of: 1) == "/in/b" && folders.count == 1)
        #expect(!folders.contains("/in/a") && folders.contains("/in/b"))
        #expect(!folders.isUnreported("/in/a") && !folders.isUnreported("/in/b"))
    }

    @Test func forgetsTheWatchOfAReplacedFolder() {
        var folders = WatchedFolders()
        _ = folders.add(1, "/in/a", isUnreported: false)
        #expect(folders.add(2, "/in/a", isUnreported: true) == 1)
        #expect(folders.path(of: 1) == nil && folders.path(of: 2) == "/in/a" && folders.count == 1)
        // The kernel reports the end of the first watch only now.
        folders.remove(1)
        #expect(folders.contains("/in/a") && folders.isUnreported("/in/a"))
        #expect(folders.add(2, "/in/a", isUnreported: true) == nil, "a rescan")
        folders.remove(2)
        #expect(!folders.contains("/in/a") && !folders.isUnreported("/in/a") && folders.count == 0)
    }

    @Test func listsTheFoldersBelowAFolder() {
        var folders = WatchedFolders()
        for (watch, path) in ["/in", "/in/a", "/in/a/b", "/in/ab"].enumerated() {
            _ = folders.add(Int32(watch), path, isUnreported: false)
        }
        #expect(Set(folders.watches(in: "/in/a")) == [1, 2])
        #expect(Set(folders.removeAll()) == [0, 1, 2, 3])
        #expect(folders.count == 0 && !folders.contains("/in"))
    }
}
