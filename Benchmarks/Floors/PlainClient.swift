import Glibc

/// An HTTP/1.1 client that costs next to nothing: one connection, one request outstanding, plain reads and writes.
/// The same for a server of ours and for what it is compared with.
final class PlainClient {
    private let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { throw BenchError("nothing listens on port \(port)") }
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close(descriptor) }

    /// The bytes of a request that is sent again and again.
    static func request(
        _ path: String, method: String = "POST", key: String? = nil, type: String = "application/json",
        _ body: String = "{}"
    ) -> [UInt8] {
        var text = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: \(type)\r\n"
        if let key { text += "Authorization: \(key)\r\n" }
        text += "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        return Array(text.utf8)
    }

    /// Sends a request and reads its whole answer; the answer's body.
    @discardableResult
    func call(_ request: [UInt8]) throws -> [UInt8] {
        var sent = 0
        while sent < request.count {
            let count = request.withUnsafeBytes { write(descriptor, $0.baseAddress! + sent, $0.count - sent) }
            guard count > 0 else { throw BenchError("the connection is gone") }
            sent += count
        }
        var answer: [UInt8] = []
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { throw BenchError("the connection is gone") }
            answer += buffer[..<count]
            guard let head = PlainClient.end(of: answer) else { continue }
            let text = String(decoding: answer[..<head], as: UTF8.self).lowercased()
            guard text.hasPrefix("http/1.1 2") else {
                throw BenchError("the answer is \(String(decoding: answer, as: UTF8.self))")
            }
            let length = text.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
                .flatMap { Int($0.dropFirst(15).drop { $0 == " " }) }
            guard let length else { throw BenchError("an answer without Content-Length: \(text)") }
            if answer.count >= head + length { return Array(answer[head..<(head + length)]) }
        }
    }

    private static func end(of bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for index in 0...(bytes.count - 4)
        where bytes[index] == 13 && bytes[index + 1] == 10 && bytes[index + 2] == 13 && bytes[index + 3] == 10 {
            return index + 4
        }
        return nil
    }
}
