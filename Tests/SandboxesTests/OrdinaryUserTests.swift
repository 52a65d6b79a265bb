import Foundation
import Glibc
import TestSupport
import Testing

@testable import Sandboxes

/// The suites of this target once more as a user without any privileges, when the tests run as root.
struct OrdinaryUserTests {
    /// A user that nobody has; no entry in the user database is needed.
    private static let user = 54_321
    private static let suites = "Confinement|Limit|RunningSandbox|LauncherFuzz|CleanUp"

    @Test func theSameHoldsForAnOrdinaryUser() async throws {
        guard geteuid() == 0 else { return print("skipped: the tests run as an ordinary user already") }
        let setpriv = "/usr/bin/setpriv"
        guard access(setpriv, X_OK) == 0 else { return print("skipped: setpriv is not installed") }
        let program = URL(fileURLWithPath: CommandLine.arguments[0]).standardizedFileURL.path
        let privileges = [
            "--reuid", "\(Self.user)", "--regid", "\(Self.user)", "--clear-groups", "--inh-caps=-all",
        ]
        let folder = try TemporaryDirectory("ordinary")
        chown(folder.path, uid_t(Self.user), gid_t(Self.user))
        guard program.hasSuffix(".xctest"),
            try await run(setpriv, privileges + ["/usr/bin/test", "-x", program], folder).status == 0
        else { return print("skipped: an ordinary user does not reach the tests' program \(program)") }
        let result = try await run(
            setpriv,
            privileges + [
                "/usr/bin/timeout", "300", program, "--testing-library", "swift-testing", "--filter",
                "SandboxesTests\\.(\(Self.suites))",
            ], folder)
        let lines = result.output.split(separator: "\n").filter { line in
            line.hasPrefix("✘") || line.hasPrefix("skipped") || line.contains("Test run with")
        }
        print("as an ordinary user:\n" + Set(lines.map { String($0.prefix(300)) }).sorted().joined(separator: "\n"))
        #expect(result.status == 0, "\(lines.joined(separator: "\n"))")
    }

    private func run(
        _ program: String, _ arguments: [String], _ folder: TemporaryDirectory
    ) async throws -> (status: Int32, output: String) {
        let process = Process()
        let output = folder.file("output-\(UUID().uuidString)")
        _ = FileManager.default.createFile(atPath: output, contents: nil)
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = [
            "PATH": "/usr/bin:/bin", "TMPDIR": folder.path, "HOME": folder.path,
            "LD_LIBRARY_PATH": ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"] ?? "",
        ]
        process.currentDirectoryURL = URL(fileURLWithPath: "/")
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        process.standardOutput = file
        process.standardError = file
        try process.run()
        await waitUntil { !process.isRunning }
        let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: output)), as: UTF8.self)
        return (process.terminationStatus, text)
    }
}
