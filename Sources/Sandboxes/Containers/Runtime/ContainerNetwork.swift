internal import CLinux
internal import Glibc

/// The network of a container, which has no way in from outside: what is to connect to it is made inside.
final class ContainerNetwork: Sendable {
    private let network: Int32
    private let user: Int32

    /// Takes hold of the network of a process; `nil` when the process is gone. It stays the same network however long it
    /// is held, whoever gets the process's number later.
    init?(of pid: pid_t) throws(ContainerError) {
        var (network, user): (Int32, Int32) = (-1, -1)
        guard weir_open_network(pid, &network, &user) == 0 else {
            let code = errno
            if code == ENOENT || code == ESRCH { return nil }
            throw Self.failure(code)
        }
        self.network = network
        self.user = user
    }

    deinit {
        close(network)
        if user >= 0 { close(user) }
    }

    /// Whether a process is in it.
    func holds(_ pid: pid_t) -> Bool {
        var (own, other) = (stat(), stat())
        return fstat(network, &own) == 0 && stat("/proc/\(pid)/ns/net", &other) == 0 && own.st_dev == other.st_dev
            && own.st_ino == other.st_ino
    }

    /// A connected socket, not blocking; `nil` when nobody listens (yet). Takes a fraction of a millisecond.
    func connect(port: Int) throws(ContainerError) -> Int32? {
        let descriptor = weir_socket_in_network(network, user)
        guard descriptor >= 0 else { throw Self.failure(errno) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result == 0 { return descriptor }
        // Over loopback a connection is made or refused at once; only a busy machine leaves it open for a moment.
        if errno == EINPROGRESS, Self.isConnected(descriptor) { return descriptor }
        close(descriptor)
        return nil
    }

    private static func failure(_ code: Int32) -> ContainerError {
        let reason =
            code == EXDEV ? "it is the server's own" : String(cString: strerror(code))
        return ContainerError(
            .unavailable, "the container's network cannot be entered: \(reason); the server must be root, or own it")
    }

    private static func isConnected(_ descriptor: Int32) -> Bool {
        var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard Glibc.poll(&poll, 1, 200) == 1 else { return false }
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0
    }
}
