import Glibc

/// The floor of an invocation: a Python worker on two pipes that is asked one call at a time, length-prefixed JSON in and
/// out, its handler a no-op; no server, no log, no records.
enum PipeWorker {
    private static let program = """
        import json, os, struct
        decode = json.JSONDecoder().decode
        encode = json.JSONEncoder(separators=(",", ":")).encode
        def handle(event):
            return {}
        buffer = b""
        while True:
            while len(buffer) < 4 or len(buffer) < 4 + struct.unpack_from("<I", buffer)[0]:
                more = os.read(0, 65536)
                if not more:
                    raise SystemExit
                buffer += more
            length = struct.unpack_from("<I", buffer)[0]
            event = decode(buffer[4:4 + length].decode())
            buffer = buffer[4 + length:]
            answer = encode(handle(event)).encode()
            os.write(1, struct.pack("<I", len(answer)) + answer)
        """

    /// Processor seconds a call, of this side and the worker's together.
    static func cpuPerCall(payload: [UInt8], calls: Int) -> Double {
        var toChild: [Int32] = [0, 0]
        var fromChild: [Int32] = [0, 0]
        guard pipe(&toChild) == 0, pipe(&fromChild) == 0 else { return 0 }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
        posix_spawn_file_actions_addclose(&actions, toChild[1])
        posix_spawn_file_actions_addclose(&actions, fromChild[0])
        let words: [String] = ["python3", "-I", "-S", "-E", "-c", program]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        guard posix_spawnp(&pid, "python3", &actions, nil, &arguments, nil) == 0 else { return 0 }
        close(toChild[0])
        close(fromChild[1])
        var frame: [UInt8] = []
        withUnsafeBytes(of: UInt32(payload.count).littleEndian) { frame += $0 }
        frame += payload
        var answer = [UInt8](repeating: 0, count: 65536)
        func call() {
            frame.withUnsafeBytes { _ = write(toChild[1], $0.baseAddress, $0.count) }
            _ = read(fromChild[0], &answer, answer.count)
        }
        for _ in 0..<200 { call() }
        let before = Program.cpu(of: pid)
        let own = Measure.of { for _ in 0..<calls { call() } }
        let worker = Program.cpu(of: pid) - before
        close(toChild[1])
        close(fromChild[0])
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        return (own.cpu + worker) / Double(calls)
    }
}
