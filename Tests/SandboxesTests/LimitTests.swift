import Glibc
import Logging
import Synchronization
import Testing
import TestSupport

@testable import Sandboxes

/// What a worker may use ends somewhere, for its whole tree.
@Suite(.fewAtATime) struct LimitTests {
    @Test(arguments: levelsWithNamespaces) func temporarySpaceEndsInBytesAndInFiles(level: Int) async throws {
        try await SandboxFixture.with(level: level) { fixture in
            var sandbox = SandboxFixture.sandbox
            sandbox.temporaryBytes = 1 << 20
            sandbox.temporaryFiles = 100
            let seen = try await fixture.lines(
                "dd if=/dev/zero of=/tmp/big bs=64k count=100 2>/tmp/said; stat -c %s /tmp/big; rm /tmp/big; "
                    + "i=0; while [ $i -lt 200 ]; do touch /tmp/f$i 2>/dev/null || break; i=$((i+1)); done; echo $i",
                sandbox)
            #expect(seen.count == 2)
            #expect((Int(seen.first ?? "") ?? .max) <= 1 << 20, "\(seen)")
            #expect((90..<100).contains(Int(seen.last ?? "") ?? 0), "\(seen)")
        }
    }

    @Test(arguments: levels) func aTreeThatNeedsTooMuchMemoryIsEndedAndToldAsThat(level: Int) async throws {
        guard SandboxFixture.python != nil else { return print("skipped: python3 is not installed") }
        try await SandboxFixture.with(level: level) { fixture in
            let neighbour = try fixture.shell("read line; echo $line")
            var sandbox = SandboxFixture.sandbox
            sandbox.memory = 64 << 20
            // Four processes that together are too large. The kernel picks one of them; the first ends when one is gone.
            let source = """
                import os, sys, time
                for _ in range(3):
                    if os.fork() == 0:
                        kept = bytearray(os.urandom(1 << 20) * 24)
                        time.sleep(1000)
                kept = bytearray(os.urandom(1 << 20) * 24)
                os.wait()
                sys.exit(1)
                """
            let end = await (try fixture.start(["/usr/bin/python3", "-I", "-S", "-c", source], sandbox)).end()
            #expect(end.record?.outOfMemory == true, "\(end)")
            let single = "kept = b''\nwhile True: kept += b'x' * (1 << 20)"
            let alone = await (try fixture.start(["/usr/bin/python3", "-I", "-S", "-c", single], sandbox)).end()
            #expect(alone.record?.outOfMemory == true, "\(alone)")
            #expect(alone.record?.signal == SIGKILL)
            neighbour.say("well")
            #expect(await neighbour.line(0) == "well")
        }
    }

    @Test(arguments: levelsWithNamespaces) func processesEndAtTheLimit(level: Int) async throws {
        if level == 2, geteuid() == 0 {
            return print("skipped: level 2 counts processes by user, which root is not held to")
        }
        try await SandboxFixture.with(level: level) { fixture in
            var sandbox = SandboxFixture.sandbox
            sandbox.processes = 20
            let running = try fixture.shell(
                "i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i+1)); done 2>/tmp/said; echo never", sandbox)
            _ = await running.end()
            let count = fixture.processes.count
            #expect(count < 25, "\(count)")
            // Another starts while one is full.
            #expect(try await fixture.lines("echo well", sandbox) == ["well"])
        }
    }

    @Test func theKernelCountsForTheWholeTree() async throws {
        guard SandboxFixture.python != nil else { return print("skipped: python3 is not installed") }
        try await SandboxFixture.with(level: 3) { fixture in
            let source = """
                import os, sys
                kept = os.urandom(1 << 20) * 16
                if os.fork() == 0: kept = os.urandom(1 << 20) * 16
                for _ in range(3_000_000): pass
                print("grown", flush=True)
                sys.stdin.readline()
                """
            let running = try fixture.start(["/usr/bin/python3", "-I", "-S", "-c", source])
            #expect(await running.line(1) == "grown")
            let statistics = try #require(await running.statistics())
            #expect(statistics.memory > 32 << 20 && statistics.memory < 128 << 20, "\(statistics)")
            #expect(statistics.processes == 3)
            #expect(statistics.cpuMicroseconds > 1_000)
            running.kill()
            let record = try #require(await running.end().record)
            #expect(record.peakMemory >= statistics.memory - (4 << 20))
            #expect(record.cpuMicroseconds > 1_000 && !record.outOfMemory)
            #expect(record.signal == SIGKILL)
        }
    }

    @Test func limitsAloneAreForWhoIsolatesItself() async throws {
        let path = try #require(LauncherLocation.beside())
        let launcher = try Launcher(
            .init(path: path), logger: .init(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        guard await launcher.prepareLimits() else {
            await launcher.stop()
            return print("skipped: control groups cannot be made here")
        }
        let running = Running()
        let worker = try launcher.start(
            WorkerSpecification(
                arguments: ["/bin/sh", "-c", "ls -d /root; tail /dev/zero"], environment: SandboxFixture.variables,
                directory: "/", limits: [], framing: .lines, maximumMessage: 1_024,
                sandbox: .init(memory: 32 << 20)), handler: running)
        #expect(worker.isolation == 0)
        #expect(await running.line(0) == "/root")
        let end = await running.end()
        #expect(end.record?.outOfMemory == true, "\(end)")
        await launcher.stop()
    }
}
