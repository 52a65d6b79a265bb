public import CloudEvents

/// The groups of a manifest, in the order in which they are applied: what others refer to comes first.
public enum ManifestSection: String, Sendable, Hashable, CaseIterable {
    case channels, packages, functions, sources, subscriptions

    /// The word for one of them: `channel`.
    public var kind: String { String(rawValue.dropLast()) }
}

/// A manifest (`weir.yaml`): the resources of one project, each still the document that was written.
public struct ManifestDocument: Sendable, Hashable {
    /// One resource.
    public struct Resource: Sendable, Hashable {
        public var section: ManifestSection
        public var name: String
        public var document: JSONValue

        /// As in messages: `channels.storage`.
        public var path: String { "\(section.rawValue).\(name)" }
    }

    /// As it was given, for messages.
    public let file: String
    /// `nil`: the one that the command is told, or the default.
    public let namespace: String?
    /// In the order of application; within a section as written.
    public let resources: [Resource]
    private let positions: [String: ManifestPosition]

    /// Reads a manifest; JSON is YAML and is read too.
    ///
    /// - Throws: ``ManifestError`` with file and, where it is known, line and column.
    public init(parsing text: String, file: String = "weir.yaml") throws(ManifestError) {
        var reader = YAMLReader(file: file)
        let root = try reader.read(text)
        let positions = reader.positions
        do throws(DocumentError) {
            (namespace, resources) = try Self.resources(of: root)
        } catch {
            throw Self.located(error, file: file, positions)
        }
        self.file = file
        self.positions = positions
    }

    /// Reads a manifest from bytes that must be UTF-8.
    public init(parsing bytes: [UInt8], file: String = "weir.yaml") throws(ManifestError) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ManifestError(.syntax, file: file, message: "the file is not UTF-8 text")
        }
        try self.init(parsing: text, file: file)
    }

    public func resources(in section: ManifestSection) -> [Resource] {
        resources.filter { $0.section == section }
    }

    /// The same error with the place in the file to which its path leads.
    public func located(_ error: DocumentError) -> ManifestError {
        Self.located(error, file: file, positions)
    }

    /// The path of a function's code: relative to the manifest's folder unless absolute; `nil` without a `file`.
    public func codePath(of resource: Resource) -> String? {
        guard resource.section == .functions, let name = resource.document["file"]?.string, !name.isEmpty else {
            return nil
        }
        guard !name.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return name }
        return file[...slash] + name
    }

    private static func resources(of root: JSONValue) throws(DocumentError) -> (String?, [Resource]) {
        var top = try DocumentReader(root)
        let namespace = try top.string("namespace")
        if let namespace { try ResourceName.checkNamespace(namespace, path: "namespace") }
        var resources: [Resource] = []
        for section in ManifestSection.allCases {
            for member in try top.freeObject(section.rawValue)?.members ?? [] {
                let path = "\(section.rawValue).\(member.name)"
                try ResourceName.check(member.name, path: section.rawValue, inPackage: section == .functions)
                switch member.value {
                // `failed:` without anything behind it is `failed: {}`.
                case .null: resources.append(Resource(section: section, name: member.name, document: [:]))
                case .object:
                    resources.append(Resource(section: section, name: member.name, document: member.value))
                default:
                    throw DocumentError(
                        path: path, message: "an object was expected, not \(member.value.kindName)")
                }
            }
        }
        try top.finish()
        return (namespace, resources)
    }

    private static func located(
        _ error: DocumentError, file: String, _ positions: [String: ManifestPosition]
    ) -> ManifestError {
        // The nearest part around the place that stands in the text: what is missing stands nowhere.
        var path = Substring(error.path)
        while positions[String(path)] == nil, let cut = path.lastIndex(where: { $0 == "." || $0 == "[" }) {
            path = path[..<cut]
        }
        return ManifestError(
            .content, file: file, position: positions[String(path)] ?? positions[""], path: error.path,
            message: error.message)
    }
}
