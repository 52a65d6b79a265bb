/// Why a manifest is not acceptable, and where.
public struct ManifestError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable, Hashable {
        /// Not YAML.
        case syntax
        /// A key that stands twice.
        case duplicate
        /// Larger, deeper or more entangled than a manifest may be.
        case tooLarge
        /// YAML, but nothing that a manifest may hold.
        case content
    }

    public let code: Code
    /// As it was given: `weir.yaml`.
    public let file: String
    /// From 1; `nil` where the reader gives none.
    public let line: Int?
    public let column: Int?
    /// As in ``DocumentError/path``.
    public let path: String
    public let message: String

    public init(
        _ code: Code, file: String, position: ManifestPosition? = nil, path: String = "", message: String
    ) {
        self.code = code
        self.file = file
        line = position?.line
        column = position?.column
        self.path = path
        self.message = message
    }

    /// `weir.yaml:3:5: channels.storage: this key is unknown`
    public var description: String {
        var out = file
        if let line { out += ":\(line)" }
        if line != nil, let column { out += ":\(column)" }
        return out + ": " + (path.isEmpty ? message : "\(path): \(message)")
    }
}

/// A place in the text, from 1.
public struct ManifestPosition: Sendable, Hashable {
    public var line: Int
    /// In Unicode scalars.
    public var column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}
