import CloudEvents

extension FunctionVersion {
    /// What a version needs beside its own code and the library of its runtime.
    public struct Dependencies: Sendable, Hashable {
        /// Folders of the code in which installed packages lie, relative.
        public var vendored: [String] = []
        /// What was installed or built when the version was deployed.
        public var layers: [Layer] = []

        public init(vendored: [String] = [], layers: [Layer] = []) {
            self.vendored = vendored
            self.layers = layers
        }

        public var isEmpty: Bool { vendored.isEmpty && layers.isEmpty }
    }

    /// A read-only folder that all versions with the same dependencies share.
    public struct Layer: Sendable, Hashable {
        public enum Kind: String, Sendable, Hashable, CaseIterable {
            /// Python packages, as `pip install --target` lays them out.
            case python
            /// A folder that holds `node_modules`.
            case nodejs
            /// A folder that holds the program ``programName``, built of the version's code.
            case program
        }

        /// What a built program is called in its layer.
        public static var programName: String { "function" }

        public var kind: Kind
        /// SHA-256, hexadecimal, of its content.
        public var digest: String
        /// Where it lies, absolute; empty until the layer store is asked.
        public var directory: String

        public init(kind: Kind, digest: String, directory: String = "") {
            self.kind = kind
            self.digest = digest
            self.directory = directory
        }

        /// The folder or program inside the layer that the runtime is to be told.
        public var member: String {
            switch kind {
            case .python: ""
            case .nodejs: "node_modules"
            case .program: Self.programName
            }
        }
    }
}

extension FunctionVersion.Dependencies {
    /// `nil` when there is nothing to say.
    var document: JSONValue? {
        var members = JSONObject()
        if !vendored.isEmpty { members["vendored"] = .array(vendored.map { .string($0) }) }
        if !layers.isEmpty {
            members["layers"] = .array(
                layers.map { ["kind": .string($0.kind.rawValue), "digest": .string($0.digest)] })
        }
        return members.isEmpty ? nil : .object(members)
    }

    /// The layers that a version's document names.
    static func layerDigests(of version: JSONValue) -> [String] {
        (version["dependencies"]?["layers"]?.array ?? []).compactMap { $0["digest"]?.string }
    }

    /// - Parameter folder: where a layer lies.
    init?(document: JSONValue?, folder: (String) -> String) {
        guard let document else { return }
        vendored = (document["vendored"]?.array ?? []).compactMap(\.string)
        for layer in document["layers"]?.array ?? [] {
            guard let kind = layer["kind"]?.string.flatMap(FunctionVersion.Layer.Kind.init),
                let digest = layer["digest"]?.string
            else { return nil }
            layers.append(.init(kind: kind, digest: digest, directory: folder(digest)))
        }
    }
}
