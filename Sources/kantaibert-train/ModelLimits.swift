import Durable
import Glibc
import Inference
import Models

/// Resource limits of a process that opens an untrusted model. They depend only on the sizes of the model's files, and
/// are set before the first file is opened.
struct ModelLimits {
    private let memory: UInt64
    private let seconds: UInt64
    private let fileBytes: UInt64

    /// - Parameter directory: the model directory to be read
    init(directory: String) {
        func size(_ name: String) -> UInt64 {
            var status = stat()
            guard lstat("\(directory)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return 0 }
            return UInt64(clamping: status.st_size)
        }
        // Larger files are rejected, and no file is read more than once.
        let weights = min(
            ForeignModelFolder.weightFiles(in: directory).reduce(into: UInt64(0)) { $0 += min(size($1.name), 1 << 37) },
            1 << 37)
        let small = ModelFolder.files.reduce(into: UInt64(0)) { $0 += min(size($1.name), UInt64($1.mostBytes)) }
        let cores = UInt64(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        // The memory already used by libraries, plus the mapped weights, their float32 copy if they are 16-bit, the
        // packed weights, and the mapped packed weights.
        let statm = (try? Durable.read("/proc/self/statm")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let pages = statm.split(separator: " ").first.flatMap { UInt64($0) } ?? 0
        let libraries = pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
        memory = libraries + (2 << 30) + cores * (64 << 20) + 6 * weights + 40 * small
        seconds = 300 + weights / 1_000_000
        fileBytes = (16 << 20) + 3 * weights + 4 * small
    }

    /// Sets the limits and closes descriptors inherited from the parent process.
    func apply() {
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
        guard getrlimit(kind, &limit) == 0 else { return reportFailure() }
        limit.rlim_max = min(limit.rlim_max, rlim_t(value))
        limit.rlim_cur = limit.rlim_max
        if setrlimit(kind, &limit) != 0 { reportFailure() }
    }

    /// A limit that cannot be set is only logged, because the files are validated anyway.
    private func reportFailure() { say("setrlimit: \(String(cString: strerror(errno))); continuing without the limit") }
}
