internal import Egress
internal import Functions
internal import Sandboxes
internal import Staging

/// What a worker is given beside its code: folders of the operator's mounts, and a way out to the network.
struct Equipment: Sendable {
    /// Opened and checked.
    fileprivate var folders: [(mount: SandboxMount, opened: Folder)] = []
    fileprivate var network = NetworkRequest.none
    fileprivate var isolation: IsolationReport?
    /// The worker's way out, once it is open.
    fileprivate(set) var listener: EgressListener?
    fileprivate var token = ""
}

/// Equips workers; see ``Equipment``.
struct Equipping: Sendable {
    let surroundings: Surroundings

    /// The port of the proxy inside a sandbox.
    private static let proxyPort: UInt16 = 3128

    /// Whether workers of the version are given anything; else none of the rest needs to be asked.
    static func isNeeded(_ version: FunctionVersion) -> Bool {
        !version.staging.mounts.isEmpty || version.network != .none
    }

    /// Opens what the version asks for; what the operator has withdrawn since it was deployed is refused.
    func prepare(
        _ version: FunctionVersion, _ isolation: IsolationReport?
    ) async -> Result<Equipment, StagingError> {
        var equipment = Equipment()
        equipment.network = version.network
        equipment.isolation = isolation
        for request in version.staging.mounts {
            guard let staging = surroundings.staging else {
                return .failure(StagingError(.mount, "this server has no mounts"))
            }
            switch await staging.open(request, namespace: version.namespace) {
            case .success(let folder):
                let mount = SandboxMount(
                    source: folder.path, target: "/mnt/" + request.name, isReadOnly: !request.isWritable,
                    allowsExecution: false)
                equipment.folders.append((mount, folder))
            case .failure(let error): return .failure(error)
            }
        }
        do throws(StagingError) {
            try await prepareNetwork(&equipment)
        } catch {
            return .failure(error)
        }
        return .success(equipment)
    }

    private func prepareNetwork(_ equipment: inout Equipment) async throws(StagingError) {
        switch equipment.network {
        case .none: break
        case .host:
            guard surroundings.allowsHostNetwork else {
                throw StagingError(.denied, "the operator does not let functions into the machine's own network")
            }
        case .proxy(let rules):
            guard let proxy = surroundings.proxy else { throw StagingError(.denied, "this server has no way out") }
            let level = equipment.isolation?.level ?? 0
            guard level != 1 else {
                throw StagingError(
                    .denied,
                    "network: proxy needs a network of its own for each worker, which isolation level 1 has not: "
                        + "the function would reach nothing")
            }
            guard level == 0 else { return }
            equipment.token = Self.randomToken()
            do {
                equipment.listener = try await proxy.serveLoopback(rules: rules, token: equipment.token)
            } catch {
                throw StagingError(.ioFailure, "the worker's way to the network cannot be opened: \(error)")
            }
        }
    }

    /// Adds to a worker's process what must be there from its start.
    func complete(_ specification: inout WorkerSpecification, _ equipment: Equipment) {
        let canAttach = equipment.isolation?.canAttach == true
        for folder in equipment.folders {
            let name = folder.mount.target.dropFirst("/mnt/".count).uppercased().map { $0 == "-" ? "_" : $0 }
            specification.add("WEIR_MOUNT_" + String(name), canAttach ? folder.mount.target : folder.mount.source)
            guard !canAttach else { continue }
            // Landlock's rules are made at the start.
            var mount = folder.mount
            mount.target = mount.source
            specification.sandbox?.mounts.append(mount)
        }
        switch equipment.network {
        case .none: break
        case .host: specification.sandbox?.network = .host
        case .proxy:
            specification.sandbox?.network = .proxy
            let host = equipment.listener.map { "weir:\(equipment.token)@127.0.0.1:\($0.port ?? 0)" }
            let url = "http://" + (host ?? "127.0.0.1:\(Self.proxyPort)")
            for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] { specification.add(name, url) }
        }
    }

    /// Lets a worker without mounts of its own read and write where its calls will have their files.
    func allowScratch(_ specification: inout WorkerSpecification, _ version: FunctionVersion, canAttach: Bool) {
        guard !canAttach, version.staging.isPerCall, let staging = surroundings.staging else { return }
        let scratch = staging.scratchFolder(of: version.digest)
        specification.sandbox?.mounts += [
            SandboxMount(source: scratch + "/input", target: scratch + "/input", allowsExecution: false),
            SandboxMount(
                source: scratch + "/output", target: scratch + "/output", isReadOnly: false, allowsExecution: false),
        ]
    }

    /// Gives a worker that has been started the rest; it must not run anything before that is done.
    ///
    /// - Parameter then: the worker's way out, if it has one; from any thread.
    func equip(
        _ worker: Worker, _ equipment: Equipment,
        then: @escaping @Sendable (Result<EgressListener?, StagingError>) -> Void
    ) {
        guard equipment.isolation?.canAttach == true else { return then(.success(equipment.listener)) }
        let attachments = equipment.folders.map { mount, opened in
            // The worker is the owner of what the folder's owner owns there, where the file system can do that; else it
            // has the rights of others.
            var owned = mount
            owned.isOwnedByWorker = true
            return Attachment(thing: .shown(owned, opened)) {
                .success(Attachment(thing: .shown(mount, opened)))
            }
        }
        worker.show(attachments[...]) { [surroundings] error in
            if let error { return then(.failure(error)) }
            guard case .proxy(let rules) = equipment.network, let proxy = surroundings.proxy else {
                return then(.success(nil))
            }
            worker.listen(port: Self.proxyPort) { result in
                switch result {
                case .failure(let error): then(.failure(StagingError(.ioFailure, error.message)))
                case .success(let descriptor):
                    Task {
                        do {
                            then(.success(try await proxy.serve(listening: descriptor, rules: rules)))
                        } catch {
                            then(.failure(StagingError(.ioFailure, "the worker's proxy cannot be opened: \(error)")))
                        }
                    }
                }
            }
        }
    }

    /// 128 random bits as hexadecimal digits.
    private static func randomToken() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<2).map { _ in
            let part = String(generator.next(), radix: 16)
            return String(repeating: "0", count: 16 - part.count) + part
        }.joined()
    }
}

extension WorkerSpecification {
    /// Adds a variable, unless the function has one of that name.
    fileprivate mutating func add(_ name: String, _ value: String) {
        guard !environment.contains(where: { $0.hasPrefix(name + "=") }) else { return }
        environment.append("\(name)=\(value)")
    }
}
