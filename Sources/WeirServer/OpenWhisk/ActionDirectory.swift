import CloudEvents
import Functions
import Persistence
import Synchronization
import WeirHTTP

/// Finds what names of actions lead to, through packages and bindings, from memory.
final class ActionDirectory: Sendable {
    /// An action with what every run of it is given, made once.
    struct Entry: Sendable {
        var target: WhiskTarget
        /// The notes of its runs, a JSON object.
        var notes: [UInt8]
        /// The variables of its runs, a JSON object without its end.
        var environment: [UInt8]
        var isSequence: Bool
        var isConductor: Bool
    }

    private enum Finding: Sendable {
        case found(Entry)
        case missing
        case circular(String)
    }

    private struct State {
        var entries: [WhiskPath: Finding] = [:]
        /// Counts the changes, so that what was read before one is not kept after it.
        var epoch: UInt64 = 0
    }

    private static let capacity = 16_384

    private let registry: Registry
    private let state = Mutex(State())
    private let address: @Sendable () -> String
    private let observation = Mutex<RegistryObservation?>(nil)

    /// - Parameter address: of this server, for those functions that call back.
    init(_ registry: Registry, address: @escaping @Sendable () -> String) {
        self.registry = registry
        self.address = address
        let (_, observation) = registry.observe { [weak self] change in
            guard [.function, .package].contains(change.resource.kind), let self else { return }
            // One change may concern many names: those of bindings, and what packages hand down.
            forget()
        }
        self.observation.withLock { $0 = observation }
    }

    deinit { observation.withLock { $0?.cancel() } }

    /// Forgets all that was found: something that it was made of has changed.
    func forget() {
        state.withLock { state in
            state.entries.removeAll(keepingCapacity: true)
            state.epoch &+= 1
        }
    }

    func entry(_ path: WhiskPath) throws(PersistenceError) -> Entry? {
        guard case .found(let entry) = try find(path) else { return nil }
        return entry
    }

    func resolve(_ path: WhiskPath) throws(PersistenceError) -> WhiskResolution {
        switch try find(path) {
        case .found(let entry): .found(entry.target)
        case .missing: .missing
        case .circular(let name): .circular(name)
        }
    }

    /// The action itself, not through a binding.
    func action(_ path: WhiskPath) throws(PersistenceError) -> WhiskAction? {
        try registry.resource(ResourceKey(.function, path.namespace, path.local)).map { WhiskAction($0) }
    }

    /// A package that was made; `nil` also for one that is there only because functions are in it.
    func package(_ namespace: String, _ name: String) throws(PersistenceError) -> WhiskPackage? {
        try registry.resource(ResourceKey(.package, namespace, name)).map { WhiskPackage($0) }
    }

    private func find(_ path: WhiskPath) throws(PersistenceError) -> Finding {
        let (known, epoch) = state.withLock { ($0.entries[path], $0.epoch) }
        if let known { return known }
        let found = try look(path)
        state.withLock { state in
            guard state.epoch == epoch else { return }
            if state.entries.count >= Self.capacity { state.entries.removeAll(keepingCapacity: true) }
            state.entries[path] = found
        }
        return found
    }

    private func look(_ path: WhiskPath) throws(PersistenceError) -> Finding {
        guard let name = path.package, let package = try package(path.namespace, name) else {
            return try action(path).map { .found(entry(WhiskTarget(action: $0))) } ?? .missing
        }
        guard let binding = package.binding else {
            return try action(path).map {
                .found(
                    entry(WhiskTarget(action: $0, inherited: package.arguments, isPublic: package.publish)))
            } ?? .missing
        }
        guard let provider = try self.package(binding.namespace, binding.name) else {
            let path = WhiskPath(namespace: binding.namespace, package: binding.name, name: path.name)
            // A package that was never made by itself can be bound, too; it hands down nothing.
            return try action(path).map {
                .found(
                    entry(
                        WhiskTarget(
                            action: $0, inherited: package.arguments, binding: "\(package.namespace)/\(package.name)")))
            } ?? .missing
        }
        guard provider.binding == nil else { return .circular(package.name) }
        let target = WhiskPath(namespace: binding.namespace, package: binding.name, name: path.name)
        return try action(target).map {
            .found(
                entry(
                    WhiskTarget(
                        action: $0, inherited: provider.arguments.overlaid(with: package.arguments),
                        binding: "\(package.namespace)/\(package.name)", isPublic: provider.publish)))
        } ?? .missing
    }

    private func entry(_ target: WhiskTarget) -> Entry {
        let action = target.action
        var notes = WhiskNotes()
        notes.path = action.path.description
        notes.version = action.version
        notes.kind = action.exec.kind
        notes.limits = action.limits.document
        notes.binding = target.binding
        // OpenWhisk's JavaScript runtime takes nothing for an empty object, the others do not.
        notes.isStrict = !action.isNative && !action.exec.kind.hasPrefix("nodejs")
        let isSequence = action.exec.components != nil
        var environment = JSONValue.object([
            "__OW_API_HOST": .string(address()), "__OW_ACTION_NAME": .string("/\(action.path)"),
            "__OW_ACTION_VERSION": .string(action.version),
        ]).encoded()
        environment.removeLast()
        return Entry(
            target: target, notes: JSONValue.object(notes.document).encoded(), environment: environment,
            isSequence: isSequence, isConductor: !isSequence && Self.isTruthy(action.annotations["conductor"]))
    }

    private static func isTruthy(_ value: JSONValue?) -> Bool {
        switch value {
        case nil, .null?, .bool(false)?, .integer(0)?, .string("")?: false
        case .number(let number)?: number != 0
        default: true
        }
    }
}

extension WhiskPackage {
    init(_ resource: ResourceDocument) {
        let document = resource.document
        let initial = document["init"]?.array?.compactMap(\.string) ?? []
        let binding = document["binding"].flatMap { binding -> Binding? in
            guard let namespace = binding["namespace"]?.string, let name = binding["name"]?.string else { return nil }
            return Binding(namespace: namespace, name: name)
        }
        self.init(
            namespace: resource.namespace, name: resource.name,
            version: document["version"]?.string ?? "0.0.\(resource.generation)",
            publish: document["publish"]?.bool ?? false,
            parameters: (document["parameters"]?.object ?? [:]).members.map {
                WhiskParameter(key: $0.name, value: $0.value, isInitial: initial.contains($0.name))
            }, annotations: document["annotations"]?.object ?? [:], binding: binding, updated: resource.updated,
            generation: resource.generation)
    }

    /// As the registry keeps it and the native API shows it.
    var stored: JSONValue {
        var members = JSONObject()
        if let binding {
            members["binding"] = ["namespace": .string(binding.namespace), "name": .string(binding.name)]
        }
        if !parameters.isEmpty {
            members["parameters"] = .object(
                JSONObject(members: parameters.map { .init(name: $0.key, value: $0.value) }))
        }
        let initial = parameters.filter(\.isInitial)
        if !initial.isEmpty { members["init"] = .array(initial.map { .string($0.key) }) }
        if !annotations.isEmpty { members["annotations"] = .object(annotations) }
        if publish { members["publish"] = true }
        members["version"] = .string(version)
        return .object(members)
    }
}
