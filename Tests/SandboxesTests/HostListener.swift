import Glibc
import TestSupport

/// Sockets of the host that no sandbox may reach: TCP on loopback, an abstract one and one with a path.
final class HostListener: Sendable {
    let port: UInt16
    let abstractName: String
    let path: String
    private let sockets: [Int32]
    private let folder: TemporaryDirectory

    init() throws {
        folder = try TemporaryDirectory("listener")
        chmod(folder.path, 0o755)
        path = folder.file("s")
        abstractName = "weir-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let tcp = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                bind(tcp, raw, length)
                getsockname(tcp, raw, &length)
            }
        }
        listen(tcp, 16)
        port = UInt16(bigEndian: address.sin_port)
        sockets = [tcp, Self.local("\0" + abstractName), Self.local(path)]
        chmod(path, 0o777)
    }

    deinit { for one in sockets { close(one) } }

    private static func local(_ name: String) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(name.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + (bytes.first == 0 ? 0 : 1))
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = bind(descriptor, $0, length) }
        }
        listen(descriptor, 16)
        return descriptor
    }
}
