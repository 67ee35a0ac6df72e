// swift-tools-version: 6.2
import PackageDescription

let warned: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]
/// Path of the libFuzzer archive, set by `make fuzz`. Our modules are then built with coverage instrumentation and with
/// runtime checks.
let fuzzer = Context.environment["KANTAIBERT_LIBFUZZER"]
let ours: [SwiftSetting] = warned + (fuzzer == nil ? [] : [.unsafeFlags(["-sanitize=fuzzer"])])
// Kernels check bounds once on entry; checks inside their loops would prevent vectorization.
let kernels = ours + (fuzzer == nil ? [.unsafeFlags(["-Ounchecked"])] : [])
// Links a self-contained program that starts in milliseconds: Swift libraries are linked statically, unused code and
// symbols are removed. The dependencies of FoundationEssentials are listed, because `-static-stdlib` is passed only to
// the linker.
let standalone: [LinkerSetting] = [
    .unsafeFlags(
        ["-static-stdlib", "-use-ld=lld"]
            + ["--gc-sections", "--no-export-dynamic", "-s", "-z", "pack-relative-relocs"].flatMap { ["-Xlinker", $0] }),
    .linkedLibrary("_FoundationCShims"),
    .linkedLibrary("_FoundationCollections"),
    .linkedLibrary("swiftSynchronization"),
]

let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
]

func tests(
    _ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil,
    plugins: [Target.PluginUsage]? = nil
) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: dependencies, path: "Tests/\(name)Tests", resources: resources,
        swiftSettings: ours, plugins: plugins)
}

