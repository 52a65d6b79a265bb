import CloudEvents
import Foundation
import Functions
import Glibc
import Logging
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

/// Nothing may stay when the launcher, the server or a worker goes.
@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
struct LauncherLifeTests {
    /// Starts a child in its group and a daemon of a session of its own, says all pids, and goes on or not.
    private static let family = """
        import os, subprocess, time
        def daemon():
            read, write = os.pipe()
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.write(write, str(os.getpid()).encode())
                    os.closerange(0, 100)
                    while True: time.sleep(1000)
                os._exit(0)
            os.wait()
            return int(os.read(read, 100))
        def main(args):
            child = subprocess.Popen(["/bin/sleep", "1000"])
            print(os.getpid(), child.pid, daemon(), flush=True)
            if args.get("stay"): time.sleep(1000)
        """

    /// The family's processes as the host numbers them, once the function has said that they are there.
    private func pids(_ fixture: InvocationFixture) async -> [Int32] {
        await eventually("the function has said its pids") { !fixture.notices.all.isEmpty }
        return fixture.processes
    }

    @Test func stoppingEndsWorkersTheirChildrenAndDaemons() async throws {
        let fixture = try await InvocationFixture()
        let function = try fixture.python("family", Self.family)
        // It answers only when it is ended: after an answer a worker with processes beside it goes at once.
        async let running = fixture.call(function, ["stay": true])
        let all = await pids(fixture)
        let launcher = try #require(fixture.launcher.processID)
        #expect(all.count >= 3)
        #expect(all.allSatisfy { isAlive($0) })
        await fixture.invoker.stop()
        #expect(await running.status == .internalError)
        #expect(!isAlive(launcher))
        #expect(all.filter { isAlive($0) } == [])
    }

    @Test func stoppingFailsRunningCallsClearly() async throws {
        let fixture = try await InvocationFixture()
        let function = try fixture.python("family", Self.family)
        async let running = fixture.call(function, ["stay": true])
        _ = await pids(fixture)
        await fixture.invoker.stop()
        let activation = await running
        #expect(activation.status == .internalError)
        #expect(activation.errorText == "the server is stopping")
        #expect(await fixture.call(function).errorText == "the server is stopping")
    }

    @Test func aDeadLauncherTakesItsWorkersAndIsReplaced() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python("family", Self.family)
            async let running = fixture.call(function, ["stay": true])
            let all = await pids(fixture)
            let launcher = try #require(fixture.launcher.processID)
            kill(launcher, SIGKILL)
            let activation = await running
            #expect(activation.status == .internalError)
            #expect(activation.errorText.hasPrefix("the process that starts workers ended"))
            if fixture.launcher.isolation?.canAttach == true {
                await eventually("everything is gone") { all.allSatisfy { !isAlive($0) } }
            } else {
                // The daemon has left session and group, and nobody is its subreaper any more.
                await eventually("worker and child are gone") { all.count { isAlive($0) } == 1 }
                for pid in all { kill(pid, SIGKILL) }
            }
            #expect(await fixture.call(function).status == .success)
            #expect(fixture.launcher.processID != launcher)
        }
    }

    @Test func aDaemonEndsWithItsWorker() async throws {
        try await withInvoker(idleGrace: 50) { fixture in
            let function = try fixture.python("family", Self.family)
            #expect(await fixture.call(function).status == .success)
            let all = await pids(fixture)
            await eventually("everything is gone") { all.allSatisfy { !isAlive($0) } }
        }
    }

    @Test func aMissingLauncherOrInterpreterIsNamed() async throws {
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let fixture = try await InvocationFixture()
        let function = try fixture.python("f", "def main(args): pass")
        let noLauncher = FunctionInvoker(
            fixture.invoker.configuration, catalog: fixture,
            launcher: try Launcher(.init(path: "/nowhere"), logger: logger),
            logger: logger)
        #expect(
            await noLauncher.invoke(function, call: .init(input: .arguments([:]))).errorText
                == "the launcher /nowhere cannot be started: No such file or directory")
        await noLauncher.stop()
        var configuration = fixture.invoker.configuration
        configuration.python = "/nowhere/python3"
        let noPython = FunctionInvoker(configuration, catalog: fixture, launcher: fixture.launcher, logger: logger)
        let activation = await noPython.invoke(function, call: .init(input: .arguments([:])))
        #expect(activation.status == .internalError)
        #expect(activation.errorText == "the program /nowhere/python3 cannot be started: No such file or directory")
        await noPython.stop()
    }
}
