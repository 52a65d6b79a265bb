import AsyncHTTPClient
import Foundation
import Functions
import Logging
import Persistence
import Sandboxes

extension Server {
    /// The container engines that are in question on this machine. None is tried yet.
    func containerEngines(
        _ data: DataDirectory, _ launcher: Launcher, _ registry: Registry, _ client: HTTPClient
    ) -> ContainerEngines {
        let settings = configuration.containers
        let place = ContainerPlace(
            folder: data.containers, launcher: launcher,
            helper: configuration.launcher ?? LauncherLocation.beside() ?? "",
            registry: RegistryClient(http: client, settings: settings.registries), settings: settings, logger: logger)
        let candidates: [ContainerEngines.Candidate] =
            switch settings.engine {
            case .none: []
            case .runtime(let kind): [place.runtime(kind)]
            case .docker(let socket): [place.daemon("docker", socket ?? Self.dockerSocket)]
            case .podman(let socket): [place.daemon("podman", socket ?? Self.podmanSocket)]
            case .auto:
                [
                    place.runtime(.runc), place.runtime(.crun), place.daemon("docker", Self.dockerSocket),
                    place.daemon("podman", Self.podmanSocket), place.runtime(.runsc),
                ]
            }
        // What no version needs goes before the first container runs.
        let tidying = candidates.map { candidate in
            ContainerEngines.Candidate(candidate.name) { () async throws(ContainerError) in
                let engine = try await candidate.open()
                if let kept = try? await FunctionRepository.imageDigests(registry) {
                    await engine.collect(keeping: kept)
                }
                return engine
            }
        }
        return ContainerEngines(tidying) { [logger] in logger.notice("\($0)") }
    }

    /// As Docker's own commands find it.
    private static var dockerSocket: String {
        let named = ProcessInfo.processInfo.environment["DOCKER_HOST"] ?? ""
        return named.hasPrefix("unix://") ? String(named.dropFirst(7)) : "/var/run/docker.sock"
    }

    private static var podmanSocket: String {
        let own = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"].map { $0 + "/podman/podman.sock" }
        return getuid() == 0 ? "/run/podman/podman.sock" : own ?? "/run/podman/podman.sock"
    }
}

/// Where engines are made, and of what.
private struct ContainerPlace: Sendable {
    let folder: String
    let launcher: Launcher
    let helper: String
    let registry: RegistryClient
    let settings: ContainerSettings
    let logger: Logger

    /// The ids that containers' users are, behind those of workers (see Isolation): nobody else has them.
    private static let firstUser: UInt32 = 2_141_192_192
    private static let users: UInt32 = 65_536

    func runtime(_ kind: OCIRuntime.Kind) -> ContainerEngines.Candidate {
        .init(kind.rawValue) { () async throws(ContainerError) in
            guard let runtime = OCIRuntime(kind) else {
                throw ContainerError(.unavailable, "the program \(kind.rawValue) is not on this machine")
            }
            try makeFolder()
            let isRoot = getuid() == 0
            let images = try ImageStore(
                path: folder + "/images", registry: registry,
                ownership: isRoot ? .shifted(by: Self.firstUser, count: Self.users) : .own)
            let builder = CommandBuilder(
                runtime: runtime, launcher: launcher, helper: helper, settings: settings.registries,
                network: settings.buildNetwork,
                identities: (Self.firstUser, Self.users), folder: folder + "/builds")
            let engine = try RuntimeEngine(
                runtime, images: images, launcher: launcher, helper: helper, folder: folder + "/run", builder: builder,
                logger: logger)
            try await engine.tryOut()
            return engine
        }
    }

    func daemon(_ name: String, _ socket: String) -> ContainerEngines.Candidate {
        .init(name) { () async throws(ContainerError) in
            guard access(socket, F_OK) == 0 else {
                throw ContainerError(.unavailable, "there is no socket \(socket)")
            }
            try makeFolder()
            return try await DockerEngine.open(
                socket: socket, registry: registry, folder: folder + "/daemon", instance: try instance(),
                buildNetwork: settings.buildNetwork, logger: logger)
        }
    }

    private func makeFolder() throws(ContainerError) {
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw ContainerError(
                .storage, "the folder \(folder) cannot be made: \(String(cString: strerror(errno)))")
        }
    }

    /// What tells this server's containers from another's at the same daemon, the same after a restart.
    private func instance() throws(ContainerError) -> String {
        let path = folder + "/instance"
        if let text = try? String(contentsOfFile: path, encoding: .utf8), text.utf8.count == 36 { return text }
        let text = UUID().uuidString.lowercased()
        guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8)) else {
            throw ContainerError(.storage, "\(path) cannot be written")
        }
        return text
    }
}
