/// An MPI implementation whose launcher may start this program.
public enum Launcher: String, Sendable, CaseIterable {
    case openMPI = "openmpi"
    case mpich

    public var name: String {
        switch self {
        case .openMPI: "Open MPI"
        case .mpich: "MPICH"
        }
    }

    /// The Debian package needed to build the plugin.
    var package: String {
        switch self {
        case .openMPI: "libopenmpi-dev"
        case .mpich: "libmpich-dev"
        }
    }

    /// The variable that tells of this launcher.
    var variable: String {
        switch self {
        case .openMPI: "OMPI_COMM_WORLD_SIZE"
        case .mpich: "PMI_SIZE"
        }
    }

    /// The file name of the plugin, which is next to the program.
    public var pluginFile: String { "libkantaibert-mpi-\(rawValue).so" }
}

/// What the environment says about how this process was started.
public struct LaunchEnvironment: Sendable, Equatable {
    public var launcher: Launcher
    /// The number of ranks that the launcher started, if the environment has it.
    public var size: Int?
    /// The number of those on this host, if the environment has it.
    public var sizeOnHost: Int?

    /// The largest number of ranks that a run can have.
    public static let mostRanks = 1024

    /// The variable that names the implementation if the environment does not, or that ignores a launcher.
    public static let choice = "KANTAIBERT_MPI"

    public init(launcher: Launcher, size: Int?, sizeOnHost: Int? = nil) {
        self.launcher = launcher
        self.size = size
        self.sizeOnHost = sizeOnHost
    }

    /// Returns nil if no launcher started this process.
    ///
    /// Open MPI's `mpirun` sets `OMPI_COMM_WORLD_SIZE`. MPICH's Hydra and `srun --mpi=pmi2` set `PMI_SIZE`. `srun
    /// --mpi=pmix` sets `PMIX_RANK`, and is assumed to start Open MPI, because Debian's MPICH does not support it.
    public init?(_ environment: [String: String]) throws(CommunicationError) {
        func size(_ variable: String) throws(CommunicationError) -> Int? {
            guard let text = environment[variable] else { return nil }
            guard let size = Int(text), (1...Self.mostRanks).contains(size) else {
                throw .environment(
                    variable: variable, expected: "1 to \(Self.mostRanks) ranks", found: String(text.prefix(40)))
            }
            return size
        }
        let choice = environment[Self.choice]
        if choice == "none" { return nil }
        var launcher: Launcher?
        if let choice {
            launcher = Launcher(rawValue: choice)
            if launcher == nil {
                throw .environment(
                    variable: Self.choice, expected: "openmpi, mpich or none", found: String(choice.prefix(40)))
            }
        }
        let openMPI = try size(Launcher.openMPI.variable)
        let mpich = try size(Launcher.mpich.variable)
        if let openMPI {
            self.init(
                launcher: launcher ?? .openMPI, size: openMPI, sizeOnHost: try size("OMPI_COMM_WORLD_LOCAL_SIZE"))
        } else if let mpich {
            self.init(launcher: launcher ?? .mpich, size: mpich, sizeOnHost: try size("MPI_LOCALNRANKS"))
        } else if environment["PMIX_RANK"] != nil {
            self.init(launcher: launcher ?? .openMPI, size: try size("SLURM_STEP_NUM_TASKS"))
        } else if let launcher {
            self.init(launcher: launcher, size: nil)
        } else {
            return nil
        }
    }
}
