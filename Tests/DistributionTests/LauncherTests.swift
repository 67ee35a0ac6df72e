import Distribution
import Testing

@Test func noLauncherMeansOneProcess() throws {
    #expect(try LaunchEnvironment(["PATH": "/bin", "SLURM_NTASKS": "4"]) == nil)
    #expect(try LaunchEnvironment(["OMPI_COMM_WORLD_SIZE": "4", "KANTAIBERT_MPI": "none"]) == nil)
}

@Test func launchersAreKnownByTheirVariables() throws {
    #expect(
        try LaunchEnvironment(["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_SIZE": "3"])
            == .init(launcher: .openMPI, size: 4, sizeOnHost: 3))
    #expect(
        try LaunchEnvironment(["PMI_SIZE": "2", "PMI_RANK": "1", "MPI_LOCALNRANKS": "1"])
            == .init(launcher: .mpich, size: 2, sizeOnHost: 1))
    #expect(
        try LaunchEnvironment(["PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "3"]) == .init(launcher: .openMPI, size: 3))
    #expect(
        try LaunchEnvironment(["PMI_SIZE": "2", "KANTAIBERT_MPI": "openmpi"]) == .init(launcher: .openMPI, size: 2))
    #expect(try LaunchEnvironment(["KANTAIBERT_MPI": "mpich"]) == .init(launcher: .mpich, size: nil))
}

@Test(
    arguments: [
        ["OMPI_COMM_WORLD_SIZE": "0"], ["OMPI_COMM_WORLD_SIZE": "-1"], ["PMI_SIZE": "many"], ["PMI_SIZE": "1000000"],
        ["KANTAIBERT_MPI": "lam"], ["PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": ""],
    ])
func refusesWhatNoLauncherSets(environment: [String: String]) {
    #expect(throws: CommunicationError.self) { try LaunchEnvironment(environment) }
}
