import Foundation
import Glibc
import Synchronization
import Testing
import TestSupport

@testable import Sandboxes

/// What is done to a sandbox from outside while it runs.
@Suite(.fewAtATime) struct RunningSandboxTests {
    private let folder: TemporaryDirectory

    init() throws {
        folder = try TemporaryDirectory("attach")
        chmod(folder.path, 0o755)
    }

    @Test(arguments: levelsWithNamespaces) func foldersAndFilesAppearAndGo(level: Int) async throws {
        let code = folder.file("code")
        try FileManager.default.createDirectory(atPath: code, withIntermediateDirectories: true)
        try write("main", to: code + "/main")
        try write("file", to: folder.file("one.h5"))
        try await SandboxFixture.with(level: level) { fixture in
            let running = try fixture.shell("while read line; do eval \"$line\" 2>&1; echo .; done")
            running.say("ls /code /input")
            #expect(await running.line(3) == ".")
            #expect(
                await running.attach([
                    SandboxMount(source: code, target: "/code"),
                    SandboxMount(source: folder.file("one.h5"), target: "/input/one.h5", allowsExecution: false),
                    SandboxMount(source: code, target: "/layers/0"),
                    SandboxMount(source: code, target: "/mnt/data/deep"),
                ]) == nil)
            running.lines.withLock { $0 = [] }
            running.say("cat /code/main /input/one.h5 /layers/0/main; echo; ls /mnt/data/deep; echo x > /code/new")
            #expect(await running.line(0) == "mainfilemain")
            #expect(await running.line(1) == "main")
            #expect(await running.line(2)?.hasSuffix("Read-only file system") == true)
            #expect(await running.line(3) == ".")
            #expect(await running.detach("/input/one.h5") == nil)
            #expect(await running.detach("/mnt/data/deep") == nil)
            running.lines.withLock { $0 = [] }
            running.say("ls /input /mnt/data; echo x > /input/new")
            #expect(await running.line(0) == "/input:")
            #expect(await running.line(2) == "/mnt/data:")
            #expect(await running.line(3)?.hasSuffix("Read-only file system") == true)
            #expect(await running.detach("/input/one.h5")?.code == .sandboxFailed)
            #expect(
                await running.attach([SandboxMount(source: "/nowhere", target: "/input/x")])?.message.contains(
                    "the source") == true)
            for target in ["/../x", "/input/../../x", "input", "/"] {
                #expect(await running.attach([SandboxMount(source: code, target: target)]) != nil)
            }
            running.kill()
            _ = await running.end()
            #expect(
                await running.attach([SandboxMount(source: code, target: "/code")])?.message.hasSuffix(
                    "the worker has ended") == true)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: code) == ["main"])
    }

    @Test(arguments: levelsWithNamespaces) func whatIsAttachedIsWhatWasLookedAt(level: Int) async throws {
        let path = folder.file("data")
        try await SandboxFixture.with(level: level) { fixture in
            try write("first", to: path)
            let descriptor = open(path, openPathOnly | O_CLOEXEC)
            let again = dup(descriptor)
            let running = try fixture.shell("while read line; do eval \"$line\" 2>&1; done")
            let mount = SandboxMount(source: path, target: "/input/data")
            #expect(await running.attach(mount, verifying: descriptor) == nil)
            #expect(rename(path, path + ".old") == 0)
            try write("another", to: path)
            try #require(again >= 0)
            let stale = await running.attach(mount, verifying: again)
            #expect(
                stale?.message.hasSuffix("something else was put in its place") == true,
                "\(stale?.message ?? "attached")")
            running.say("cat /input/data; echo")
            #expect(await running.line(0) == "first")
            unlink(path + ".old")
            running.kill()
            _ = await running.end()
        }
    }

    /// The root of the worker is the host's until it has one of its own: what comes too early must wait.
    @Test(arguments: levelsWithNamespaces) func anAttachRightBehindTheStartWaitsForTheRoot(level: Int) async throws {
        try write("x", to: folder.file("x"))
        try await SandboxFixture.with(level: level) { fixture in
            for _ in 0..<40 {
                let running = try fixture.shell("read line; cat /never-on-the-host/x")
                #expect(await running.attach([SandboxMount(source: folder.path, target: "/never-on-the-host")]) == nil)
                running.say("go")
                #expect(await running.end().record?.status == 0)
                #expect(access("/never-on-the-host", F_OK) != 0)
            }
        }
    }

    @Test(arguments: levelsWithNamespaces) func aScratchFolderIsTheWorkersAndItsOwnersToRead(level: Int) async throws {
        try await SandboxFixture.with(level: level) { fixture in
            let running = try fixture.shell("while read line; do eval \"$line\" 2>&1; echo .; done")
            let result = await running.attachScratch("/output", bytes: 1 << 20, files: 10)
            let outside = try result.get()
            running.say("mkdir /output/sub; echo result > /output/sub/file; ln -s /etc/passwd /output/link; echo $?")
            #expect(await running.line(1) == ".")
            running.say(
                "dd if=/dev/zero of=/output/big bs=64k count=100 2>/dev/null; rm /output/big; for i in 1 2 3 4 5 6 7 8 9 10; do touch /output/$i 2>/dev/null || break; done; ls /output | wc -l"
            )
            await eventually("the files are counted") { running.lines.withLock { $0.contains { Int($0) ?? 0 > 1 } } }
            #expect(running.lines.withLock { $0.contains { (5...9).contains(Int($0) ?? 0) } })
            #expect(await running.detach("/output") == nil)
            running.kill()
            _ = await running.end()
            let file = openat(outside, "sub/file", O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
            #expect(file >= 0)
            var bytes = [UInt8](repeating: 0, count: 32)
            #expect(read(file, &bytes, 32) == 7)
            close(file)
            close(outside)
        }
    }

    @Test(arguments: levels) func aFrozenTreeStandsStillAndGoesOn(level: Int) async throws {
        try await SandboxFixture.with(level: level) { fixture in
            let running = try fixture.shell("(while :; do echo tick; done) & while :; do echo tock; done")
            #expect(await running.line(0) != nil)
            #expect(await running.freeze() == nil)
            // Who waits for a processor stands still as soon as it gets one.
            await eventually("nothing runs") { fixture.processes.filter { Self.isRunning($0) }.isEmpty }
            // What is in the pipe and in the buffers comes out; then nothing does, for as long as we care to look.
            var count = -1
            await waitUntil {
                defer { count = running.lines.withLock { $0.count } }
                try? await Task.sleep(for: .milliseconds(50))
                return running.lines.withLock { $0.count } == count
            }
            #expect(fixture.processes.filter { Self.isRunning($0) }.isEmpty)
            #expect(await running.thaw() == nil)
            let frozen = running.lines.withLock { $0.count }
            await eventually("it goes on") { running.lines.withLock { $0.count } > frozen }
            #expect(await running.freeze() == nil)
            running.kill()
            #expect(await running.end().record?.signal == SIGKILL)
            await eventually("all processes are gone") { fixture.processes.isEmpty }
        }
    }

    private static func isRunning(_ pid: Int32) -> Bool {
        (SmallFile.read("/proc/\(pid)/stat") ?? "").contains(") R ")
    }

    @Test(arguments: levelsWithNamespaces) func aListenerInsideIsHeldOutside(level: Int) async throws {
        guard SandboxFixture.python != nil else { return print("skipped: python3 is not installed") }
        try await SandboxFixture.with(level: level) { fixture in
            var sandbox = SandboxFixture.sandbox
            sandbox.network = .proxy
            let source = """
                import socket, sys
                port = int(sys.stdin.readline())
                with socket.create_connection(("127.0.0.1", port), 10) as s:
                    s.sendall(b"hello")
                    print(s.recv(100).decode(), flush=True)
                """
            let running = try fixture.start(["/usr/bin/python3", "-I", "-S", "-c", source], sandbox)
            let listener = try await running.listen().get()
            var address = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            _ = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) }
            }
            running.say("\(UInt16(bigEndian: address.sin_port))")
            var connection: Int32 = -1
            await waitUntil {
                connection = accept(listener, nil, nil)
                return connection >= 0 || running.hasEnded
            }
            var bytes = [UInt8](repeating: 0, count: 16)
            #expect(recv(connection, &bytes, 16, 0) == 5)
            #expect(send(connection, "answer", 6, Int32(MSG_NOSIGNAL)) == 6)
            #expect(await running.line(0) == "answer", "\(running.errors.withLock { $0 })")
            close(connection)
            close(listener)
            _ = await running.end()
        }
    }

    @Test func anOwnersFilesBelongToTheWorkerThroughAMount() async throws {
        guard geteuid() == 0 else { return print("skipped: only root's workers have users of their own") }
        let place = folder.file("owned")
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        try write("private", to: place + "/mine")
        try write("others", to: place + "/theirs")
        chmod(place + "/mine", 0o600)
        chown(place, 4_711, 4_712)
        chown(place + "/mine", 4_711, 4_712)
        try await SandboxFixture.with(level: 3) { fixture in
            var mount = SandboxMount(source: place, target: "/data", isReadOnly: false)
            mount.isOwnedByWorker = true
            var sandbox = SandboxFixture.sandbox
            sandbox.mounts = [mount]
            let started = try fixture.shell(
                "cat /data/mine; echo; cat /data/theirs; echo; echo new > /data/new; echo $?", sandbox)
            let end = await started.end()
            guard end.record != nil else {
                return print("skipped: the file system of \(place) has no ID-mapped mounts: \(end)")
            }
            #expect(started.lines.withLock { $0 } == ["private", "others", "0"], "\(started.errors.withLock { $0 })")
            var status = stat()
            #expect(stat(place + "/new", &status) == 0)
            #expect(status.st_uid == 4_711 && status.st_gid == 4_712)

            let running = try fixture.shell("read line; cat /input/mine; echo; echo x > /input/mine || echo kept")
            var file = SandboxMount(source: place + "/mine", target: "/input/mine")
            file.isOwnedByWorker = true
            #expect(await running.attach([file]) == nil)
            running.say("go")
            #expect(await running.line(1) == "kept")
            #expect(running.lines.withLock { $0.first } == "private")
            _ = await running.end()

            // Never as root: a program left there with the set-user-id bit would be root's on the host.
            chown(place, 0, 0)
            chmod(place, 0o755)
            let refused = try fixture.shell(
                "echo x > /data/new2 || echo refused; cat /data/mine || echo refused", sandbox)
            _ = await refused.end()
            #expect(refused.lines.withLock { $0 } == ["refused", "refused"])
        }
    }

    @Test func aProgramMayAnswerOnDescriptorThree() async throws {
        try await SandboxFixture.with(level: 3) { fixture in
            let running = try fixture.start(
                ["/bin/sh", "-c", "while read line; do echo log $line; echo \"answer $line\" >&3; done"],
                framing: .actionLoop)
            running.say("1")
            #expect(await running.line(0) == "answer 1")
            running.say("2")
            #expect(await running.line(1) == "answer 2")
            running.worker.withLock { $0 }?.closeInput()
            #expect(await running.end().record?.status == 0)
            #expect(running.errors.withLock { $0 } == "log 1\nlog 2\n")
        }
    }
}
