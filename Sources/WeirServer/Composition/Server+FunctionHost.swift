import CloudEvents
import Foundation
import Functions
import Invocation
import Logging
import Sandboxes

/// What runs functions on this machine, before there is an invoker.
struct FunctionHost: Sendable {
    let launcher: Launcher
    let settings: InvocationConfiguration
    let interpreters: Interpreters
    /// What was installed and built for functions.
    let layers: LayerStore
}

extension Server {
    /// Finds out what this machine can do for functions.
    func functionHost(_ data: DataDirectory) async throws -> FunctionHost {
        guard let program = configuration.launcher ?? LauncherLocation.beside() else {
            throw StartError("weir-launcher is not beside this program: build it, or name it with --launcher")
        }
        let runners = try starting("the runtimes") { try RunnerFiles.install(in: data.runtimes) }
        let launcher = try starting("the launcher \(program)") {
            try Launcher(Launcher.Configuration(path: program), logger: logger)
        }
        let isolation = await launcher.prepare(
            minimum: configuration.minimumIsolation, maximum: configuration.maximumIsolation)
        Self.log(isolation, logger)
        let interpreters = Interpreters(launcher: launcher, runners: runners, logger: logger)
        var settings = InvocationConfiguration(
            python: await interpreters.program(Server.absolute(configuration.python)),
            node: await interpreters.program(Server.absolute(configuration.node)),
            swift: Server.absolute("swiftc"), runners: runners,
            maximumWorkers: configuration.workers, idleGrace: configuration.idleGrace)
        settings.stems = StemPolicy(floor: configuration.stems, maximum: configuration.stems == 0 ? 0 : 8)
        settings.stems.hasZygote = configuration.hasZygotes
        settings.memoryBudget = configuration.memoryBudget ?? settings.memoryBudget
        settings.namespaceRuns = configuration.namespaceRuns
        // Not waited for: the first worker may come before the runner is compiled, it only starts slower.
        Task { [python = settings.python] in await interpreters.prepare(python: python) }
        let layers = try starting("the layers") { try LayerStore(path: data.layers) }
        return FunctionHost(launcher: launcher, settings: settings, interpreters: interpreters, layers: layers)
    }

    private static func log(_ isolation: IsolationReport, _ logger: Logger) {
        var metadata: Logger.Metadata = [
            "level": "\(isolation.level)", "controlGroups": "\(isolation.controlGroups)",
        ]
        for feature in isolation.features {
            if let failure = feature.failure { metadata["missing \(feature.name)"] = "\(failure)" }
        }
        if let obstacle = isolation.obstacle { logger.error("\(obstacle)") }
        logger.notice("Isolation of functions: \(isolation.meaning)", metadata: metadata)
    }
}
