import CSandbox
import Foundation
import Glibc
import Sandboxes
import TestSupport
import Testing

/// The launcher program itself, spoken to by a stand-in for the server that can be killed.
@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
struct LauncherProcessTests {
    /// Starts the launcher, sends it rubbish, then a start of `/bin/sh` that starts a daemon; prints what came back.
    private static let server = """
        import os, socket, struct, sys, time
        size = int(sys.argv[2])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        launcher = os.fork()
        if launcher == 0:
            os.dup2(theirs.fileno(), 0)
            os.execv(sys.argv[1], [sys.argv[1]])
        theirs.close()
        def request(kind, strings, arguments=1, length=None, limits=0, slot=7, flags=1):
            head = struct.pack("<IIQQII", kind, flags, slot, 0, len(strings) if length is None else length, 0)
            ours.send(head + struct.pack("<IIII", arguments, 0, limits, 0) + bytes(size - 48) + strings)
        def reply():
            while True:
                kind, error, slot, token, stage, detail, pid = struct.unpack("<IiQQiii", ours.recv(1024)[:36])
                # A program that cannot be run says so when its process ends.
                if kind == 3 or error: return error
        errors = []
        for bad in (lambda: ours.send(b"x"), lambda: request(2, b"/bin/sh\\0/\\0", length=5000),
                    lambda: request(2, b"/bin/sh\\0/"), lambda: request(2, b"/bin/sh\\0/\\0", arguments=100000),
                    lambda: request(2, b"/bin/sh\\0/\\0", arguments=5), lambda: request(2, b"/bin/sh\\0/\\0more\\0"),
                    lambda: request(2, b"/bin/sh\\0/\\0", limits=99), lambda: request(2, b"/no/such\\0/\\0"),
                    lambda: request(2, b"/bin/sh\\0/no/such\\0")):
            bad()
            errors.append(reply())
        script = b"(setsid sleep 1000 & echo $!; sleep 1000) & wait"
        request(2, b"/bin/sh\\0-c\\0" + script + b"\\0/\\0", arguments=3)
        message, fds, _, _ = socket.recv_fds(ours, 1024, 3)
        os.set_blocking(fds[1], True)
        daemon = os.read(fds[1], 100).decode().strip()
        print(launcher, struct.unpack("<IiQQiii", message[:36])[6], daemon, *errors, flush=True)
        time.sleep(1000)
        """

    @Test func rubbishIsRefusedAndAKilledServerLeavesNothing() async throws {
        let directory = try TemporaryDirectory("launcher")
        let launcher = try #require(LauncherLocation.beside())
        try write(Self.server, to: directory.file("server.py"))
        let server = Process()
        let output = Pipe()
        server.executableURL = URL(fileURLWithPath: try #require(InvocationFixture.python))
        server.arguments = [directory.file("server.py"), launcher, String(MemoryLayout<weir_start>.size)]
        server.standardOutput = output
        try server.run()
        var said = Data()
        while said.last != 0x0A {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { break }
            said += more
        }
        let line = String(decoding: said, as: UTF8.self)
        let numbers = line.split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
        try #require(numbers.count == 12, "the stand-in said: \(line)")
        #expect(Array(numbers[3...]) == Array(repeating: EINVAL, count: 7) + [ENOENT, ENOENT])
        #expect(numbers[..<3].allSatisfy { isAlive($0) })
        kill(server.processIdentifier, SIGKILL)
        await eventually("launcher, worker and daemon are gone") { numbers[..<3].allSatisfy { !isAlive($0) } }
    }
}
