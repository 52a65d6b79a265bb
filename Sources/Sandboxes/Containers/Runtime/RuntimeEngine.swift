package import CloudEvents
package import Functions
internal import Foundation
internal import Glibc
package import Logging
internal import Synchronization

/// Containers by an OCI runtime, from images that are unpacked here.
///
/// The launcher starts each runtime in the foreground as a worker, so the container dies with it: with the server, by the
/// launcher's kill, and by its own end. Nothing is mounted where anybody else sees it.
package final class RuntimeEngine: ContainerEngine {
    package let runtime: OCIRuntime
    let images: ImageStore
    let launcher: Launcher
    let helper: String
    /// A folder a container, removed at its end; what is there at start was left by a server that was killed.
    let folder: String
    let builder: (any ImageBuilder)?
    let logger: Logger
    private let running = Mutex<[String: RuntimeContainer]>([:])
    private let disk = BlockingThreads("containers")

    /// - Parameters:
    ///   - helper: the launcher's program, which prepares bundles too.
    ///   - folder: for what running containers need; emptied. Blocks.
    package init(
        _ runtime: OCIRuntime, images: ImageStore, launcher: Launcher, helper: String, folder: String,
        builder: (any ImageBuilder)?, logger: Logger
    ) throws(ContainerError) {
        self.runtime = runtime
        self.images = images
        self.launcher = launcher
        self.helper = helper
        self.folder = folder
        self.builder = builder
        self.logger = logger
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw PartialBlob.failure("cannot make the folder \(folder)")
        }
        sweep()
    }

    package var name: String { runtime.kind.rawValue }
    package var isolation: Int { runtime.isPrivileged ? 3 : 2 }

    package var document: JSONValue {
        [
            "engine": .string(name), "program": .string(runtime.path), "isolation": .integer(Int64(isolation)),
            "builder": builder.map { .string($0.name) } ?? .null,
        ]
    }

    // MARK: Images

    package func pin(
        _ image: ImageReference, pull: ContainerSpec.Pull, namespace: String
    ) async throws(ContainerError) -> PinnedImage {
        try await images.pin(image, pull: pull, namespace: namespace)
    }

    package func build(_ order: ImageBuildOrder) async throws(ContainerError) -> PinnedImage {
        if order.pull != .always, let known = await built(order) { return known }
        guard let builder else {
            throw ContainerError(
                .unavailable,
                "no builder of images is on this machine: install buildah or podman, or let the server use Docker's socket"
            )
        }
        let repository = ImageStore.repository(ofBuilt: order)
        let target = images.files.incoming(UUID().uuidString)
        let name = Self.key(order, builder)
        do throws(ContainerError) {
            try await builder.build(order, into: target)
            let layout = try await disk.run { () throws(ContainerError) in try ImageLayout(path: target) }
            let image = try await images.load(layout, repository: repository)
            try images.keepName(name, image.digest)
            try? await disk.run { () throws(ContainerError) in try Self.remove(target) }
            return image
        } catch {
            try? await disk.run { () throws(ContainerError) in try Self.remove(target) }
            throw error
        }
    }

    package func built(_ order: ImageBuildOrder) async -> PinnedImage? {
        guard let builder, let digest = images.named(Self.key(order, builder)) else { return nil }
        return PinnedImage(repository: ImageStore.repository(ofBuilt: order), digest: digest)
    }

    package func collect(keeping digests: Set<ImageDigest>) async { await images.collect(keeping: digests) }

    /// The same code, built by the same rules, is the same image.
    private static func key(_ order: ImageBuildOrder, _ builder: any ImageBuilder) -> String {
        "built:\(order.namespace)/\(order.content)/\(builder.name)/\(order.dockerfile)"
    }

    private static func remove(_ path: String) throws(ContainerError) {
        let url = URL(fileURLWithPath: path)
        try ImageFiles.remove(url.deletingLastPathComponent().path, url.lastPathComponent)
    }

    // MARK: Containers

    package func start(
        _ specification: ContainerSpecification, handler: any ContainerHandler
    ) -> any RunningContainer {
        start(specification, handler: handler) { [images] () async throws(ContainerError) in
            try await images.unpacked(specification.image, namespace: specification.namespace)
        }
    }

    private func start(
        _ specification: ContainerSpecification, handler: any ContainerHandler,
        image find: @escaping @Sendable () async throws(ContainerError) -> UnpackedImage
    ) -> RuntimeContainer {
        let container = RuntimeContainer(engine: self, specification: specification, handler: handler)
        running.withLock { $0[container.id] = container }
        Task { [self] in
            do throws(ContainerError) {
                let image = try await find()
                let bundle = try await disk.run { () throws(ContainerError) in
                    try Bundle(engine: self, id: container.id, specification, image)
                }
                container.start(bundle)
            } catch {
                container.failed(error)
            }
        }
        return container
    }

    /// Kills what runs in a container's groups, which the runtime's own process is not in; how many there were.
    func endProcesses(of id: String) async -> Int {
        (try? await disk.run { () throws(ContainerError) in ContainerGroups.kill(id) }) ?? 0
    }

    /// A container is gone: so is what it had.
    func forget(_ id: String) {
        Task { [self] in
            try? await disk.run { [folder] () throws(ContainerError) in
                ContainerGroups.remove(id)
                try ImageFiles.remove(folder, id)
            }
            running.withLock { _ = $0.removeValue(forKey: id) }
        }
    }

    package func stop() async {
        for container in running.withLock({ Array($0.values) }) { container.kill() }
        // Each is forgotten when nothing of it is left. What the kernel does not give back in time, the next start finds.
        for _ in 0..<1_000 where !running.withLock({ $0.isEmpty }) { try? await Task.sleep(for: .milliseconds(5)) }
    }

    /// Starts a throw-away container, reaches for its network and ends it.
    package func tryOut() async throws(ContainerError) {
        guard let program = TrialProgram.bytes else { return }
        let layer = folder + "/trial"
        try await disk.run { () throws(ContainerError) in
            guard mkdir(layer, 0o755) == 0 else { throw PartialBlob.failure("cannot make the folder \(layer)") }
            let path = layer + TrialProgram.path
            guard FileManager.default.createFile(atPath: path, contents: Data(program)), chmod(path, 0o755) == 0 else {
                throw PartialBlob.failure("cannot write \(path)")
            }
        }
        let nothing = ImageDigest(hexadecimal: String(repeating: "0", count: 64))
        guard let nothing else { return }
        let image = UnpackedImage(
            manifests: [], configurationDigest: nothing,
            configuration: ImageConfiguration(platform: .host, command: [TrialProgram.path]), layers: [layer])
        let witness = TrialWitness()
        let container = start(
            ContainerSpecification(
                image: PinnedImage(repository: "trial", digest: nothing), namespace: "", function: "trial",
                environment: [], memory: 64 << 20, port: 8080), handler: witness
        ) { image }
        defer { try? ImageFiles.remove(folder, "trial") }
        try await witness.judge(container) { container.isReached }
    }

    /// Ends and removes what a server left that was killed together with its launcher. Blocks.
    private func sweep() {
        for id in ImageFiles.names(folder) {
            let ended = ContainerGroups.kill(id)
            ContainerGroups.remove(id)
            try? ImageFiles.remove(folder, id)
            logger.notice(
                "A container of an earlier run was removed", metadata: ["container": "\(id)", "processes": "\(ended)"])
        }
    }
}
