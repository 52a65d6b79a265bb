import CloudEvents
import Foundation
import Glibc
import Logging
import Synchronization
import Testing
import TestSupport

@testable import Sandboxes

/// What a worker cannot see or do, at each level that this host gives.
@Suite(.fewAtATime) struct ConfinementTests {
    @Test(arguments: levels) func theReportSaysWhatWasTried(level: Int) async throws {
        try await SandboxFixture.with(level: level) { fixture in
            #expect(fixture.report.features.contains { $0.name == "system call filter" && $0.failure == nil })
            #expect(fixture.report.obstacle == nil)
            #expect(fixture.report.document["level"]?.integer == Int64(level))
            let running = try fixture.shell("read line")
            #expect(running.worker.withLock { $0?.isolation } == level)
            running.kill()
            _ = await running.end()
        }
    }

    @Test(arguments: levelsWithNamespaces) func theRootHoldsNothingOfTheHost(level: Int) async throws {
        try await SandboxFixture.with(level: level) { fixture in
            let known: Set = [
                "bin", "code", "dev", "etc", "input", "layers", "lib", "lib32", "lib64", "libx32", "output", "proc",
                "run", "runtimes", "sbin", "tmp", "usr", "var",
            ]
            let seen = try await fixture.lines("ls -A /")
            #expect(Set(seen).subtracting(known).isEmpty, "\(seen)")
            #expect(try await fixture.lines("ls -A /tmp /code /run; cat /etc/shadow /etc/hostname").count <= 5)
            #expect(
                try await fixture.lines("ls -A /dev")
                    == ["fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"])
            #expect(try await fixture.lines("cut -d: -f1 /etc/passwd") == ["root", "weir", "nobody"])
            #expect(try await fixture.lines("hostname") == ["weir"])
        }
    }

    @Test(arguments: levels) func itHasNoRightsAndCannotGetAny(level: Int) async throws {
        try await SandboxFixture.with(level: level) { fixture in
            // By the shell itself: at level 1 a process sees its own folder of /proc only, not that of its parent.
            let status = try await fixture.lines("while read -r line; do echo \"$line\"; done < /proc/self/status")
            var words: [String: String] = [:]
            for line in status {
                let parts = line.split(separator: ":", maxSplits: 1)
                words[String(parts[0])] = parts.last.map { $0.trimmingCharacters(in: .whitespaces) }
            }
            for name in ["CapPrm", "CapEff", "CapAmb"] { #expect(words[name] == "0000000000000000", "\(status)") }
            #expect(words["NoNewPrivs"] == "1" && words["Seccomp"] == "2", "\(status)")
            // An ordinary user's process at level 1 cannot shorten the set that bounds it, and gains nothing by it.
            if level > 1 || geteuid() == 0 { #expect(words["CapBnd"] == "0000000000000000", "\(status)") }
            if level > 1 { #expect(words["Groups"]?.split(separator: " ").count ?? 0 <= 1, "\(status)") }
        }
    }

    @Test(arguments: levels) func systemCallsThatHurtAreRefused(level: Int) async throws {
        guard SandboxFixture.python != nil else { return print("skipped: python3 is not installed") }
        try await SandboxFixture.with(level: level) { fixture in
            let refused = try await fixture.python(
                """
                import ctypes, errno, socket
                libc = ctypes.CDLL(None, use_errno=True)
                # x86-64 and arm64 numbers agree from 424 on; the rest goes by the C library's functions.
                calls = {"unshare": (0x10000000,), "setns": (0, 0), "mount": (b"a", b"/tmp", b"tmpfs", 0, 0),
                         "umount2": (b"/tmp", 2), "chroot": (b"/tmp",), "ptrace": (0, 0, 0, 0), "swapon": (b"/tmp/x", 0),
                         "reboot": (0,), "sethostname": (b"x", 1), "init_module": (0, 0, b""), "acct": (b"/tmp/x",)}
                for name, arguments in sorted(calls.items()):
                    ctypes.set_errno(0)
                    try: result = getattr(libc, name)(*arguments)
                    except AttributeError: continue
                    print(name, result, errno.errorcode.get(ctypes.get_errno(), "ok"))
                for name, number in {"io_uring_setup": 425, "open_tree": 428, "pidfd_getfd": 438, "mount_setattr": 442}.items():
                    ctypes.set_errno(0)
                    print(name, libc.syscall(number, 0, 0, 0, 0), errno.errorcode.get(ctypes.get_errno(), "ok"))
                ctypes.set_errno(0)
                print("clone3", libc.syscall(435, 0, 0), errno.errorcode.get(ctypes.get_errno(), "ok"))
                for family in (16, 17, 40, 38):
                    try: socket.socket(family, socket.SOCK_RAW); print("socket", family, "ok")
                    except OSError as error: print("socket", family, errno.errorcode[error.errno])
                import fcntl
                try: fcntl.ioctl(0, 0x5412, b"x"); print("TIOCSTI", "ok")
                except OSError as error: print("TIOCSTI", errno.errorcode[error.errno])
                """)
            #expect(refused.count >= 18, "\(refused)")
            for line in refused {
                let expected = line.hasPrefix("clone3") ? "ENOSYS" : "EPERM"
                #expect(line.hasSuffix(expected), "\(line)")
            }
        }
    }

    @Test(arguments: levels) func ordinaryProgramsRun(level: Int) async throws {
        try await SandboxFixture.with(level: level) { fixture in
            #expect(
                try await fixture.lines(
                    "set -e; cd \"$TMPDIR\"; mkdir -p a b; echo x > a/f; mv a/f b/g; ln -s g b/l; cat b/l; "
                        + "seq 3 | sort -r | head -n 1; (sleep 0 & wait); date +%Y > /dev/null; awk 'BEGIN { print 1 + 1 }'; "
                        + "echo ok >&2; rm -r a b; test -w \"$HOME\" && echo end") == ["x", "3", "2", "end"])
            guard SandboxFixture.python != nil else { return }
            let python = try await fixture.python(
                """
                import concurrent.futures, json, multiprocessing, os, subprocess, tempfile, threading, uuid, hashlib, asyncio
                with tempfile.TemporaryFile() as file: file.write(b"x")
                with concurrent.futures.ThreadPoolExecutor(4) as pool: print(sum(pool.map(lambda n: n * n, range(10))))
                print(subprocess.run(["/bin/echo", "child"], capture_output=True, text=True).stdout.strip())
                asyncio.run(asyncio.sleep(0))
                print(len(uuid.uuid4().hex), hashlib.sha256(b"").hexdigest()[:4], os.cpu_count() > 0)
                """)
            // An event loop makes a socket pair, which is no socket(2).
            #expect(python == ["285", "child", "32 e3b0 True"])
            if access("/usr/bin/node", X_OK) == 0 {
                let node = try fixture.start(
                    ["/usr/bin/node", "-e", "setTimeout(() => console.log(JSON.stringify({n: 6 * 7})), 1)"],
                    .init(memory: 512 << 20))
                let end = await node.end()
                #expect(node.lines.withLock { $0 } == ["{\"n\":42}"], "\(node.errors.withLock { $0 }) \(end)")
            }
        }
    }

    @Test(arguments: levelsWithNamespaces) func onlyItsOwnProcessesAreThere(level: Int) async throws {
        try await SandboxFixture.with(level: level) { fixture in
            let neighbour = try fixture.shell("echo here; read line")
            #expect(await neighbour.line(0) == "here")
            // Its first process may be seen where the server is root without privileges; it cannot be opened.
            let seen = try await fixture.lines(
                "ls /proc; cat /proc/1/environ /proc/1/maps | wc -c; kill -9 1; echo alive")
            let numbers = seen.compactMap { Int($0) }.filter { $0 > 0 }
            #expect(numbers.allSatisfy { $0 < 20 }, "\(seen)")
            #expect(seen.contains("0") && seen.last == "alive", "\(seen)")
            #expect(!seen.contains("sys") && !seen.contains("kcore"), "\(seen)")
            #expect(!neighbour.hasEnded)
            neighbour.kill()
            _ = await neighbour.end()
        }
    }

    @Test(arguments: levels) func nothingOfTheSystemCanBeWritten(level: Int) async throws {
        let folder = try TemporaryDirectory("sandbox")
        chmod(folder.path, 0o755)
        try write("secret", to: folder.file("mine"))
        try await SandboxFixture.with(level: level) { fixture in
            var sandbox = SandboxFixture.sandbox
            sandbox.mounts = [SandboxMount(source: folder.path, target: "/code")]
            let code = level > 1 ? "/code" : folder.path
            let seen = try await fixture.lines(
                "for f in / /etc /usr /usr/bin /dev \(code); do (echo x > $f/new) 2>/dev/null && echo wrote $f; done; "
                    + "cat \(code)/mine; echo; echo x > \(code)/mine || echo read-only; echo x > /dev/null && echo end",
                sandbox)
            #expect(seen == ["secret", "read-only", "end"], "\(seen)")
            #expect(try String(contentsOfFile: folder.file("mine"), encoding: .utf8) == "secret")
        }
    }

    @Test(arguments: levels) func filesOfOthersAreOutOfReach(level: Int) async throws {
        let folder = try TemporaryDirectory("sandbox")
        chmod(folder.path, 0o755)
        try write("canary", to: folder.file("canary"))
        try await SandboxFixture.with(level: level) { fixture in
            let seen = try await fixture.lines(
                "cat \(folder.file("canary")); cat /root/.profile /etc/shadow /etc/hostname; ls /home /root \(folder.path); "
                    + "cat /proc/\(getpid())/environ /proc/\(getpid())/cmdline; echo end")
            #expect(seen == ["end"], "\(seen)")
        }
    }

    @Test(arguments: levels) func theHostsNetworkIsOutOfReach(level: Int) async throws {
        guard SandboxFixture.python != nil else { return print("skipped: python3 is not installed") }
        let host = try HostListener()
        try await SandboxFixture.with(level: level) { fixture in
            let source = """
                import socket
                def attempt(name, family, kind, address):
                    try:
                        with socket.socket(family, kind) as s:
                            s.settimeout(2)
                            s.connect(address)
                            s.send(b"x")
                        print(name, "reached")
                    except OSError as error: print(name, "refused")
                attempt("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", \(host.port)))
                attempt("abstract", socket.AF_UNIX, socket.SOCK_STREAM, "\\0\(host.abstractName)")
                attempt("path", socket.AF_UNIX, socket.SOCK_STREAM, "\(host.path)")
                attempt("udp", socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 53))
                """
            let alone = try await fixture.python(source)
            #expect(alone == ["tcp refused", "abstract refused", "path refused", "udp refused"])
            var proxied = SandboxFixture.sandbox
            proxied.network = .proxy
            let withProxy = try await fixture.python(source, proxied)
            #expect(withProxy.first == "tcp refused")
            var open = SandboxFixture.sandbox
            open.network = .host
            let withHost = try await fixture.python(source, open)
            #expect(withHost.first == "tcp reached")
        }
    }

    @Test func belowTheMinimumNothingRunsAndTheReasonIsSaid() async throws {
        let fixture = try await SandboxFixture(minimum: 1, maximum: 0)
        #expect(fixture.report.level == 0)
        #expect(fixture.report.obstacle?.hasPrefix("functions do not run: isolation level 1 is required") == true)
        #expect { try fixture.shell("true") } throws: { error in
            (error as? SandboxError)?.code == .isolationMissing
        }
        // Who starts a program without a sandbox does not ask for one.
        let plain = try fixture.shell("echo plain", nil)
        #expect(await plain.end().record?.status == 0)
        #expect(plain.worker.withLock { $0?.isolation } == 0)
        await fixture.launcher.stop()
    }

    @Test func beforeIsolationWasTriedNothingIsStartedInASandbox() async throws {
        let path = try #require(LauncherLocation.beside())
        let launcher = try Launcher(
            .init(path: path), logger: .init(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        let specification = WorkerSpecification(
            arguments: ["/bin/true"], environment: [], directory: "/", limits: [], framing: .lines, maximumMessage: 1,
            sandbox: SandboxFixture.sandbox)
        #expect { try launcher.start(specification, handler: Running()) } throws: { error in
            (error as? SandboxError)?.code == .isolationMissing
        }
        await launcher.stop()
    }

    @Test(arguments: levels) func whatCannotBeShownOrRunIsNamed(level: Int) async throws {
        try await SandboxFixture.with(level: level) { fixture in
            func failure(_ arguments: [String], _ sandbox: SandboxSpecification, directory: String = "/") async throws
                -> String?
            {
                guard
                    case .notStarted(let error) = await (try fixture.start(arguments, sandbox, directory: directory))
                        .end()
                else { return nil }
                return error.message
            }
            let missing = try await failure(["/usr/bin/nowhere"], SandboxFixture.sandbox)
            #expect(
                missing == "the program /usr/bin/nowhere cannot be started: No such file or directory")
            let elsewhere = try await failure(["/bin/true"], SandboxFixture.sandbox, directory: "/nowhere")
            #expect(
                elsewhere == "the folder /nowhere cannot be entered: No such file or directory")
            guard level > 1 else { return }
            var sandbox = SandboxFixture.sandbox
            sandbox.mounts = [SandboxMount(source: "/no/such/folder", target: "/code")]
            let unseen = try await failure(["/bin/true"], sandbox)
            #expect(
                unseen == "/no/such/folder cannot be shown at /code: No such file or directory")
            for target in ["/code/../etc", "/", "relative/../x"] {
                sandbox.mounts = [SandboxMount(source: "/usr", target: target)]
                let refused = try await failure(["/bin/true"], sandbox)
                #expect(refused?.hasSuffix("Invalid argument") == true)
            }
        }
    }
}
