import CloudEvents
import Crypto
import Persistence

/// How a version stands in the registry, and its digest.
extension FunctionVersion {
    /// All that a run depends on except the code's own digest.
    static func document(
        _ spec: FunctionSpec, entry: String, handler: String?, image: PinnedImage? = nil,
        dependencies: Dependencies = Dependencies()
    ) -> JSONValue {
        var members: JSONObject = ["runtime": .string(spec.runtime.rawValue), "entry": .string(entry)]
        members["handler"] = handler.map { .string($0) }
        members["parameters"] = .object(spec.parameters)
        // A list, for its order counts.
        members["environment"] = .array(spec.environment.map { [.string($0.name), .string($0.value)] })
        var limits: JSONObject = [
            "timeout": .integer(spec.limits.timeout), "memory": .integer(spec.limits.memory),
            "logs": .integer(spec.limits.logs), "concurrency": .integer(Int64(spec.limits.concurrency)),
        ]
        spec.limits.writeScalingVersion(into: &limits)
        members["limits"] = .object(limits)
        members["call"] = spec.call.map { .string($0.rawValue) }
        if !spec.components.isEmpty { members["components"] = .array(spec.components.map { .string($0) }) }
        spec.staging.write(into: &members)
        members["network"] = spec.network.document
        members["dependencies"] = dependencies.document
        if let container = spec.container {
            members["container"] = [
                "image": .string(image?.repository ?? container.unpinned),
                "digest": .string(image?.digest.description ?? ""),
                "protocol": .string(container.exchange.rawValue), "port": .integer(Int64(container.port)),
            ]
        }
        return .object(members)
    }

    /// SHA-256, hexadecimal, over the code's digest and the version's document in canonical JSON.
    static func digest(content: String, document: JSONValue) -> String {
        let whole: JSONValue = ["code": .string(content), "version": document]
        return CodeStore.hexadecimal(SHA256.hash(data: whole.canonical.encoded()))
    }

    /// The version out of its document; `nil` when that is not one of ours.
    ///
    /// - Parameter layer: where a layer lies.
    init?(
        _ version: VersionDocument, namespace: String, name: String, codeDirectory: String,
        layer: (String) -> String = { _ in "" }
    ) {
        let document = version.document
        guard let runtime = document["runtime"]?.string.flatMap(Runtime.init), let entry = document["entry"]?.string,
            let timeout = document["limits"]?["timeout"]?.integer, let memory = document["limits"]?["memory"]?.integer,
            let logs = document["limits"]?["logs"]?.integer,
            let concurrency = document["limits"]?["concurrency"]?.integer.flatMap({ Int(exactly: $0) }),
            let staging = FunctionStaging(document: document),
            let network = NetworkRequest(document: document["network"]),
            let dependencies = Dependencies(document: document["dependencies"], folder: layer)
        else { return nil }
        var limits = Limits()
        limits.timeout = timeout
        limits.memory = memory
        limits.logs = logs
        limits.concurrency = concurrency
        limits.readScalingVersion(document["limits"])
        let environment = (document["environment"]?.array ?? []).compactMap { pair -> EnvironmentVariable? in
            guard let parts = pair.array, parts.count == 2, let name = parts[0].string, let value = parts[1].string
            else { return nil }
            return EnvironmentVariable(name: name, value: value)
        }
        self.init(
            namespace: namespace, name: name, digest: version.digest, runtime: runtime, entry: entry,
            handler: document["handler"]?.string, codeDirectory: codeDirectory,
            parameters: document["parameters"]?.object ?? [:], environment: environment, limits: limits,
            staging: staging, network: network, container: document["container"].flatMap(Container.init(document:)),
            call: document["call"]?.string.flatMap(Call.init),
            components: (document["components"]?.array ?? []).compactMap(\.string))
        self.dependencies = dependencies
        guard (container != nil) == (runtime == .container) else { return nil }
    }
}

extension FunctionVersion.Container {
    fileprivate init?(document: JSONValue) {
        guard let image = document["image"]?.string, let digest = document["digest"]?.string,
            let exchange = document["protocol"]?.string.flatMap(Exchange.init),
            let port = document["port"]?.integer.flatMap({ Int(exactly: $0) })
        else { return nil }
        self.init(repository: image, digest: digest, exchange: exchange, port: port)
    }
}
