internal import Functions
internal import Sandboxes

/// How an order is to be carried out: programs to run one after the other in a sandbox, and what is kept of what they
/// leave.
struct PreparationPlan: Sendable {
    /// One program.
    struct Step: Sendable {
        /// What it is called when it fails.
        var name: String
        /// The first is the absolute path of the program.
        var arguments: [String]
        var usesNetwork = false
        /// Whether its failure is one of the whole.
        var isRequired = true
        /// Folders of the host beyond the system's that it needs.
        var folders: [String] = []
        var environment: [String] = []
    }

    /// A file that the server lays into the work folder before the first step.
    struct File: Sendable {
        var name: String
        var content: [UInt8]
    }

    var kind: FunctionVersion.Layer.Kind
    /// Everything that decides what comes out of it: the same key, the same layer.
    var key: String
    var steps: [Step]
    var files: [File] = []
    /// Where a copy of the code that may be changed is to lie before the first step.
    enum CodeCopy: Sendable {
        case none
        case toOutput
        /// In the folder `code` there.
        case toScratch
    }

    var copiesCode = CodeCopy.none
    /// The folder inside the output that is kept; empty: all of it.
    var member = ""
}

/// Where a step finds things: inside a sandbox with a root of its own, or on the host.
struct PreparationPaths: Sendable {
    /// The code, read-only.
    var code: String
    /// What will be the layer.
    var output: String
    /// For files in between; also HOME and TMPDIR.
    var scratch: String
    /// What runs inside workers, and the name of their version.
    var runners: RunnerFiles
    var runnersKey: String
}
