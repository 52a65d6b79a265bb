internal import CloudEvents
internal import Foundation
package import Functions
internal import Glibc
internal import Identity
internal import Synchronization

/// Builds with a program that needs no daemon: Buildah, or Podman, which has it inside.
///
/// It runs as a worker of the launcher, so it ends with the server. The steps of a build run in a user namespace whose ids
/// are nobody's, without network unless the operator says otherwise. Each build has a storage of its own, removed when it
/// is done.
package struct CommandBuilder: ImageBuilder {
    package enum Kind: String, Sendable, CaseIterable { case buildah, podman }

    package let kind: Kind
    /// Absolute.
    package let path: String
    let runtime: OCIRuntime
    let launcher: Launcher
    /// The launcher's program, which shows a build's storage where its steps can reach it.
    let helper: String
    let settings: RegistrySettings
    let network: BuildNetwork
    /// The ids of the steps' root and those behind it.
    let identities: (base: UInt32, count: UInt32)
    /// For what builds need; emptied when the builder is made.
    let folder: String
    private let disk = BlockingThreads("build")

    /// How long one build may take, milliseconds.
    private static var time: Int64 { 1_800_000 }

    package var name: String { kind.rawValue }

    /// The first that is there; `nil` when none is, or when this process is not root, without which they need more than
    /// they can be given here. Blocks.
    package init?(
        runtime: OCIRuntime, launcher: Launcher, helper: String, settings: RegistrySettings, network: BuildNetwork,
        identities: (base: UInt32, count: UInt32), folder: String
    ) {
        guard runtime.isPrivileged else { return nil }
        let folders = ["/usr/bin", "/usr/local/bin", "/bin"]
        let candidates = Kind.allCases.flatMap { kind in folders.map { (kind, "\($0)/\(kind.rawValue)") } }
        guard let (kind, path) = candidates.first(where: { access($0.1, X_OK) == 0 }) else { return nil }
        self.kind = kind
        self.path = path
        // Builders know runc and crun; gVisor's kernel has no part in what is built.
        self.runtime =
            runtime.kind == .runc ? runtime : OCIRuntime(.runc) ?? OCIRuntime(.crun) ?? runtime
        self.launcher = launcher
        self.helper = helper
        self.settings = settings
        self.network = network
        self.identities = identities
        self.folder = folder
        for name in ImageFiles.names(folder) { try? ImageFiles.remove(folder, name) }
        mkdir(folder, 0o700)
    }

    package func build(_ order: ImageBuildOrder, into target: String) async throws(ContainerError) {
        let place = folder + "/" + UUID().uuidString
        // What is mounted over is seen by the builder alone.
        let shown = try Bundle.place(avoiding: [folder, path, helper, order.directory, target, runtime.path])
        let outcome: Result<Void, ContainerError>
        do throws(ContainerError) {
            try await disk.run { () throws(ContainerError) in try prepare(place, order) }
            let command = [helper, "place", shown, place, "--"]
            try await run(command + build(order, shown), shown, "the image cannot be built")
            try await run(command + export(target, shown), shown, "the image that was built cannot be taken out")
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        try? await disk.run { () throws(ContainerError) in
            try ImageFiles.remove(folder, String(place.dropFirst(folder.count + 1)))
        }
        try outcome.get()
    }

    private static let image = "weir.invalid/build:1"

    private func common(_ place: String) -> [String] {
        var arguments = [path, "--root", place + "/root", "--runroot", place + "/run", "--storage-driver", "overlay"]
        if kind == .podman {
            arguments += ["--tmpdir", place + "/tmp", "--cgroup-manager", "cgroupfs", "--runtime", runtime.path]
        }
        return arguments
    }

    private func build(_ order: ImageBuildOrder, _ place: String) -> [String] {
        let map = "0:\(identities.base):\(identities.count)"
        var arguments = common(place) + ["build", "--isolation", "oci"]
        if kind == .buildah { arguments += ["--runtime", runtime.path] }
        return arguments + [
            "--userns-uid-map", map, "--userns-gid-map", map, "--network", network.rawValue, "--layers=false",
            "--memory", "2g", "--ulimit", "nproc=1024:1024", "--ulimit", "nofile=1024:1024",
            "--authfile", place + "/auth.json", "--signature-policy", place + "/policy.json",
            "-t", Self.image, "-f", order.directory + "/" + order.dockerfile, order.directory,
        ]
    }

    private func export(_ target: String, _ place: String) -> [String] {
        common(place) + ["push", "--signature-policy", place + "/policy.json", "-q", Self.image, "oci:\(target)"]
    }

    /// Writes what the builder is to read in the place of the machine's own configuration.
    private func prepare(_ place: String, _ order: ImageBuildOrder) throws(ContainerError) {
        let sources = try Dockerfile.sources(order, settings)
        // The steps' root passes through it; that others look in, the folder above forbids.
        guard mkdir(place, 0o711) == 0, chmod(place, 0o711) == 0 else {
            throw PartialBlob.failure("cannot make the folder \(place)")
        }
        var accounts = JSONObject()
        var registries = "unqualified-search-registries = [\"docker.io\"]\n"
        for image in sources {
            if let account = settings.credentials(image.host, namespace: order.namespace) {
                let text = "\(account.username):\(account.password.reveal())"
                accounts[image.host] = ["auth": .string(Base64.encode(Array(text.utf8)))]
            }
            if settings.isPlain(image) {
                registries += "[[registry]]\nlocation = \"\(image.host)\"\ninsecure = true\n"
            }
        }
        let files: [(String, [UInt8])] = [
            ("auth.json", JSONValue.object(["auths": .object(accounts)]).encoded()),
            ("policy.json", Array(#"{"default":[{"type":"insecureAcceptAnything"}]}"#.utf8)),
            ("registries.conf", Array(registries.utf8)),
            ("containers.conf", Array("[engine]\nevents_logger = \"none\"\n".utf8)),
            ("storage.conf", Array("[storage]\ndriver = \"overlay\"\n".utf8)),
        ]
        for (name, bytes) in files {
            guard
                FileManager.default.createFile(
                    atPath: place + "/" + name, contents: Data(bytes), attributes: [.posixPermissions: 0o600])
            else { throw PartialBlob.failure("cannot write \(place)/\(name)") }
        }
    }

    private func run(_ arguments: [String], _ place: String, _ what: String) async throws(ContainerError) {
        let witness = BuildWitness()
        let worker: Worker
        do {
            worker = try launcher.start(
                WorkerSpecification(
                    arguments: arguments,
                    environment: [
                        "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=\(place)", "TMPDIR=\(place)",
                        "XDG_RUNTIME_DIR=\(place)", "CONTAINERS_REGISTRIES_CONF=\(place)/registries.conf",
                        "CONTAINERS_STORAGE_CONF=\(place)/storage.conf", "CONTAINERS_CONF=\(place)/containers.conf",
                        "BUILDAH_ISOLATION=oci",
                    ], directory: "/", limits: [], framing: .lengthPrefixed, maximumMessage: 0),
                handler: witness)
        } catch {
            throw ContainerError(.buildFailed, "\(what): \(error.message)")
        }
        let limit = Task {
            try await Task.sleep(for: .milliseconds(Self.time))
            worker.kill()
        }
        let (end, lines) = await witness.wait()
        limit.cancel()
        guard case .exited(let record) = end, record.status == 0 else {
            let reason: String
            switch end {
            case .exited(let record) where record.signal != 0: reason = "\(name) was ended by signal \(record.signal)"
            case .exited(let record): reason = "\(name) ended with status \(record.status ?? -1)"
            case .notStarted(let error): reason = error.message
            case .launcherLost: reason = "the server is stopping"
            }
            throw ContainerError(.buildFailed, BuildContext.failure(reason, lines))
        }
    }
}

/// Gathers what a builder says, and waits for its end.
private final class BuildWitness: WorkerHandler {
    private struct State {
        var text: [UInt8] = []
        var end: WorkerEnd?
        var waiting: CheckedContinuation<WorkerEnd, Never>?
    }
    private let state = Mutex(State())

    func wait() async -> (WorkerEnd, [String]) {
        let end = await withCheckedContinuation { continuation in
            let known = state.withLock { state in
                if state.end == nil { state.waiting = continuation }
                return state.end
            }
            if let known { continuation.resume(returning: known) }
        }
        let text = state.withLock { String(decoding: $0.text, as: UTF8.self) }
        return (end, text.split(whereSeparator: \.isNewline).map(String.init))
    }

    func worker(_ worker: Worker, sent message: UnsafeRawBufferPointer) {}
    func worker(_ worker: Worker, misbehaved reason: String) {}

    func worker(_ worker: Worker, wrote bytes: UnsafeRawBufferPointer, toError: Bool) {
        state.withLock { state in
            state.text.append(contentsOf: bytes)
            // The end is what matters.
            if state.text.count > 256 << 10 { state.text.removeFirst(state.text.count - (64 << 10)) }
        }
    }

    func worker(_ worker: Worker, ended end: WorkerEnd) {
        let waiting = state.withLock { state in
            state.end = end
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume(returning: end)
    }
}
