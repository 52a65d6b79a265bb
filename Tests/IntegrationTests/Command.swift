import CloudEvents
import Foundation
import TestSupport

/// A program that was run to its end: `weir`, a shell, Python.
struct Command: Sendable {
    let status: Int32
    let output: [UInt8]
    let errors: String

    var text: String { String(decoding: output, as: UTF8.self) }
    var json: JSONValue { (try? JSONValue(parsing: output)) ?? .null }
    /// Its lines, each as JSON.
    var lines: [JSONValue] {
        output.split(separator: 0x0A).map { (try? JSONValue(parsing: Array($0))) ?? .null }
    }

    /// Runs the real `weir` against the server of a data folder.
    static func weir(_ data: String, _ arguments: String..., input: String = "") async throws -> Command {
        try await run([ServerProcess.program] + arguments, data: data, input: Array(input.utf8))
    }

    /// Runs a line of shell in which `$WEIR` is the program.
    static func shell(_ line: String, data: String = "/nonexistent") async throws -> Command {
        try await run(["/bin/bash", "-c", line], data: data)
    }

    /// Runs a Python program, which finds its arguments in `sys.argv[1:]`.
    static func python(_ program: String, _ arguments: String...) async throws -> Command {
        try await run(["/usr/bin/env", "python3", "-c", program] + arguments, data: "/nonexistent")
    }

    static func run(_ arguments: [String], data: String, input: [UInt8] = []) async throws -> Command {
        let folder = try TemporaryDirectory("weir-command")
        _ = FileManager.default.createFile(atPath: folder.file("in"), contents: Data(input))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, folder.file("in"), O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, folder.file("out"), O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, folder.file("err"), O_WRONLY | O_CREAT, 0o600)
        var environment = ProcessInfo.processInfo.environment
        for name in ["WEIR_SERVER", "WEIR_KEY_FILE"] { environment[name] = nil }
        environment["WEIR_DATA"] = data
        environment["WEIR"] = ServerProcess.program
        var pointers = arguments.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in pointers + variables { free(pointer) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, arguments[0], &actions, nil, &pointers, &variables)
        guard result == 0 else {
            throw ServerProcess.StartFailure(description: "\(arguments[0]): \(String(cString: strerror(result)))")
        }
        var status: Int32 = 0
        let deadline = ContinuousClock.now + .seconds(60)
        while waitpid(pid, &status, WNOHANG) == 0 {
            if ContinuousClock.now > deadline {
                kill(pid, SIGKILL)
                waitpid(pid, &status, 0)
                throw ServerProcess.StartFailure(description: "\(arguments.joined(separator: " ")) did not end")
            }
            // Another process ends when it ends: there is nothing to await.
            try await Task.sleep(for: .milliseconds(5))
        }
        let read = { (name: String) in [UInt8](FileManager.default.contents(atPath: folder.file(name)) ?? Data()) }
        return Command(
            status: status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F), output: read("out"),
            errors: String(decoding: read("err"), as: UTF8.self))
    }
}
