internal import AsyncHTTPClient
package import CloudEvents
internal import Foundation
package import Functions
internal import Identity
package import Logging
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// Containers by a daemon that speaks Docker's API: Docker's own, or Podman's service.
///
/// The daemon keeps the images and starts the containers; which image a name stands for is asked of the registry here, so
/// that credentials, refusals and digests are the same with every engine. Containers carry a label of this server, by
/// which those are found again that a server left when it was killed.
package final class DockerEngine: ContainerEngine {
    let docker: DockerClient
    let registry: RegistryClient
    /// Names only: the images are the daemon's.
    let files: ImageFiles
    let instance: String
    let buildNetwork: BuildNetwork
    let isPodman: Bool
    let logger: Logger
    private let version: String
    /// `/v1.41`.
    let api: String
    private let running = Mutex<[ObjectIdentifier: DockerContainer]>([:])
    private let pulls = Flights<String, Bool>()
    let disk = BlockingThreads("docker")

    /// The label of this server's containers.
    static let label = "dev.weir.instance"

    /// Asks the daemon who it is and removes what an earlier run left.
    ///
    /// - Parameters:
    ///   - folder: for the names of images.
    ///   - instance: of this server, the same after a restart.
    package static func open(
        socket: String, registry: RegistryClient, folder: String, instance: String, buildNetwork: BuildNetwork,
        logger: Logger
    ) async throws(ContainerError) -> DockerEngine {
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: DockerClient.configuration)
        do throws(ContainerError) {
            let docker = DockerClient(http: http, socket: socket)
            let answer = try await docker.call(.GET, "/version", timeout: .seconds(10))
            guard answer.status == 200, let api = answer.json["ApiVersion"]?.string else {
                throw ContainerError(.unavailable, "\(socket) is no socket of a container daemon: \(answer.message)")
            }
            guard answer.json["Os"]?.string?.lowercased() == "linux" else {
                throw ContainerError(.unavailable, "the daemon at \(socket) does not run containers of Linux")
            }
            let files = try await BlockingThreads("docker").run { () throws(ContainerError) in
                try ImageFiles(path: folder)
            }
            let engine = DockerEngine(
                docker, registry, files, instance, buildNetwork, answer.json, api: "/v\(api)", logger)
            try await engine.sweep()
            try await engine.tryOut()
            return engine
        } catch {
            try? await http.shutdown()
            throw error
        }
    }

    private init(
        _ docker: DockerClient, _ registry: RegistryClient, _ files: ImageFiles, _ instance: String,
        _ buildNetwork: BuildNetwork, _ about: JSONValue, api: String, _ logger: Logger
    ) {
        self.docker = docker
        self.registry = registry
        self.files = files
        self.instance = instance
        self.buildNetwork = buildNetwork
        self.logger = logger
        self.api = api
        version = about["Version"]?.string ?? ""
        isPodman = (about["Components"]?.array ?? []).contains { $0["Name"]?.string == "Podman Engine" }
    }

    package var name: String { isPodman ? "podman" : "docker" }
    package var isolation: Int { 3 }

    package var document: JSONValue {
        [
            "engine": .string(name), "socket": .string(docker.socket), "version": .string(version),
            "isolation": .integer(Int64(isolation)), "builder": .string(name),
        ]
    }

    // MARK: Images

    package func pin(
        _ image: ImageReference, pull: ContainerSpec.Pull, namespace: String
    ) async throws(ContainerError) -> PinnedImage {
        guard !image.repository.hasPrefix(ImageStore.builtPrefix) else {
            throw ContainerError(.refused, "images that were built here have no name that can be used")
        }
        if pull != .always || image.digest != nil, registry.settings.isOpen(image, to: namespace),
            let known = try await local(image)
        {
            return known
        }
        guard pull != .never else {
            throw ContainerError(
                .notFound, "the daemon does not have the image \(image), and pull: never forbids to fetch it")
        }
        let digest = try await registry.manifest(image, namespace: namespace).digest
        let pinned = PinnedImage(repository: image.repository, digest: digest)
        try await fetch(pinned, namespace)
        return pinned
    }

    /// What the daemon knows by a name; `nil`: nothing.
    private func local(_ image: ImageReference) async throws(ContainerError) -> PinnedImage? {
        let answer = try await docker.call(.GET, "\(api)/images/\(image)/json")
        guard answer.status == 200 else { return nil }
        if let digest = image.digest { return PinnedImage(repository: image.repository, digest: digest) }
        for name in answer.json["RepoDigests"]?.array ?? [] {
            if let text = name.string, let known = try? ImageReference(text), known.repository == image.repository,
                let digest = known.digest
            {
                return PinnedImage(repository: image.repository, digest: digest)
            }
        }
        // Made here, never pushed: it has no digest but that of its configuration, by which the daemon knows it too.
        guard let id = answer.json["Id"]?.string.flatMap({ ImageDigest($0) }) else { return nil }
        return PinnedImage(repository: ImageStore.builtPrefix + "local/" + image.path, digest: id)
    }

    /// How the daemon is told of an image.
    func reference(_ image: PinnedImage) -> String {
        image.repository.hasPrefix(ImageStore.builtPrefix)
            ? image.digest.description : "\(image.repository)@\(image.digest)"
    }

    /// Lets the daemon fetch an image unless it has it.
    func fetch(_ image: PinnedImage, _ namespace: String) async throws(ContainerError) {
        let reference = reference(image)
        if try await docker.call(.GET, "\(api)/images/\(reference)/json").status == 200 { return }
        guard !image.repository.hasPrefix(ImageStore.builtPrefix) else {
            throw ContainerError(.notFound, "the image of the function is gone from the daemon: put the function again")
        }
        let parsed: ImageReference
        do {
            parsed = try ImageReference(reference)
        } catch {
            throw ContainerError(.invalidImage, "\(error)")
        }
        _ = try await pulls.run("\(namespace) \(reference)") { [self] () async throws(ContainerError) in
            try await pull(parsed, namespace)
            return true
        }
        try? files.keepName(reference, image.digest)
    }

    private func pull(_ image: ImageReference, _ namespace: String) async throws(ContainerError) {
        var headers: [(String, String)] = []
        if let account = registry.settings.credentials(image.host, namespace: namespace) {
            headers.append(("X-Registry-Auth", Self.authorization(account, image.host)))
        }
        let response: HTTPClientResponse
        if isPodman {
            // Docker speaks plain HTTP to this machine by itself; Podman has to be told.
            response = try await docker.open(
                .POST, "/v4.0.0/libpod/images/pull",
                [("reference", image.description), ("tlsVerify", registry.settings.isPlain(image) ? "false" : "true")],
                headers: headers)
        } else {
            response = try await docker.open(
                .POST, "\(api)/images/create", [("fromImage", image.description)], headers: headers)
        }
        var failure: String?
        try await docker.readLines(response) { line in
            if let text = line["error"]?.string ?? line["message"]?.string, !text.isEmpty { failure = text }
        }
        guard response.status == .ok, failure == nil else {
            throw ContainerError(.unavailable, "the daemon cannot fetch \(image): \(failure ?? "\(response.status)")")
        }
    }

    /// Base64 for URLs of JSON, as the daemon wants it (Docker Engine API, "Authentication").
    static func authorization(_ account: (username: String, password: Secret), _ host: String) -> String {
        let document: JSONValue = [
            "username": .string(account.username), "password": .string(account.password.reveal()),
            "serveraddress": .string(host),
        ]
        return encoded(document)
    }

    static func encoded(_ document: JSONValue) -> String {
        Base64.encode(document.encoded()).replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_")
    }

    package func collect(keeping digests: Set<ImageDigest>) async {
        let names = await files.allNames(disk)
        for (name, digest) in names where !digests.contains(digest) {
            // What somebody else uses the daemon keeps.
            _ = try? await docker.call(.DELETE, "\(api)/images/\(name.hasPrefix("built:") ? digest.description : name)")
            files.forgetName(name)
        }
    }

    // MARK: Containers

    package func start(
        _ specification: ContainerSpecification, handler: any ContainerHandler
    ) -> any RunningContainer {
        let container = DockerContainer(engine: self, specification: specification, handler: handler)
        running.withLock { $0[ObjectIdentifier(container)] = container }
        container.start()
        return container
    }

    func forget(_ container: DockerContainer) {
        running.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(container)) }
    }

    package func stop() async {
        let all = running.withLock { Array($0.values) }
        for container in all { container.kill() }
        for container in all { await container.waitForEnd() }
        try? await docker.http.shutdown()
    }

    /// Brings the daemon a tiny image, starts a throw-away container of it, reaches for its network and ends it.
    private func tryOut() async throws(ContainerError) {
        guard let program = TrialProgram.bytes else { return }
        let name = TrialProgram.path.dropFirst()
        var tar = TarWriter.header(String(name), size: program.count, mode: 0o755, isFolder: false) + program
        tar += [UInt8](repeating: 0, count: (512 - program.count % 512) % 512 + 1024)
        let repository = ImageStore.builtPrefix + "trial"
        let response = try await docker.open(
            .POST, "\(api)/images/create",
            [("fromSrc", "-"), ("repo", repository), ("tag", "1"), ("changes", "CMD [\"\(TrialProgram.path)\"]")],
            headers: [("Content-Type", "application/x-tar")], body: .bytes(ByteBuffer(bytes: tar)),
            deadline: .now() + .seconds(60))
        var failure: String?
        var imported: ImageDigest?
        // The last status is the image's id. Podman 4.3 takes no heed of the tag, so that the id alone finds it.
        try await docker.readLines(response) {
            failure = $0["error"]?.string ?? $0["message"]?.string ?? failure
            imported = $0["status"]?.string.flatMap { ImageDigest($0) } ?? imported
        }
        guard let digest = imported else {
            throw ContainerError(.unavailable, "the daemon takes no image: \(failure ?? "it names none")")
        }
        let witness = TrialWitness()
        let container = DockerContainer(
            engine: self,
            specification: ContainerSpecification(
                image: PinnedImage(repository: ImageStore.builtPrefix + "trial", digest: digest), namespace: "",
                function: "trial", environment: [], memory: 64 << 20, port: 8080), handler: witness)
        container.start()
        let outcome: Result<Void, ContainerError>
        do throws(ContainerError) {
            try await witness.judge(container) { container.isReached }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        _ = try? await docker.call(.DELETE, "\(api)/images/\(digest)", [("force", "true")])
        try outcome.get()
    }

    /// Removes the containers that a server of this data folder left.
    private func sweep() async throws(ContainerError) {
        let filter: JSONValue = ["label": [.string("\(Self.label)=\(instance)")]]
        let answer = try await docker.call(
            .GET, "\(api)/containers/json",
            [("all", "true"), ("filters", String(decoding: filter.encoded(), as: UTF8.self))])
        for container in answer.json.array ?? [] {
            guard let id = container["Id"]?.string else { continue }
            _ = try await docker.call(.DELETE, "\(api)/containers/\(id)", [("force", "true"), ("v", "true")])
            logger.notice("A container of an earlier run was removed", metadata: ["container": "\(id.prefix(12))"])
        }
    }
}

/// What of the network the steps of a build reach.
package enum BuildNetwork: String, Sendable, CaseIterable {
    case none
    /// Whatever the machine reaches.
    case host
}
