/// What one worker may see and use; how that is brought about is the launcher's matter and depends on the host.
///
/// Inside, at levels 2 and 3: a read-only root with the system's programs and libraries, ``rootFolders`` at their own
/// paths, a private `/tmp`, a `/proc` of its own processes, the five harmless devices, and ``mounts``.
package struct SandboxSpecification: Sendable, Hashable {
    package enum Network: String, Sendable, Hashable {
        /// An empty network of its own: nothing can be reached.
        case none
        /// As `none` with its loopback interface, on which a proxy of the server listens.
        case proxy
        /// The host's network. Not isolated.
        case host
    }

    /// Memory of the whole process tree, bytes; what lies in `/tmp` counts.
    package var memory: Int64
    /// Processes and threads of the whole tree.
    package var processes: Int
    /// Its share of the processors under load, thousandths: 1000 is the usual share.
    package var cpuShare: Int
    /// The most processor time it gets, thousandths of a core; `nil`: as much as there is.
    package var cpuLimit: Int?
    /// The size of `/tmp`.
    package var temporaryBytes: Int64
    package var temporaryFiles: Int
    package var network: Network
    package var mounts: [SandboxMount]
    /// Folders of the host that it sees read-only at the same path, beyond the system's: an interpreter's, for one.
    package var rootFolders: [String]
    /// Nothing but its limits: for a program that isolates what it runs itself, as runtimes of containers do, and needs
    /// its rights for that.
    package var onlyLimits = false

    package init(
        memory: Int64, processes: Int = 256, cpuShare: Int = 1000, cpuLimit: Int? = nil,
        temporaryBytes: Int64? = nil, temporaryFiles: Int = 16_384, network: Network = .none,
        mounts: [SandboxMount] = [], rootFolders: [String] = []
    ) {
        self.memory = memory
        self.processes = processes
        self.cpuShare = cpuShare
        self.cpuLimit = cpuLimit
        self.temporaryBytes = temporaryBytes ?? memory / 2
        self.temporaryFiles = temporaryFiles
        self.network = network
        self.mounts = mounts
        self.rootFolders = rootFolders
    }
}

/// A file or folder of the host that a sandbox sees. Never with set-user-id or device files.
package struct SandboxMount: Sendable, Hashable {
    /// Absolute, on the host.
    package var source: String
    /// Absolute, inside.
    package var target: String
    package var isReadOnly: Bool
    package var allowsExecution: Bool
    /// Left out when the source is not there.
    package var isOptional: Bool
    /// What its owner owns there belongs to the worker, whichever user that is: it may read what only the owner may, and
    /// what it writes is the owner's. Fails on file systems that have no ID-mapped mounts (network file systems), where a
    /// worker is a stranger to the files. A folder of root's that may be written to stays root's.
    package var isOwnedByWorker = false

    package init(
        source: String, target: String, isReadOnly: Bool = true, allowsExecution: Bool = true, isOptional: Bool = false
    ) {
        self.source = source
        self.target = target
        self.isReadOnly = isReadOnly
        self.allowsExecution = allowsExecution
        self.isOptional = isOptional
    }
}

/// Where things lie inside a sandbox that has a root of its own.
package enum SandboxPath {
    package static var code: String { "/code" }
    package static var runtimes: String { "/runtimes" }
    package static var layers: String { "/layers" }
    package static var input: String { "/input" }
    package static var output: String { "/output" }
    package static var temporary: String { "/tmp" }
    /// Folders that are there, empty, so that something can be mounted on them.
    static var places: [String] { [code, runtimes, layers, input, output] }
}
