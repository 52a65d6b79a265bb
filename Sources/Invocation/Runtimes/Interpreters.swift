internal import CloudEvents
internal import Glibc
package import Logging
package import Sandboxes
internal import Synchronization

/// Who an interpreter is, as it says itself.
package struct Interpreter: Sendable, Hashable {
    /// The program itself: what a name on the path leads to may be a script that looks for it.
    package var program: String
    /// `3.11`, or `20`: packages that are compiled fit this alone.
    package var version: String
    /// Folders beyond the system's that it needs to run.
    package var folders: [String]
}

/// Asks the interpreters of the configuration who they are, once each, when somebody wants to know.
package actor Interpreters {
    private let launcher: Launcher
    private let runners: RunnerFiles
    private let logger: Logger
    private var known: [String: Task<Interpreter?, Never>] = [:]
    private var answering: [String: Bool] = [:]

    package init(launcher: Launcher, runners: RunnerFiles, logger: Logger) {
        self.launcher = launcher
        self.runners = runners
        self.logger = logger
    }

    /// The program to start for an interpreter's name: what is only a script that looks for it is asked once.
    package func program(_ path: String) async -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return path }
        defer { close(file) }
        var begin: (UInt8, UInt8) = (0, 0)
        guard read(file, &begin, 2) == 2, begin == (UInt8(ascii: "#"), UInt8(ascii: "!")) else { return path }
        let isNode = path.hasSuffix("/node")
        return await (isNode ? node(path) : python(path))?.program ?? path
    }

    /// Asks ahead of time, so that the runner is compiled when the first worker starts.
    package func prepare(python: String) async { _ = await self.python(python) }

    /// The Python behind a path; `nil` when it does not answer. The runner is compiled for it on the way, so that the
    /// next start need not do that.
    func python(_ program: String) async -> Interpreter? {
        await ask(program, ["-I", "-S", "-E", runners.pythonQuestion, runners.directory + "/python"])
    }

    func node(_ program: String) async -> Interpreter? {
        let question =
            "const v = process.versions.node.split('.')[0]; console.log(JSON.stringify("
            + "{program: process.execPath, version: v, prefix: require('path').resolve(process.execPath, '../..')}))"
        return await ask(program, ["-e", question])
    }

    /// The Swift compiler; `nil` when there is none.
    func swift(_ program: String) async -> Interpreter? {
        let key = "swift " + program
        if let task = known[key] { return await task.value }
        let task = Task { [launcher] () -> Interpreter? in
            let outcome = await launcher.run(Self.question([program, "--version"]), within: 60_000)
            guard outcome.isSuccess, let version = outcome.lines.first(where: { $0.contains("Swift version") }),
                let real = realpath(FolderPath.parent(program), nil)
            else { return nil }
            defer { free(real) }
            // One program under several names: it goes by the one that it is called by.
            let folder = String(cString: real)
            let prefix = FolderPath.parent(folder)
            return Interpreter(
                program: folder + "/swiftc", version: version, folders: prefix == "/usr" ? [] : [prefix])
        }
        known[key] = task
        return await task.value
    }

    /// An interpreter that has `pip` for the packages of another, best the same; `nil` when none has.
    func installer(for python: Interpreter) async -> Interpreter? {
        var tried: Set<String> = []
        let path = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").map { "\($0)/python3" }
        for program in [python.program, "/usr/bin/python3", "/usr/local/bin/python3"] + path
        where access(program, X_OK) == 0 {
            guard let candidate = await self.python(program), tried.insert(candidate.program).inserted else { continue }
            if await answers([candidate.program, "-I", "-m", "pip", "--version"]) { return candidate }
        }
        return nil
    }

    private func answers(_ arguments: [String]) async -> Bool {
        let key = arguments.joined(separator: " ")
        if let known = answering[key] { return known }
        let answers = await launcher.run(Self.question(arguments), within: 30_000).isSuccess
        answering[key] = answers
        return answers
    }

    /// The script that `npm` is, beside its interpreter or on the path.
    static func npm(of node: Interpreter) -> String? {
        let path = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").map { "\($0)/npm" }
        for candidate in [FolderPath.parent(node.program) + "/npm", "/usr/bin/npm"] + path {
            guard let real = realpath(candidate, nil) else { continue }
            defer { free(real) }
            let script = String(cString: real)
            if script.hasSuffix(".js") { return script }
        }
        return nil
    }

    private static func question(_ arguments: [String]) -> WorkerSpecification {
        WorkerSpecification(
            arguments: arguments, environment: ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"], directory: "/",
            limits: [], framing: .lines, maximumMessage: 1 << 16)
    }

    private func ask(_ program: String, _ arguments: [String]) async -> Interpreter? {
        if let task = known[program] { return await task.value }
        let task = Task { [launcher, logger] () -> Interpreter? in
            let outcome = await launcher.run(Self.question([program] + arguments), within: 30_000)
            guard outcome.isSuccess, let line = outcome.lines.last,
                let answer = try? JSONValue(parsing: Array(line.utf8)),
                let path = answer["program"]?.string, let version = answer["version"]?.string
            else {
                logger.notice(
                    "an interpreter does not say who it is",
                    metadata: ["program": "\(program)", "why": "\(outcome.lines.last ?? "\(outcome.end)")"])
                return nil
            }
            let prefix = answer["prefix"]?.string ?? "/usr"
            let isSystem = ["/usr", "/bin", "/lib"].contains { prefix == $0 || prefix.hasPrefix($0 + "/") }
            return Interpreter(program: path, version: version, folders: isSystem ? [] : [prefix])
        }
        known[program] = task
        return await task.value
    }
}
