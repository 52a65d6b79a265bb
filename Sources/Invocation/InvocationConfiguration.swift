package import Functions
internal import Glibc
package import Sandboxes

/// How functions are run on this machine.
package struct InvocationConfiguration: Sendable {
    /// The Python interpreter, absolute.
    package var python: String { didSet { pythonPrefix = Self.prefix(ofProgram: python) } }
    /// The JavaScript interpreter, absolute.
    package var node: String { didSet { nodePrefix = Self.prefix(ofProgram: node) } }
    /// The folders that hold the interpreters' own files, where they are not the system's: asked for at each start, and
    /// looked for on the disk but once.
    private var pythonPrefix: String?
    private var nodePrefix: String?
    /// The Swift compiler, absolute.
    package var swift: String
    /// What runs inside a worker of an interpreter.
    package var runners: RunnerFiles
    /// Workers of all functions together.
    package var maximumWorkers: Int
    /// How long an idle worker is kept, milliseconds.
    package var idleGrace: Int64
    /// What the memory limits of all workers together may be, bytes.
    package var memoryBudget: Int64 = InvocationConfiguration.defaultMemoryBudget
    /// How long a worker is idle before it is frozen, milliseconds; `nil`: never.
    package var freezeAfter: Int64? = 20
    /// Runs of one namespace at the same time, and exceptions by name.
    package var namespaceRuns: Int?
    package var namespaceRunsByName: [String: Int] = [:]
    /// What the share of a namespace weighs where it is not 1.
    package var namespaceWeights: [String: Double] = [:]
    /// How many stems wait for functions of one kind, and exceptions by kind.
    package var stems = StemPolicy()
    package var stemsByFlavour: [String: StemPolicy] = [:]
    /// The longest answer of one call, bytes; longer ones are errors.
    package var answerLimit: Int
    /// The largest file that a worker may write, bytes.
    package var fileSizeLimit: UInt64
    /// How many calls travel in one frame at most.
    package var frameCalls: Int
    /// How many bytes one frame has at most, its last call excepted.
    package var frameBytes: Int

    /// What of the host a version's workers see, beside their own.
    package var visible: @Sendable (FunctionVersion) -> [SandboxMount] = { _ in [] }

    package init(
        python: String = InvocationConfiguration.defaultPython,
        node: String = InvocationConfiguration.defaultNode,
        swift: String = InvocationConfiguration.defaultSwift, runners: RunnerFiles, maximumWorkers: Int = 64,
        idleGrace: Int64 = 60_000, answerLimit: Int = 1 << 20, fileSizeLimit: UInt64 = 1 << 40, frameCalls: Int = 256,
        frameBytes: Int = 4 << 20
    ) {
        self.python = python
        self.node = node
        pythonPrefix = Self.prefix(ofProgram: python)
        nodePrefix = Self.prefix(ofProgram: node)
        self.swift = swift
        self.runners = runners
        self.maximumWorkers = maximumWorkers
        self.idleGrace = idleGrace
        self.answerLimit = answerLimit
        self.fileSizeLimit = fileSizeLimit
        self.frameCalls = frameCalls
        self.frameBytes = frameBytes
    }

    /// The folder that holds an interpreter's own files, when it is not the system's: two above the real program.
    private static func prefix(ofProgram path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        let folder = FolderPath.parent(FolderPath.parent(String(cString: real)))
        return folder == "/" || folder == "/usr" || folder.hasPrefix("/usr/") ? nil : folder
    }

    /// Four fifths of the memory that this process may use: the machine's, or its control group's when that is less.
    package static var defaultMemoryBudget: Int64 { MachineMemory.available / 5 * 4 }

    /// The interpreter that runs a runtime's code; `nil` when it is a program itself.
    func interpreter(of runtime: FunctionVersion.Runtime) -> String? {
        switch runtime {
        case .python: python
        case .nodejs: node
        case .swift, .executable, .container, .sequence: nil
        }
    }

    /// The folder that holds that interpreter's own files, when it is not the system's.
    func prefix(of runtime: FunctionVersion.Runtime) -> String? {
        switch runtime {
        case .python: pythonPrefix
        case .nodejs: nodePrefix
        case .swift, .executable, .container, .sequence: nil
        }
    }

    /// The system's interpreter, else the first on the PATH. When there is none, the first start says so.
    package static var defaultPython: String { program("python3") }
    package static var defaultNode: String { program("node") }
    package static var defaultSwift: String { program("swiftc") }

    private static func program(_ name: String) -> String {
        let usual = ["/usr/bin", "/usr/local/bin"]
        let path = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").map { String($0) }
        let candidates = (usual + path).map { "\($0)/\(name)" }
        return candidates.first { access($0, X_OK) == 0 } ?? "/usr/bin/\(name)"
    }
}
