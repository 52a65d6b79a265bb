import Foundation

/// The floor of a call by HTTP: a bare server on Python's asyncio that answers a no-op, no isolation, nothing recorded.
final class AsyncioServer {
    private static let program = """
        import asyncio, json
        def main(args):
            return {}
        class Server(asyncio.Protocol):
            def __init__(self):
                self.data = b""
            def connection_made(self, transport):
                self.transport = transport
            def data_received(self, data):
                self.data += data
                while True:
                    end = self.data.find(b"\\r\\n\\r\\n")
                    if end < 0:
                        return
                    length = 0
                    for line in self.data[:end].split(b"\\r\\n")[1:]:
                        name, _, value = line.partition(b":")
                        if name.lower() == b"content-length":
                            length = int(value)
                    if len(self.data) < end + 4 + length:
                        return
                    body = self.data[end + 4:end + 4 + length]
                    self.data = self.data[end + 4 + length:]
                    answer = json.dumps(main(json.loads(body))).encode()
                    self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(answer), answer))
        async def run():
            server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
            print(server.sockets[0].getsockname()[1], flush=True)
            await server.serve_forever()
        asyncio.run(run())
        """
    let port: Int
    private let pid: pid_t

    init() throws {
        let python = try RunningProgram(["python3", "-I", "-S", "-E", "-c", Self.program])
        guard let port = Int(python.firstLine) else { throw BenchError("the asyncio server did not start") }
        self.port = port
        pid = python.pid
    }

    /// Processor seconds it has used.
    var cpu: Double { Program.cpu(of: pid) }

    func stop() {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}

/// A program in the background whose first line of output was awaited.
struct RunningProgram {
    let pid: pid_t
    let firstLine: String

    init(_ arguments: [String]) throws {
        var ends: [Int32] = [0, 0]
        guard Program.pipe(&ends) else { throw BenchError("no pipe") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        guard posix_spawnp(&pid, arguments[0], &actions, nil, &pointers, environ) == 0 else {
            throw BenchError("\(arguments[0]) cannot be started")
        }
        self.pid = pid
        close(ends[1])
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(ends[0], &byte, 1) == 1, byte != 0x0A { line.append(byte) }
        close(ends[0])
        firstLine = String(decoding: line, as: UTF8.self)
    }
}
