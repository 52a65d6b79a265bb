import Foundation
public import Glibc
import Synchronization

/// The servers that integration tests start, as `script/setup-tests` fetched them.
public enum TestServers {
    /// Where they are; the same rule as in the script.
    public static let folder: String = {
        let environment = ProcessInfo.processInfo.environment
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let cache =
            value("WEIR_TEST_CACHE") ?? value("XDG_CACHE_HOME") ?? value("HOME").map { $0 + "/.cache" }
            ?? value("TMPDIR") ?? "/tmp"
        return cache + "/weir-tests"
    }()

    /// Fetches a part unless it is there; takes seconds the first time.
    public static func fetch(_ part: String) {
        guard !FileManager.default.fileExists(atPath: "\(folder)/\(part)/ready") else { return }
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("script/setup-tests").path
        guard FileManager.default.isExecutableFile(atPath: script),
            let child = try? ChildProcess([script, part], log: "/dev/null")
        else { return }
        child.waitForEnd()
    }
}

/// A port of loopback that nobody listens on.
public enum FreePort {
    /// Below those that the system hands out by itself (`ip_local_port_range`, 32768 and up): nothing that runs beside
    /// gets it by chance before who asked for it listens.
    private static let range = 20_000..<32_000
    private static let taken = Mutex<Set<Int>>([])

    public static func take() throws -> Int {
        for _ in 0..<1_000 {
            let port = Int.random(in: range)
            if taken.withLock({ $0.insert(port).inserted }), isFree(port) { return port }
        }
        throw ChildProcess.Failure("no port of \(range) is free")
    }

    private static func isFree(_ port: Int) -> Bool {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        return withAddress(port) { bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
    }

    private static func withAddress(_ port: Int, _ body: (UnsafePointer<sockaddr>) -> Bool) -> Bool {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
        }
    }

    /// Whether somebody listens.
    public static func answers(_ port: Int) -> Bool {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        return withAddress(port) { connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
    }
}

/// A program that a test starts and ends by its process id.
public final class ChildProcess: Sendable {
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
        public init(_ description: String) { self.description = description }
    }

    public let pid: pid_t
    private let log: String
    private let hasEnded = Mutex(false)

    /// - Parameters:
    ///   - environment: what is added to this process's own.
    ///   - log: the file that its output goes to.
    public init(_ arguments: [String], environment extra: [String: String] = [:], log: String) throws {
        self.log = log
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let environment = ProcessInfo.processInfo.environment.merging(extra) { $1 }
        var pointers = arguments.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in pointers + variables { free(pointer) } }
        // Threads of a pool block the signals, and a program inherits that: it would never hear that it is to end.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var pid: pid_t = 0
        let result = posix_spawn(&pid, arguments[0], &actions, &attributes, &pointers, &variables)
        guard result == 0 else { throw Failure("\(arguments[0]): \(String(cString: strerror(result)))") }
        self.pid = pid
    }

    deinit { kill9() }

    /// Ends it at once and waits for it.
    public func kill9() { end(SIGKILL) }

    /// Asks it to end, waits for it, and ends it when it does not in ten seconds.
    public func stop() { end(SIGTERM, patience: .seconds(10)) }

    /// Waits for its end.
    public func waitForEnd() { end(0) }

    private func end(_ signal: Int32, patience: Duration? = nil) {
        hasEnded.withLock { hasEnded in
            guard !hasEnded else { return }
            if signal > 0 { kill(pid, signal) }
            var status: Int32 = 0
            if let patience {
                let deadline = ContinuousClock.now + patience
                // waitpid(2) has no deadline: it is asked again.
                while ContinuousClock.now < deadline, !hasEnded {
                    hasEnded = waitpid(pid, &status, WNOHANG) != 0
                    if !hasEnded { usleep(2_000) }
                }
                guard !hasEnded else { return }
                kill(pid, SIGKILL)
            }
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            hasEnded = true
        }
    }

    /// Returns when somebody listens on the port.
    public func waitForPort(_ port: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while !FreePort.answers(port) {
            var status: Int32 = 0
            guard ContinuousClock.now < deadline, waitpid(pid, &status, WNOHANG) == 0 else {
                let output = FileManager.default.contents(atPath: log) ?? Data()
                throw Failure("the server did not start: " + String(decoding: output.suffix(2_000), as: UTF8.self))
            }
            // Another process listens when it does: there is nothing to await.
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}