let package = Package(
    name: "kantaibert",
    products: [
        .executable(name: "kantaibertd", targets: ["kantaibertd"]),
        .executable(name: "kantaibert-train", targets: ["kantaibert-train"]),
        .executable(name: "kantaibert-read", targets: ["kantaibert-read"]),
        .executable(name: "kbctl", targets: ["kbctl"]),
        .executable(name: "kantaibert-web", targets: ["kantaibert-web"]),
        .executable(name: "kb-bench", targets: ["kb-bench"]),
        // For LD_PRELOAD in tests only. A target must be a product to be built as a separate library.
        .library(name: "Faults", type: .dynamic, targets: ["Faults"]),
        .executable(name: "kb-man", targets: ["kb-man"]),
        // Not specific to this project: see Sources/Varlink/README.md.
        .library(name: "Varlink", targets: ["Varlink"]),
        .library(name: "VarlinkServer", targets: ["VarlinkServer"]),
        .library(name: "VarlinkGenerator", targets: ["VarlinkGenerator"]),
        .executable(name: "varlink-swift-generator", targets: ["varlink-swift-generator"]),
        .plugin(name: "VarlinkGeneratorPlugin", targets: ["VarlinkGeneratorPlugin"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["YAML"]),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0", traits: []),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    ],
    targets: [
        // 0: C libraries, and code that cannot be written in Swift
        .systemLibrary(name: "CBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .systemLibrary(name: "CMalloc"),
        .systemLibrary(name: "CFiles"),
        // The header of the MPI plugins, which `make mpi` builds.
        .systemLibrary(name: "CMPIPlugin"),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
        .systemLibrary(name: "CXML", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
        .systemLibrary(name: "CUchardet", pkgConfig: "uchardet", providers: [.apt(["libuchardet-dev"])]),
        .systemLibrary(name: "CMagic", pkgConfig: "libmagic", providers: [.apt(["libmagic-dev"])]),
        .systemLibrary(
            name: "CDivsufsort", pkgConfig: "libdivsufsort", providers: [.apt(["libdivsufsort-dev"])]),
        .target(name: "CSandbox"),
        .target(
            name: "CKernels",
            cSettings: [
                .unsafeFlags(["-O3", "-fno-math-errno", "-ffp-contract=fast", "-mprefer-vector-width=512"])
            ]),
        .target(name: "Varlink", exclude: ["README.md"], swiftSettings: ours),
        // Compiled for the host and run during the build, so never built with the flags for fuzzing.
        .target(name: "VarlinkGenerator", swiftSettings: warned),
        .executableTarget(name: "varlink-swift-generator", dependencies: ["VarlinkGenerator"], swiftSettings: warned),
        .plugin(
            name: "VarlinkGeneratorPlugin", capability: .buildTool(), dependencies: ["varlink-swift-generator"]),

        // 1
        .target(
            name: "Interface", dependencies: ["Varlink"], swiftSettings: ours, plugins: ["VarlinkGeneratorPlugin"]),
        .target(name: "TextFilters", swiftSettings: ours),
        .target(name: "Events", dependencies: [log], swiftSettings: ours),
        .target(name: "MetricsSchema", swiftSettings: ours),
        .target(name: "OpenMetrics", dependencies: ["Interface", "MetricsSchema", "Varlink"], swiftSettings: ours),
        .target(name: "SettingsTable", dependencies: ["Formatting"], swiftSettings: ours),
        .target(
            name: "Jobs", dependencies: ["MetricsSchema", "SettingsTable", "TextFilters", "Durable"],
            swiftSettings: ours),
        .target(name: "PreviewOptions", dependencies: [arguments], swiftSettings: ours),
        .target(name: "Systemd", dependencies: ["CSystemd", log], swiftSettings: ours),
        .target(name: "LimitedLogging", dependencies: [log], swiftSettings: ours),
        .target(name: "Fairness", swiftSettings: ours),
        .target(name: "Random", swiftSettings: ours),
        .target(name: "Parallel", swiftSettings: ours),
        .target(name: "Durable", dependencies: ["CFiles"], swiftSettings: ours),
        .target(name: "UTF8Sequences", swiftSettings: ours),
        .target(name: "AsyncSupport", swiftSettings: ours),
        .target(name: "Formatting", swiftSettings: ours),
        .target(name: "Conversations", swiftSettings: ours),
        .target(name: "Safetensors", swiftSettings: ours),
        .target(name: "ONNX", dependencies: ["Safetensors"], swiftSettings: ours),
        .target(name: "Digests", dependencies: ["Durable", crypto], swiftSettings: ours),
        .target(name: "Distribution", dependencies: ["CMPIPlugin"], swiftSettings: ours),

        // 2
        .target(
            name: "Kernels", dependencies: ["CBLAS", "CKernels", "Durable", "Parallel", "Random"],
            swiftSettings: kernels),
        .target(
            name: "Tokenizers",
            dependencies: ["Conversations", "Parallel", "Durable", "Digests", "UTF8Sequences", crypto],
            swiftSettings: ours),
        .target(
            name: "TextReading", dependencies: ["Conversations", "Durable", "Digests", "UTF8Sequences", crypto],
            swiftSettings: ours),
        // Only for `kantaibert-read`, which is confined: libraries that parse untrusted files.
        .target(
            name: "DocumentReading",
            dependencies: ["TextReading", "CArchive", "CXML", "CUchardet", "CMagic", "Durable", "UTF8Sequences"],
            swiftSettings: ours),
        // Built with runtime checks, because an index may be damaged.
        .target(
            name: "TextSearch", dependencies: ["CDivsufsort", "Durable", "Parallel", "UTF8Sequences"],
            swiftSettings: ours),
        .target(
            name: "Corpora",
            dependencies: [
                "CFiles", "TextReading", "Durable", "Digests", "Fairness", "LimitedLogging", "UTF8Sequences", crypto,
            ],
            swiftSettings: ours),
        .target(
            name: "Database",
            dependencies: ["Durable", "Jobs", "MetricsSchema", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: ours),
        .target(
            name: "VarlinkServer", dependencies: ["Varlink", "Fairness", "LimitedLogging", log] + nio,
            swiftSettings: ours),

        // 3
        .target(
            name: "Models", dependencies: ["Kernels", "Random", "Parallel", "Durable", "Safetensors"],
            swiftSettings: kernels),
        .target(
            name: "Datasets",
            dependencies: [
                "Conversations", "Jobs", "TextFilters", "Tokenizers", "Random", "Durable", "Digests", crypto,
            ],
            swiftSettings: ours),

        // 4
        .target(
            name: "Training",
            dependencies: [
                "Distribution", "SettingsTable", "Models", "Kernels", "Datasets", "Tokenizers", "Jobs", "TextFilters",
                "Parallel",
                "Durable", "Digests",
                "Formatting", "Random", crypto,
            ],
            swiftSettings: kernels),
        .target(
            name: "Inference",
            dependencies: [
                "AsyncSupport", "Conversations", "Fairness", "Formatting", "Models", "Kernels", "Tokenizers", "Jobs",
                "TextFilters", "Random", "Parallel", "Durable",
                "Digests",
                crypto,
            ],
            swiftSettings: kernels),
        .target(name: "Scheduling", dependencies: ["Durable"], swiftSettings: ours),
        .target(
            name: "Settings",
            dependencies: [
                "SettingsTable", "Scheduling", "Jobs", "TextFilters", "TextReading", "Corpora", "Durable",
                .product(name: "Configuration", package: "swift-configuration"),
            ],
            swiftSettings: ours),
        .target(
            name: "Supervision",
            dependencies: [
                "AsyncSupport", "CFiles", "Durable", "Formatting", "Jobs",
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: ours),
        .target(
            name: "Daemon",
            dependencies: [
                "AsyncSupport", "Conversations", "Events", "Formatting", "LimitedLogging", "Scheduling", "Settings",
                "SettingsTable",
                "Supervision",
                "CFiles", "CMalloc", "Corpora", "Datasets", "TextReading", "TextSearch", "Fairness", "Inference",
                "Models",
                "Kernels", "Parallel", "Database", "Interface",
                "MetricsSchema", "Varlink",
                "VarlinkServer",
                "Systemd", "Jobs", "Tokenizers", "TextFilters",
                "Durable", "Digests", crypto,
                log, lifecycle,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: ours),

        .target(
            name: "Fuzzing",
            dependencies: [
                "Settings", "Corpora", "TextReading", "DocumentReading", "Inference", "Models", "Tokenizers",
                "Datasets", "Jobs", "Interface", "Varlink",
                "Durable", "TextSearch", "WebClient", log,
            ],
            swiftSettings: ours),
        .target(name: "Parity", dependencies: ["Models", "Kernels", "Durable"], swiftSettings: ours),

        // 5: programs
        .executableTarget(
            name: "kantaibertd",
            dependencies: ["Daemon", "Durable", "Formatting", "Settings", "Systemd", arguments, log],
            swiftSettings: ours),
        .executableTarget(
            name: "kantaibert-train",
            dependencies: [
                "Distribution", "Training", "Inference", "Models", "Kernels", "Jobs", "Durable", "Corpora",
                "Datasets", "Formatting",
                "Parallel", "PreviewOptions", "Settings", "TextFilters", "TextReading", arguments,
            ],
            swiftSettings: ours),
        .executableTarget(
            name: "kantaibert-read",
            dependencies: ["DocumentReading", "TextReading", "CSandbox", "Durable", "Formatting", arguments],
            swiftSettings: ours),
        .executableTarget(
            name: "kbctl",
            dependencies: [
                "Durable", "Formatting", "Interface", "MetricsSchema", "ONNX", "OpenMetrics", "PreviewOptions",
                "Varlink",
                arguments,
            ],
            path: "clients/kbctl",
            swiftSettings: ours, linkerSettings: standalone),
        // The web page and its HTTP API: a client of the socket, without models and database.
        .target(
            name: "WebPage", dependencies: [crypto], path: "clients/web/WebPage",
            resources: [.embedInCode("static")], swiftSettings: ours),
        .target(
            name: "WebClient",
            dependencies: [
                "CFiles", "WebPage", "Interface", "OpenMetrics", "Varlink", "LimitedLogging", "Durable", "Digests", log,
                lifecycle, crypto,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ] + nio,
            path: "clients/web/WebClient", swiftSettings: ours),
        .executableTarget(
            name: "kantaibert-web",
            dependencies: [
                "WebClient", "Formatting", "Interface", "Systemd", arguments, log,
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            path: "clients/web/kantaibert-web", swiftSettings: ours),
        .executableTarget(
            name: "kb-bench",
            dependencies: [
                "AsyncSupport", "Parity", "Training", "Models", "Datasets", "Tokenizers", "Kernels", "Parallel",
                "Interface", "Varlink", "Daemon", "Settings", "Jobs", "Durable", "Formatting", "ONNX", "TextSearch",
                "VarlinkServer",
                arguments, log,
            ],
            swiftSettings: ours),

        .target(name: "Faults", path: "Tests/Faults", publicHeadersPath: "."),
        // Code shared by several test targets.
        .target(
            name: "TestSupport", dependencies: ["Distribution"], path: "Tests/TestSupport", swiftSettings: ours),
        tests("Fuzzing", ["Fuzzing"], resources: [.copy("Fixtures")]),
        .executableTarget(
            name: "kb-man", dependencies: ["Events", "Formatting", "Settings", arguments], swiftSettings: ours),

        tests(
            "VarlinkGenerator", ["VarlinkGenerator", "Varlink"], resources: [.copy("Fixtures")],
            plugins: ["VarlinkGeneratorPlugin"]),
        tests("Random", ["Random"]),
        tests("Parallel", ["Parallel"]),
        tests("Fairness", ["Fairness"]),
        tests("Durable", ["Durable"]),
        tests("TextFilters", ["TextFilters"], resources: [.copy("Fixtures")]),
        tests("Formatting", ["Formatting"]),
        tests("Conversations", ["Conversations"]),
        tests("SettingsTable", ["SettingsTable"]),
        tests(
            "Settings",
            ["Settings", "SettingsTable", "Scheduling", "Corpora", "TextReading", "Jobs", "TextFilters", "Durable"]),
        tests("Jobs", ["Jobs", "TextFilters"], resources: [.copy("Fixtures")]),
        tests("Varlink", ["Varlink", "VarlinkServer", "TestSupport", log]),
        tests("Interface", ["Interface", "Varlink", "TestSupport"]),
        // Runs the program, which is not a dependency for the reason given at EndToEnd below.
        tests("Kbctl", ["Interface", "Varlink", "VarlinkServer", "TestSupport", log]),
        // Runs kb-man with the programs.
        tests("Man", ["kb-man", "kantaibertd", "kantaibert-train"]),
        tests("Systemd", ["Systemd", log]),
        tests("Distribution", ["Distribution", "TestSupport"]),
        tests("Kernels", ["Kernels", "CKernels", "Durable", "Random"], resources: [.copy("Fixtures")]),
        tests(
            "Tokenizers", ["Conversations", "Tokenizers", "Durable", "Digests", crypto], resources: [.copy("Fixtures")]),
        tests(
            "Corpora",
            ["AsyncSupport", "Corpora", "TextReading", "Durable", "LimitedLogging", "TextFilters", "TestSupport"],
            resources: [.copy("Fixtures")]),
        tests("TextSearch", ["TextSearch", "Durable"]),
        tests("TextReading", ["Conversations", "TextReading", "Varlink"]),
        tests(
            "DocumentReading", ["DocumentReading", "TextReading", "CArchive", "Durable"], resources: [.copy("Fixtures")]
        ),
        tests("Database", ["Jobs", "MetricsSchema", "Database", .product(name: "GRDB", package: "GRDB.swift")]),
        tests("Models", ["Models", "Kernels", "Parity", "Random"], resources: [.copy("Fixtures")]),
        tests("ONNX", ["ONNX", "Models", "Kernels", crypto]),
        tests("Datasets", ["Conversations", "Datasets", "TextFilters", "Tokenizers", "Jobs"]),
        tests(
            "Training",
            [
                "Distribution", "TestSupport", "Conversations", "TextFilters", "Training", "Models", "Kernels",
                "Datasets", "Tokenizers", "Jobs",
                "Durable",
            ]),
        tests(
            "Inference",
            [
                "Conversations",
                "Inference", "Models", "Kernels", "Tokenizers", "Jobs", "TextFilters", "Random", "Durable",
                "TestSupport",
            ],
            resources: [.copy("Fixtures")]),
        tests("Scheduling", ["Scheduling", "Jobs", "TestSupport"], resources: [.copy("Fixtures")]),
        tests("Supervision", ["AsyncSupport", "Durable", "Jobs", "Supervision"]),
        tests(
            "Daemon",
            [
                "Daemon", "Datasets", "TextFilters", "Events", "LimitedLogging", "Settings", "Inference", "Models",
                "Kernels",
                "Tokenizers",
                "Jobs",
                "Interface",
                "Varlink",
                "VarlinkServer",
                "MetricsSchema", "Database",
                "Durable", "TestSupport", log,
            ]),
        tests(
            "Web",
            [
                "WebClient", "WebPage", "Interface", "OpenMetrics", "Varlink", "VarlinkServer", "TestSupport",
                "LimitedLogging", log, .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ] + nio),
        // Runs the programs as a user does. `kbctl` is not a dependency, because its static libraries would be linked
        // into the tests; `swift test` builds it anyway.
        tests(
            "EndToEnd",
            [
                "Distribution", "Interface", "Varlink", "Jobs", "Kernels", "Durable", "TestSupport", crypto,
                "kantaibertd",
                "kantaibert-train",
            ]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17
)

if let fuzzer {
    package.targets.append(
        .executableTarget(
            name: "kb-fuzz", dependencies: ["Fuzzing"], swiftSettings: ours,
            linkerSettings: [.unsafeFlags([fuzzer]), .linkedLibrary("stdc++"), .linkedLibrary("m")]))
}
