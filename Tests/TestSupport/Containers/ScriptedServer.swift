internal import Glibc
internal import Synchronization

/// A server that answers each request with bytes that a test chooses and then closes the connection: for what a
/// well-behaved server never does.
public final class ScriptedServer: Sendable {
    public struct Request: Sendable {
        /// `GET /path`.
        public var line: String
        /// The head as it came.
        public var head: String

        public func header(_ name: String) -> String? {
            for line in head.split(separator: "\r\n").dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                if parts.count == 2, parts[0].lowercased() == name.lowercased() {
                    return String(parts[1].drop { $0 == " " })
                }
            }
            return nil
        }
    }

    public let port: Int
    private let socket: Int32
    private let seen = Mutex<[Request]>([])
    private let answer: @Sendable (Request) -> [UInt8]

    public var host: String { "127.0.0.1:\(port)" }
    public var requests: [Request] { seen.withLock { $0 } }

    public init(_ answer: @escaping @Sendable (Request) -> [UInt8]) throws {
        self.answer = answer
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = socket
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && listen(socket, 64) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        guard isBound else { throw ChildProcess.Failure("no port is free") }
        port = Int(UInt16(bigEndian: address.sin_port))
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<ScriptedServer>.fromOpaque(pointer).takeRetainedValue().serve()
                return nil
            }, context.toOpaque())
        pthread_detach(thread)
    }

    /// Ends it; its thread lets go of it.
    public func stop() { shutdown(socket, Int32(SHUT_RDWR)) }

    private func serve() {
        while true {
            let connection = accept(socket, nil, nil)
            guard connection >= 0 else { break }
            var head: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4096)
            while !head.suffix(4).elementsEqual([13, 10, 13, 10]) {
                let count = read(connection, &buffer, 1)
                guard count > 0 else { break }
                head += buffer[..<count]
            }
            let text = String(decoding: head, as: UTF8.self)
            let line = text.split(separator: "\r\n").first.map {
                $0.split(separator: " ").prefix(2).joined(separator: " ")
            }
            let request = Request(line: line ?? "", head: text)
            seen.withLock { $0.append(request) }
            var bytes = answer(request)[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes {
                    send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { break }
                bytes = bytes.dropFirst(count)
            }
            shutdown(connection, Int32(SHUT_WR))
            while read(connection, &buffer, buffer.count) > 0 {}
            close(connection)
        }
        close(socket)
    }

    /// A whole answer.
    public static func response(
        _ status: Int, _ headers: [(String, String)] = [], _ body: [UInt8] = [], length: Int? = nil
    ) -> [UInt8] {
        var head = "HTTP/1.1 \(status) X\r\nContent-Length: \(length ?? body.count)\r\nConnection: close\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        return Array((head + "\r\n").utf8) + body
    }
}
