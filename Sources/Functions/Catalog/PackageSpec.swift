package import CloudEvents
package import Manifest

/// What the functions of a package share: parameters that they inherit, and whether others may use them.
///
///     tools: { parameters: { endpoint: "https://…" }, publish: true }
///     theirs: { binding: { namespace: other, name: tools }, parameters: { endpoint: "https://…" } }
package struct PackageSpec: Sendable, Hashable {
    package var parameters: JSONObject
    package var annotations: JSONObject
    /// Whether other namespaces may see, run and bind what is in it.
    package var publish: Bool
    package var version: String?
    /// Those of the parameters that OpenWhisk gives to the environment of a process.
    package var initial: [String]
    package var binding: (namespace: String, name: String)?

    package init(_ document: JSONValue, path: String = "") throws(DocumentError) {
        var reader = try DocumentReader(document, path: path)
        parameters = try reader.freeObject("parameters") ?? [:]
        annotations = try reader.freeObject("annotations") ?? [:]
        publish = try reader.bool("publish") ?? false
        version = try reader.string("version")
        initial = try (reader.array("init") ?? []).compactMap(\.string)
        if var inner = try reader.object("binding") {
            binding = (try inner.requiredString("namespace"), try inner.requiredString("name"))
            try inner.finish()
        }
        try reader.finish()
    }

    package var document: JSONValue {
        var members = JSONObject()
        if let binding {
            members["binding"] = ["namespace": .string(binding.namespace), "name": .string(binding.name)]
        }
        if !parameters.isEmpty { members["parameters"] = .object(parameters) }
        if !initial.isEmpty { members["init"] = .array(initial.map { .string($0) }) }
        if !annotations.isEmpty { members["annotations"] = .object(annotations) }
        if publish { members["publish"] = true }
        members["version"] = version.map { .string($0) }
        return .object(members)
    }

    package static func == (a: PackageSpec, b: PackageSpec) -> Bool { a.document == b.document }

    package func hash(into hasher: inout Hasher) { hasher.combine(document) }
}
