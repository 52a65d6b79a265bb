import CloudEvents
import Functions
import Manifest
import Persistence
import WeirHTTP

/// A function of Weir as an action, and an action as a function.
extension WhiskAction {
    /// The function of a resource as OpenWhisk sees it.
    init(_ resource: ResourceDocument) {
        let document = resource.document
        let section = document["openwhisk"]
        let runtime = document["runtime"]?.string ?? ""
        let kind = section?["kind"]?.string ?? WhiskRuntimes.kind(of: runtime)
        let image = section?["image"]?.string ?? document["image"]?.string
        let components = document["components"]?.array?.compactMap(\.string)
        var annotations = document["annotations"]?.object ?? [:]
        if section == nil {
            if annotations["provide-api-key"] == nil { annotations["provide-api-key"] = false }
            annotations["exec"] = .string(kind)
        }
        let hasCode = components == nil && section?["codeless"] == nil
        let initial = section?["init"]?.object ?? [:]
        let parameters =
            (document["parameters"]?.object ?? [:]).members.map { WhiskParameter(key: $0.name, value: $0.value) }
            + initial.members.map { WhiskParameter(key: $0.name, value: $0.value, isInitial: true) }
        self.init(
            path: WhiskPath(namespace: resource.namespace, local: resource.name),
            version: section?["version"]?.string ?? "0.0.\(resource.generation)",
            publish: section?["publish"]?.bool ?? false,
            exec: WhiskExec(
                kind: kind, main: section == nil ? document["handler"]?.string : section?["main"]?.string,
                image: image, components: components, isBinary: section?["binary"]?.bool ?? false, hasCode: hasCode),
            parameters: parameters, annotations: annotations, limits: WhiskLimits(document),
            updated: resource.updated, generation: resource.generation,
            isNative: section == nil || runtime == "python" && document["call"]?.string != "arguments")
    }

    /// The function's document, without its code.
    func functionDocument() -> JSONObject {
        var section = OpenWhiskSection()
        section.kind = exec.kind
        section.main = exec.main
        section.image = exec.image
        section.isBinary = exec.isBinary
        section.isCodeless = !exec.hasCode && exec.components == nil
        section.version = version
        section.publish = publish
        section.instances = limits.instances
        var environment = JSONObject()
        for parameter in parameters where parameter.isInitial {
            section.initial[parameter.key] = parameter.value
            if Self.isVariable(parameter.key) {
                environment[parameter.key] = .string(Self.variable(parameter.value))
            }
        }
        var document: JSONObject = [
            "timeout": .string("\(limits.timeout)ms"), "memory": .integer(limits.memory << 20),
            "logs": .integer(limits.logs << 20),
            "concurrency": .integer(min(max(limits.instances ?? 30, 1), 1024)),
            "openwhisk": section.document,
        ]
        if let components = exec.components {
            document["runtime"] = "sequence"
            document["components"] = .array(components.map { .string($0) })
        } else if let runtime = WhiskRuntimes.runtime(of: exec.kind) {
            document["runtime"] = .string(runtime)
            document["handler"] = .string(exec.main ?? "main")
            document["call"] = "arguments"
        } else if let image = exec.image, !exec.hasCode || !Self.isForPrograms(image) {
            // Looked for when it is run, as upstream: an action can be made before its image.
            document["image"] = .string(image)
            document["protocol"] = "openwhisk"
            document["handler"] = exec.main.map { .string($0) }
        } else {
            document["runtime"] = "executable"
            if exec.hasCode { document["call"] = "action-loop" }
        }
        let arguments = self.arguments
        if !arguments.isEmpty { document["parameters"] = .object(arguments) }
        if !environment.isEmpty { document["environment"] = .object(environment) }
        if !annotations.isEmpty { document["annotations"] = .object(annotations) }
        return document
    }

    /// Values in the environment are texts: objects and lists as JSON, null as nothing.
    static func variable(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): text
        case .null: ""
        default: value.text
        }
    }

    /// Whether an image is one of upstream's that hold nothing but what runs a program: Weir does that by itself.
    private static func isForPrograms(_ image: String) -> Bool {
        let name = (image.split(separator: "/").last ?? "").prefix { $0 != ":" && $0 != "@" }
        return name.hasPrefix("actionloop") || name == "dockerskeleton"
    }

    private static func isVariable(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x5F
        }
    }
}

extension WhiskLimits {
    /// The limits of a function's document, megabytes rounded up.
    init(_ document: JSONValue) {
        self.init()
        func megabytes(_ value: JSONValue?) -> Int64? {
            (value?.integer ?? value?.string.flatMap { Quantity.bytes($0) }).map { ($0 + (1 << 20) - 1) >> 20 }
        }
        timeout = document["timeout"]?.string.flatMap { Quantity.milliseconds($0) } ?? timeout
        memory = megabytes(document["memory"]) ?? memory
        logs = megabytes(document["logs"]) ?? logs
        instances = document["openwhisk"]?["instances"]?.integer
    }
}
