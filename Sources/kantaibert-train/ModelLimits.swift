import Durable
import Glibc
import Inference
import Models

/// What a process that opens somebody's model may take, whatever the files say: set before the first of them is opened,
/// by their sizes alone.
struct ModelLimits {
    private let memory: UInt64
    private let seconds: UInt64
    private let fileBytes: UInt64

    /// - Parameter directory: what is to be read
    init(directory: String) {
        func size(_ name: String) -> UInt64 {
            var status = stat()
            guard lstat("\(directory)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return 0 }
            return UInt64(clamping: status.st_size)
        }
        // Nobody reads more, or more than once: what is larger is refused.
        let weights = min(size(ModelDirectory.weightsFile), 1 << 37)
        let small = ModelFolder.files.reduce(into: UInt64(0)) { $0 += min(size($1.name), UInt64($1.mostBytes)) }
        let cores = UInt64(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        // What the libraries have taken by now; the weights mapped, in float32 where they were half of that, packed, and
        // what was packed mapped.
        let statm = (try? Durable.read("/proc/self/statm")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let pages = statm.split(separator: " ").first.flatMap { UInt64($0) } ?? 0
        let libraries = pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
        memory = libraries + (2 << 30) + cores * (64 << 20) + 6 * weights + 40 * small
        seconds = 300 + weights / 1_000_000
        fileBytes = (16 << 20) + 3 * weights + 4 * small
    }

    /// Sets the limits, and closes what a parent may have left open.
    func assume() {
        limit(RLIMIT_CORE, 0)
        limit(RLIMIT_CPU, seconds)
        limit(RLIMIT_FSIZE, fileBytes)
        limit(RLIMIT_NOFILE, 64)
        // AddressSanitizer reserves terabytes.
        if dlsym(nil, "__asan_init") == nil { limit(RLIMIT_AS, memory) }
        for descriptor in Int32(3)..<64 { close(descriptor) }
    }

    private func limit(_ resource: __rlimit_resource, _ value: UInt64) {
        let kind = __rlimit_resource_t(resource.rawValue)
        var limit = rlimit()
        guard getrlimit(kind, &limit) == 0 else { return complain() }
        limit.rlim_max = min(limit.rlim_max, rlim_t(value))
        limit.rlim_cur = limit.rlim_max
        if setrlimit(kind, &limit) != 0 { complain() }
    }

    /// Not a reason to leave a model unopened: the files are checked all the same.
    private func complain() { say("setrlimit: \(String(cString: strerror(errno))); going on without it") }
}
