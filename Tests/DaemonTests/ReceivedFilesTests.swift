import Daemon
import Durable
import FoundationEssentials
import Interface
import Jobs
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

    @Test func acceptsShardsAndSaysHowToConvertPickles() throws {
        func reason(_ names: [String], _ objective: Objective = .mlm) -> String? {
            do throws(ManagerInterface.ImportRefused) {
                try ReceivedFiles.check(names: names, objective: objective)
                return nil
            } catch { return error.reason }
        }
        func shards(_ count: Int) -> [String] {
            (1...count).map { "model-000\($0 < 10 ? "0" : "")\($0)-of-00064.safetensors" }
        }
        #expect(reason(["config.json", "model.safetensors.index.json"] + shards(64)) == nil)
        #expect(reason(ManagerInterface.Import.fileNames + shards(65))?.hasPrefix("there are 74 files") == true)
        #expect(reason(shards(2) + shards(1)) == "a file name occurs twice")
        for name in [
            "model-1-of-2.safetensors", "model-00001-of-0000x.safetensors", "../el-00001-of-00001.safetensors",
        ] {
            #expect(reason([name])?.contains("is not one of the accepted files") == true, "\(name)")
        }
        let masked = reason(["config.json", "pytorch_model.bin"]) ?? ""
        #expect(masked.contains("python3 -c \"import transformers") && masked.contains("AutoModelForMaskedLM"))
        #expect(reason(["pytorch_model-00001-of-00002.bin"], .clm)?.contains("AutoModelForCausalLM") == true)
    }
}
