import Crypto
import Digests
import Durable
import Formatting
import FoundationEssentials
import Glibc
import Kernels
import Parallel

/// What each rank tells rank 0 about itself before work begins.
public struct RankIntroduction: Codable, Sendable, Equatable {
    /// Version of this program.
    public var version: String
    /// SHA-256 of the program file.
    public var program: String
    public var host: String
    public var threads: Int
    public var processor: Processor
    /// SHA-256 of the job file; nil if this rank cannot read it, as without a shared file system.
    public var job: String?

    /// Largest size of an encoded introduction, in bytes.
    static let mostBytes = 1 << 16

    public init(version: String, program: String, host: String, threads: Int, processor: Processor, job: String?) {
        self.version = version
        self.program = program
        self.host = host
        self.threads = threads
        self.processor = processor
        self.job = job
    }

    /// Describes this process.
    /// - Parameter jobPath: the job file on the command line
    /// - Throws: `DurableError` if the program file cannot be read
    public init(jobPath: String) throws {
        var name = utsname()
        uname(&name)
        let host = withUnsafeBytes(of: name.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        self.init(
            version: Release.version, program: try SHA256.hash(ofFile: "/proc/self/exe").hexadecimal, host: host,
            threads: ThreadPool.shared.threads, processor: .current,
            job: try? SHA256.hash(ofFile: jobPath).hexadecimal)
    }

    /// Returns why this rank cannot train together with rank 0, or nil.
    func difference(from first: RankIntroduction) -> String? {
        if version != first.version { return "runs version \(version), rank 0 version \(first.version)" }
        if let job, let expected = first.job, job != expected {
            return "has a job file with SHA-256 \(job.prefix(12))…, rank 0 one with \(expected.prefix(12))…"
        }
        return nil
    }

    /// Returns why the bytes of the model may differ from those of a run without this rank, or nil.
    func doubt(besides first: RankIntroduction) -> String? {
        if processor != first.processor { return "has another CPU than rank 0" }
        if program != first.program { return "runs another build of version \(version) than rank 0" }
        return nil
    }
}
