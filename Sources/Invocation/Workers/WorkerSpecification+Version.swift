internal import CloudEvents
internal import Functions
internal import Sandboxes

/// Where a worker finds what belongs to its version: the host's paths, or those of a sandbox with a root of its own.
struct WorkerPaths {
    var code: String
    /// What runs inside, see ``RunnerFiles``.
    var runners: RunnerFiles
    /// The layers of the version, in their order.
    var layers: [String]

    init(_ version: FunctionVersion, _ configuration: InvocationConfiguration, _ isolation: IsolationReport?) {
        if isolation?.canAttach == true {
            code = SandboxPath.code
            runners = RunnerFiles(directory: SandboxPath.runtimes)
            layers = version.dependencies.layers.indices.map { "\(SandboxPath.layers)/\($0)" }
        } else {
            code = version.codeDirectory
            runners = configuration.runners
            layers = version.dependencies.layers.map(\.directory)
        }
    }

    /// The program of a version that is one itself: built when it was deployed, or part of the code.
    func program(of version: FunctionVersion) -> String {
        for (layer, path) in zip(version.dependencies.layers, layers) where layer.kind == .program {
            return path + "/" + layer.member
        }
        return code + "/" + version.entry
    }

    /// Where a runner looks for what the version imports: what came with the code, what was installed.
    func imports(of version: FunctionVersion) -> [String] {
        version.dependencies.vendored.map { code + "/" + $0 }
            + zip(version.dependencies.layers, layers).compactMap { layer, path in
                switch layer.kind {
                case .python, .nodejs: layer.member.isEmpty ? path : path + "/" + layer.member
                case .program: nil
                }
            }
    }
}

enum FolderPath {
    /// The folder that holds a file.
    static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }
}

extension WorkerSpecification {
    /// What every worker's environment begins with.
    static var baseEnvironment: [String] {
        [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TMPDIR=/tmp",
            "HOME=/tmp",
        ]
    }

    /// What stands around a result in an answer: status, time, number of the call.
    private static var around: Int { 64 }

    /// The process that runs a version.
    init(
        _ version: FunctionVersion, _ configuration: InvocationConfiguration, _ isolation: IsolationReport?
    ) {
        let paths = WorkerPaths(version, configuration, isolation)
        let arguments: [String]
        let framing: Framing
        let maximumMessage: Int
        switch version.runtime {
        case .python:
            // Isolated from the environment, the user's folder and `site`: what a function sees is its own code, the
            // standard library and (added by the runner) the system's installed packages.
            arguments = [configuration.python, "-I", "-S", "-E", "-X", "utf8", paths.runners.python]
            framing = .lengthPrefixed
            maximumMessage = configuration.answerLimit + Self.around + Ledger.size
        case .nodejs:
            arguments = [configuration.node, paths.runners.nodejs]
            framing = .lengthPrefixed
            maximumMessage = configuration.answerLimit + Self.around + Ledger.size
        case .swift:
            arguments = [paths.program(of: version)]
            framing = .lengthPrefixed
            maximumMessage = configuration.answerLimit + Self.around + Ledger.size
        // A container is started by its engine, a sequence is no process: neither comes here.
        case .executable, .container, .sequence:
            arguments = [paths.code + "/" + version.entry]
            framing = version.call == .actionLoop ? .actionLoop : .lines
            maximumMessage = configuration.answerLimit
        }
        // The last of two variables of one name would be ignored by most programs, so the function's replace ours.
        var environment = Self.baseEnvironment
        for variable in version.environment {
            environment.removeAll { $0.hasPrefix(variable.name + "=") }
            environment.append("\(variable.name)=\(variable.value)")
        }
        let memory = max(version.limits.memory, 16 << 20)
        var limits = [
            ResourceLimit(.openFiles, 1024), ResourceLimit(.coreSize, 0),
            ResourceLimit(.fileSize, configuration.fileSizeLimit),
        ]
        // Where nothing limits the tree: what a process may write to. Not RLIMIT_AS, which counts shared libraries and
        // ranges that some run times reserve by the gigabyte without touching them; and even this counts stacks and
        // buffers that the threads of numerical libraries never fill, so it is not used where a control group counts
        // what is really there.
        if isolation?.limitsTrees != true { limits.append(ResourceLimit(.memory, UInt64(memory))) }
        self.init(
            arguments: arguments, environment: environment, directory: paths.code, limits: limits,
            framing: framing, maximumMessage: maximumMessage,
            sandbox: isolation.map { _ in SandboxSpecification(version, configuration, memory: memory) })
    }
}

extension SandboxSpecification {
    /// What a version's worker sees and may use.
    init(_ version: FunctionVersion, _ configuration: InvocationConfiguration, memory: Int64) {
        var mounts = [SandboxMount(source: version.codeDirectory, target: SandboxPath.code)]
        for (index, layer) in version.dependencies.layers.enumerated() {
            mounts.append(SandboxMount(source: layer.directory, target: "\(SandboxPath.layers)/\(index)"))
        }
        var rootFolders: [String] = []
        if configuration.interpreter(of: version.runtime) != nil {
            mounts.append(
                SandboxMount(
                    source: configuration.runners.directory, target: SandboxPath.runtimes,
                    allowsExecution: false))
            if let prefix = configuration.prefix(of: version.runtime) { rootFolders.append(prefix) }
        }
        // What a run leaves lies in memory until it is published.
        self.init(
            memory: memory + version.staging.outputMemory, temporaryBytes: memory / 2,
            mounts: mounts + configuration.visible(version), rootFolders: rootFolders)
    }
}

/// The first message to a Python runner: what it runs.
enum RunnerSettings {
    static func frame(
        _ version: FunctionVersion, _ paths: WorkerPaths, marker: String, answerLimit: Int, isStem: Bool = false
    ) -> [UInt8] {
        var settings = JSONObject(members: [
            .init(name: "directory", value: .string(paths.code)),
            .init(name: "entry", value: .string(version.entry)),
            .init(name: "namespace", value: .string(version.namespace)),
            .init(name: "name", value: .string(version.name)),
            .init(name: "version", value: .string(version.digest)),
            .init(name: "timeout", value: .integer(version.limits.timeout)),
            .init(name: "params", value: .object(version.parameters)),
            .init(name: "marker", value: .string(marker)),
            .init(name: "answerLimit", value: .integer(Int64(answerLimit))),
        ])
        let imports = paths.imports(of: version)
        if !imports.isEmpty { settings["paths"] = .array(imports.map { .string($0) }) }
        let events = version.limits.scaling.concurrentEvents
        if events > 1 { settings["concurrent"] = .integer(Int64(events)) }
        if version.limits.scaling.isShared { settings["shared"] = true }
        if let handler = version.handler { settings["handler"] = .string(handler) }
        if isStem, !version.environment.isEmpty {
            // It was started without.
            settings["environment"] = .object(
                JSONObject(members: version.environment.map { .init(name: $0.name, value: .string($0.value)) }))
        }
        if let call = version.call { settings["call"] = .string(call.rawValue) }
        return CallFrame.message(.object(settings))
    }
}
