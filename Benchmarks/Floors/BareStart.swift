import Foundation

/// Ways to start an interpreter and get its first answer that are not ours: the bare program, and other people's
/// sandboxes and containers around the same program.
struct BareStart {
    let name: String
    /// The command in front of the interpreter's.
    private let prefix: [String]
    private let program: [String]

    /// Reads one JSON request, loads the handler's file, answers: what any first call must do.
    static let pythonRunner = """
        import json, os, sys
        request = json.loads(sys.stdin.buffer.readline())
        path = request["file"]
        scope = {}
        with open(path) as file:
            exec(compile(file.read(), path, "exec"), scope)
        sys.stdout.write(json.dumps(scope["main"](request["args"])) + "\\n")
        """
    static let nodeRunner = """
        const fs = require("fs");
        const request = JSON.parse(fs.readFileSync(0, "utf8"));
        const module_ = require(request.file);
        process.stdout.write(JSON.stringify(module_.main(request.args)) + "\\n");
        """

    /// - Parameter room: a folder that holds the runner and the handler; sandboxes see it under its own name.
    static func python(_ room: String) -> BareStart {
        BareStart(
            name: "python3 by exec", prefix: [], program: ["/usr/bin/python3", "-I", "-S", "-E", room + "/runner.py"])
    }

    static func node(_ room: String, _ node: String) -> BareStart {
        BareStart(name: "node by exec", prefix: [], program: [node, room + "/runner.js"])
    }

    static func shell(_ room: String) -> BareStart {
        BareStart(name: "sh by exec", prefix: [], program: ["/bin/sh", room + "/code/f"])
    }

    static func bubblewrap(_ room: String) -> BareStart? {
        guard let bwrap = Program.find("bwrap") else { return nil }
        let prefix = [
            bwrap, "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink",
            "usr/lib64",
            "/lib64", "--symlink", "usr/bin", "/bin", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
            "--ro-bind",
            room, room, "--die-with-parent", "--clearenv",
        ]
        return BareStart(name: "bubblewrap", prefix: prefix, program: python(room).program)
    }

    /// `crun`, `runc` or `runsc` on a bundle whose root is the host's own `/usr`, read-only.
    static func bundle(_ engine: String, _ room: String) throws -> BareStart? {
        guard let program = Program.find(engine) else { return nil }
        let bundle = room + "/bundle-" + engine
        let root = bundle + "/rootfs"
        for folder in ["usr", "proc", "dev", "tmp", room] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(folder)", withIntermediateDirectories: true)
        }
        for (name, target) in [("lib", "usr/lib"), ("lib64", "usr/lib64"), ("bin", "usr/bin")] {
            try? FileManager.default.createSymbolicLink(atPath: "\(root)/\(name)", withDestinationPath: target)
        }
        func bind(_ source: String, _ target: String) -> String {
            "{\"destination\":\"\(target)\",\"type\":\"bind\",\"source\":\"\(source)\",\"options\":[\"rbind\",\"ro\"]}"
        }
        let configuration = """
            {"ociVersion":"1.0.2","process":{"terminal":false,"user":{"uid":65534,"gid":65534},"cwd":"/",
            "args":["/usr/bin/python3","-I","-S","-E","\(room)/runner.py"],"env":["PATH=/usr/bin"],"noNewPrivileges":true,
            "capabilities":{"bounding":[],"effective":[],"permitted":[]}},
            "root":{"path":"rootfs","readonly":true},"hostname":"bench","mounts":[
            {"destination":"/proc","type":"proc","source":"proc"},
            {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","strictatime","mode=755"]},
            {"destination":"/tmp","type":"tmpfs","source":"tmpfs"},\(bind("/usr", "/usr")),\(bind(room, room))],
            "linux":{"namespaces":[{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"}]}}
            """
        try Data(configuration.utf8).write(to: URL(fileURLWithPath: bundle + "/config.json"))
        let run = ["run", "--bundle", bundle, "NAME"]
        switch engine {
        case "runsc":
            return BareStart(
                name: "runsc run", prefix: [program, "--network=none", "--ignore-cgroups"], program: run)
        case "crun" where FileManager.default.fileExists(atPath: "/sys/fs/cgroup/unified"):
            // It refuses a host with both trees of control groups, so the second is hidden from it.
            let hide = "umount /sys/fs/cgroup/unified; exec \"$@\""
            return BareStart(
                name: "crun run",
                prefix: ["/usr/bin/unshare", "-m", "/bin/sh", "-c", hide, "-", program, "--cgroup-manager=disabled"],
                program: run)
        default: return BareStart(name: "\(engine) run", prefix: [program], program: run)
        }
    }

    /// `podman run` of the same root that `runc` is given.
    static func podman(_ room: String) -> BareStart? {
        guard let podman = Program.find("podman") else { return nil }
        let root = room + "/bundle-runc/rootfs"
        guard FileManager.default.fileExists(atPath: root) else { return nil }
        return BareStart(
            name: "podman run",
            prefix: [
                podman, "--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=file", "run", "--rm", "-i",
                "--network=none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "-v", "/usr:/usr:ro",
                "-v", "\(room):\(room):ro", "--rootfs", root,
            ], program: python(room).program)
    }

    /// Milliseconds from the start to the first answer; `nil` when it does not answer.
    func milliseconds(request: [UInt8], number: Int) -> Double? {
        var toChild: [Int32] = [0, 0]
        var fromChild: [Int32] = [0, 0]
        guard Program.pipe(&toChild), Program.pipe(&fromChild) else { return nil }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        let words = (prefix + program).map { $0 == "NAME" ? "weir-bench-\(getpid())-\(number)" : $0 }
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        let began = Measure.clock(CLOCK_MONOTONIC)
        var pid: pid_t = 0
        // A clean environment: one inherited variable that names a CA bundle triples node's start.
        var environment: [UnsafeMutablePointer<CChar>?] = [strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin"), nil]
        defer { for pointer in environment { free(pointer) } }
        let result = posix_spawn(&pid, words[0], &actions, nil, &pointers, &environment)
        close(toChild[0])
        close(fromChild[1])
        defer {
            close(toChild[1])
            close(fromChild[0])
        }
        guard result == 0 else { return nil }
        _ = request.withUnsafeBytes { write(toChild[1], $0.baseAddress, $0.count) }
        close(toChild[1])
        toChild[1] = -1
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(fromChild[0], &buffer, buffer.count)
        let took = (Measure.clock(CLOCK_MONOTONIC) - began) * 1_000
        waitpid(pid, nil, 0)
        return count > 0 ? took : nil
    }
}
