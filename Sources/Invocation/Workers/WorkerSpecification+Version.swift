internal import CloudEvents
internal import Functions
internal import Sandboxes

extension WorkerSpecification {
    /// The process that runs a version.
    init(_ version: FunctionVersion, _ configuration: InvocationConfiguration) {
        let arguments: [String]
        let framing: Framing
        let maximumMessage: Int
        switch version.runtime {
        case .python:
            // Isolated from the environment, the user's folder and `site`: what a function sees is its own code, the
            // standard library and (added by the runner) the system's installed packages.
            arguments = [configuration.python, "-I", "-S", "-E", "-X", "utf8", configuration.runners.python]
            framing = .lengthPrefixed
            maximumMessage = configuration.answerLimit + Ledger.size
        case .nodejs:
            arguments = [configuration.node, configuration.runners.nodejs]
            framing = .lengthPrefixed
            maximumMessage = configuration.answerLimit + Ledger.size
        // A container is started by its engine and never comes here.
        case .executable, .container:
            arguments = [version.codeDirectory + "/" + version.entry]
            framing = .lines
            maximumMessage = configuration.answerLimit
        }
        // The last of two variables of one name would be ignored by most programs, so the function's replace ours.
        var environment = [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TMPDIR=/tmp",
        ]
        for variable in version.environment {
            environment.removeAll { $0.hasPrefix(variable.name + "=") }
            environment.append("\(variable.name)=\(variable.value)")
        }
        // Memory as RLIMIT_DATA: what is written to, not what is mapped. RLIMIT_AS would count shared libraries and
        // reserved ranges, which some run times take by the gigabyte without touching them.
        let memory = UInt64(max(version.limits.memory, 16 << 20))
        self.init(
            arguments: arguments, environment: environment, directory: version.codeDirectory,
            limits: [
                ResourceLimit(.memory, memory), ResourceLimit(.openFiles, 1024), ResourceLimit(.coreSize, 0),
                ResourceLimit(.fileSize, configuration.fileSizeLimit),
            ],
            framing: framing, maximumMessage: maximumMessage)
    }
}

/// The first message to a Python runner: what it runs.
enum RunnerSettings {
    static func frame(_ version: FunctionVersion, marker: String, answerLimit: Int) -> [UInt8] {
        var settings = JSONObject(members: [
            .init(name: "directory", value: .string(version.codeDirectory)),
            .init(name: "entry", value: .string(version.entry)),
            .init(name: "namespace", value: .string(version.namespace)),
            .init(name: "name", value: .string(version.name)),
            .init(name: "version", value: .string(version.digest)),
            .init(name: "timeout", value: .integer(version.limits.timeout)),
            .init(name: "params", value: .object(version.parameters)),
            .init(name: "marker", value: .string(marker)),
            .init(name: "answerLimit", value: .integer(Int64(answerLimit))),
        ])
        if let handler = version.handler { settings["handler"] = .string(handler) }
        return CallFrame.message(.object(settings))
    }
}
