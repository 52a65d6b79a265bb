import Foundation
import TestSupport

/// Listens where no function may come: TCP on loopback, an abstract and a path socket.
final class CanaryListener: Sendable {
    let port: Int
    let path: String
    let abstractName: String
    private let descriptors: [Int32]

    init(folder: TemporaryDirectory) throws {
        path = folder.file("canary.sock")
        abstractName = "weir-canary-\(UUID().uuidString)"
        let tcp = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(tcp, generic, length) == 0 && listen(tcp, 16) == 0 && getsockname(tcp, generic, &length) == 0
            }
        }
        guard isBound else { throw ServerProcess.StartFailure(description: "no loopback socket: \(errno)") }
        port = Int(UInt16(bigEndian: address.sin_port))
        descriptors = [tcp, try Self.unix(Array(path.utf8)), try Self.unix([0] + Array(abstractName.utf8))]
        chmod(path, 0o777)
        for descriptor in descriptors { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
    }

    /// How many have connected so far.
    var connections: Int {
        descriptors.reduce(0) { sum, descriptor in
            var count = 0
            while case let one = accept(descriptor, nil, nil), one >= 0 {
                close(one)
                count += 1
            }
            return sum + count
        }
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    private static func unix(_ name: [UInt8]) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name.prefix($0.count - 1)) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count + (name.first == 0 ? 0 : 1))
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
        }
        guard isBound, listen(descriptor, 16) == 0 else {
            throw ServerProcess.StartFailure(description: "no local socket: \(errno)")
        }
        return descriptor
    }
}
