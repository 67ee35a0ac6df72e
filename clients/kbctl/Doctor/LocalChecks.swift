import FoundationEssentials
import Glibc
import Interface

/// Checks that run in kbctl because the service's sandbox hides the files that they inspect.
enum LocalChecks {
    typealias Check = ManagerInterface.Check

    static func all(socket: String) -> [Check] {
        [processor(), memory(), graphics(), unit(), self.socket(socket)].compactMap(\.self)
    }

    private static func processor() -> Check {
        let text = self.text("/proc/cpuinfo")
        let name = field("model name", of: text) ?? field("Model", of: text) ?? "an unknown processor"
        let flags = Set((field("flags", of: text) ?? "").split(separator: " "))
        let wanted = [
            ("avx2", "AVX2"), ("fma", "FMA"), ("avx512f", "AVX-512"), ("avx512_vnni", "VNNI"), ("avx512_bf16", "BF16"),
        ]
        let known = wanted.filter { flags.contains($0.0[...]) }.map(\.1)
        let cores = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        let finding =
            "\(name), \(cores) cores, " + (known.isEmpty ? "no vector extensions" : known.joined(separator: " "))
        guard !known.isEmpty else {
            return Check(
                name: "processor", state: .warning, finding: finding,
                advice: "training and inference are several times as fast on a CPU with AVX2 or AVX-512")
        }
        return Check(name: "processor", state: .ok, finding: finding)
    }

    private static func memory() -> Check {
        let text = self.text("/proc/meminfo")
        func bytes(_ name: String) -> Int {
            (field(name, of: text)?.split(separator: " ").first.flatMap { Int($0) } ?? 0) * 1024
        }
        let (total, free) = (bytes("MemTotal"), bytes("MemAvailable"))
        let finding = "\(Format.bytes(total)), \(Format.bytes(free)) available"
        // Memory for a run with the preset kantaibert: 83.5 million parameters, the optimizer state and a batch.
        guard free < 2_500_000_000 else { return Check(name: "memory", state: .ok, finding: finding) }
        return Check(
            name: "memory", state: .warning, finding: finding,
            advice: "training the preset kantaibert takes about 2.5 GB: free some memory, or use preset: small")
    }

    /// PCI class 03 is a display controller, vendor 10de is NVIDIA.
    private static func graphics() -> Check? {
        let devices = "/sys/bus/pci/devices"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: devices)) ?? []
        let hasCard =
            access("/proc/driver/nvidia/version", F_OK) == 0
            || names.contains {
                text("\(devices)/\($0)/vendor").hasPrefix("0x10de") && text("\(devices)/\($0)/class").hasPrefix("0x03")
            }
        guard hasCard else { return Check(name: "graphics", state: .ok, finding: "no NVIDIA GPU; none is needed") }
        return Check(
            name: "graphics", state: .ok,
            finding: "an NVIDIA GPU is present but not used: everything runs on the CPU",
            advice: "a model trained on it with transformers can be imported with kbctl import")
    }

    private static func unit() -> Check {
        guard access("/run/systemd/system", F_OK) == 0 else {
            return Check(name: "unit", state: .ok, finding: "systemd is not running on this machine")
        }
        let properties = "LoadState,ActiveState,SubState,Result,NRestarts"
        guard let output = Subprocess.output(["systemctl", "show", "kantaibertd.service", "-p", properties]) else {
            return Check(
                name: "unit", state: .warning, finding: "systemctl cannot be run",
                advice: "check that it is in the PATH")
        }
        func value(_ name: String) -> String {
            output.split(separator: "\n").first { $0.hasPrefix("\(name)=") }.map {
                String($0.dropFirst(name.count + 1))
            } ?? "unknown"
        }
        guard value("LoadState") == "loaded" else {
            return Check(
                name: "unit", state: .ok, finding: "kantaibertd.service is not installed")
        }
        let restarts = Int(value("NRestarts")) ?? 0
        let finding =
            "kantaibertd.service is \(value("ActiveState")) (\(value("SubState")))"
            + (restarts > 0 ? ", restarted \(restarts) times" : "")
        guard value("ActiveState") == "active" else {
            return Check(
                name: "unit", state: .warning, finding: "\(finding), result \(value("Result"))",
                advice:
                    "see journalctl -u kantaibertd -e for the reason; sudo systemctl restart kantaibertd restarts it")
        }
        return Check(
            name: "unit", state: restarts > 0 ? .warning : .ok, finding: finding,
            advice: restarts > 0 ? "see journalctl -u kantaibertd -p warning for the reason" : nil)
    }

    private static func socket(_ path: String) -> Check {
        var status = stat()
        guard stat(path, &status) == 0 else {
            return Check(
                name: "socket", state: .warning, finding: "\(path) does not exist",
                advice: "start the service: sudo systemctl start kantaibertd.socket, or kantaibertd --state-dir ./var")
        }
        guard access(path, W_OK) == 0 else {
            return Check(
                name: "socket", state: .warning, finding: "you have no permission to use \(path)",
                advice: "sudo usermod -aG kantaibert $USER, then log in again")
        }
        let mode = String(status.st_mode & 0o777, radix: 8)
        guard status.st_mode & 0o006 == 0 else {
            return Check(
                name: "socket", state: .warning,
                finding: "\(path), mode 0\(mode): every user of this machine can use it",
                advice: "set socket.mode in kantaibert.yaml, or SocketMode= in kantaibertd.socket, to 0660")
        }
        return Check(name: "socket", state: .ok, finding: "\(path), mode 0\(mode)")
    }

    private static func text(_ path: String) -> String {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }

    /// Returns the value of a line `name : value` of a file in /proc.
    private static func field(_ name: String, of text: String) -> String? {
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].prefix(while: { $0 != "\t" }) == name else { continue }
            return String(parts[1].drop { $0 == " " })
        }
        return nil
    }
}
