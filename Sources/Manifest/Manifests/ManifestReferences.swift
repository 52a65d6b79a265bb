import CloudEvents

/// A resource that a manifest's resource names.
public struct ManifestReference: Sendable, Hashable {
    /// Where the name stands: `subscriptions.new-raw-files.sink`.
    public var path: String
    public var section: ManifestSection
    public var name: String
}

extension ManifestDocument {
    /// Every channel and function that a source or subscription names.
    public var references: [ManifestReference] {
        resources.flatMap { resource -> [ManifestReference] in
            var found: [ManifestReference] = []
            func add(_ section: ManifestSection, _ value: JSONValue?, _ path: String) {
                guard let name = value?.string, !name.isEmpty else { return }
                found.append(
                    ManifestReference(path: "\(resource.path).\(path)", section: section, name: name))
            }
            switch resource.section {
            case .channels, .packages, .functions: break
            case .sources:
                add(.channels, resource.document["channel"], "channel")
            case .subscriptions:
                add(.channels, resource.document["channel"], "channel")
                add(.channels, resource.document["delivery"]?["deadLetter"], "delivery.deadLetter")
                if let sink = resource.document["sink"]?.string, let colon = sink.firstIndex(of: ":") {
                    let name = JSONValue.string(String(sink[sink.index(after: colon)...]))
                    switch sink[..<colon] {
                    case "function": add(.functions, name, "sink")
                    case "channel": add(.channels, name, "sink")
                    default: break
                    }
                }
            }
            return found
        }
    }

    /// A sentence for each name that neither this manifest nor the server knows.
    ///
    /// - Parameter server: the names on the server, by section.
    public func warnings(server: [ManifestSection: Set<String>]) -> [String] {
        references.compactMap { reference in
            let known = resources(in: reference.section).map(\.name)
            let present = server[reference.section] ?? []
            guard !known.contains(reference.name), !present.contains(reference.name) else { return nil }
            let near = Suggestion.nearest(to: reference.name, in: (known + present).sorted())
            return "\(reference.path): there is no \(reference.section.kind) \"\(reference.name)\", neither in the "
                + "manifest nor on the server" + (near.map { ": did you mean \"\($0)\"?" } ?? "")
        }
    }
}
