/// What of the storage a function is given, and where what it makes is put.
public struct FunctionStaging: Sendable, Hashable {
    /// How a run gets the event's data.
    public enum Input: String, Sendable, Hashable, CaseIterable {
        case event
        /// The event's file as a local path, read-only.
        case file
    }

    public var input: Input
    /// Folders of the operator's mounts that every worker sees.
    public var mounts: [MountRequest]
    /// Where the files go that a run leaves in its output folder; `nil`: it has none.
    public var output: OutputRequest?

    public init(input: Input = .event, mounts: [MountRequest] = [], output: OutputRequest? = nil) {
        self.input = input
        self.mounts = mounts
        self.output = output
    }

    /// Memory that what a run leaves may take, bytes.
    package var outputMemory: Int64 { output.map { $0.limit + OutputRequest.roundingBytes } ?? 0 }

    /// Whether a run needs files brought in or out.
    public var isPerCall: Bool { input == .file || output != nil }
}

/// A folder of an operator's mount that a function wants to see.
public struct MountRequest: Sendable, Hashable {
    /// The operator's name for the mount; the function finds it at `/mnt/<name>`.
    public var name: String
    /// The folder inside the mount, relative; empty: all of it.
    public var path: String
    public var isWritable: Bool

    public init(name: String, path: String = "", isWritable: Bool = false) {
        self.name = name
        self.path = path
        self.isWritable = isWritable
    }
}

/// What becomes of the files that a run leaves in its output folder.
public struct OutputRequest: Sendable, Hashable {
    /// When there is a file at the place already.
    public enum Overwrite: String, Sendable, Hashable, CaseIterable {
        /// It stays, and the run fails, unless it is this very run's output, delivered a second time.
        case never
        case replace
    }

    /// Where the record of an output's origin lies.
    public enum Provenance: Sendable, Hashable {
        /// As `<name>.weir.json` beside the output.
        case beside
        /// At the same relative path below a folder of the mount.
        case folder(String)
    }

    /// The operator's name for the mount.
    public var mount: String
    public var template: OutputTemplate
    public var overwrite: Overwrite
    public var provenance: Provenance
    /// Bytes that a run may leave.
    public var limit: Int64

    /// What files take beyond their bytes where they lie in memory, a page each at most.
    package static let roundingBytes: Int64 = 4 << 20
    /// How many bytes a run may leave when it is not said.
    public static let defaultLimit: Int64 = 64 << 20

    public init(
        mount: String, template: OutputTemplate, overwrite: Overwrite = .never, provenance: Provenance = .beside,
        limit: Int64 = OutputRequest.defaultLimit
    ) {
        self.mount = mount
        self.template = template
        self.overwrite = overwrite
        self.provenance = provenance
        self.limit = limit
    }
}
