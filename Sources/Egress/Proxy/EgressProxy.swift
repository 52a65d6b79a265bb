package import Functions
internal import Glibc
package import Logging
package import NIOCore
internal import NIOPosix
internal import Synchronization

/// The way out for functions that may reach some of the network: a proxy that connects to what their lists allow.
///
/// Names are resolved here and nowhere else, every address is checked, and the connection is made to the address that was
/// checked, so that a name cannot mean one thing when it is checked and another when it is used.
package final class EgressProxy: Sendable {
    /// What a listener may take of the server.
    package struct Limits: Sendable {
        /// Connections of one worker at the same time.
        package var connections = 64
        /// How long a client may take for its request's head, and for a connection to be made, milliseconds.
        package var patience: Int64 = 20_000
        /// How long a connection may be silent, milliseconds.
        package var silence: Int64 = 600_000

        package init() {}
    }

    let addresses: AddressRules
    let limits: Limits
    let logger: Logger
    private let group: any EventLoopGroup
    private let resolving: NIOThreadPool
    private let resolver: @Sendable (String) -> [IPAddress]?

    /// - Parameters:
    ///   - resolver: a name's addresses; `nil` when there are none. Blocks.
    package init(
        _ addresses: AddressRules = AddressRules(), limits: Limits = Limits(), group: any EventLoopGroup,
        logger: Logger,
        resolver: @escaping @Sendable (String) -> [IPAddress]? = EgressProxy.systemResolver
    ) {
        self.addresses = addresses
        self.limits = limits
        self.group = group
        self.logger = logger
        self.resolver = resolver
        resolving = NIOThreadPool(numberOfThreads: 4)
        resolving.start()
    }

    /// Serves a listening socket, which it takes over: one that the launcher made inside a sandbox.
    package func serve(listening descriptor: Int32, rules: [EgressRule]) async throws -> EgressListener {
        try await listener(rules, token: nil) { try await $0.withBoundSocket(descriptor).get() }
    }

    /// Serves a free port of this machine's loopback, for workers that have no network of their own; who connects must
    /// know the token, for others of the machine could come too.
    package func serveLoopback(rules: [EgressRule], token: String) async throws -> EgressListener {
        try await listener(rules, token: token) { try await $0.bind(host: "127.0.0.1", port: 0).get() }
    }

    private func listener(
        _ rules: [EgressRule], token: String?, _ bind: (ServerBootstrap) async throws -> any Channel
    ) async throws -> EgressListener {
        let listener = EgressListener(proxy: self, rules: rules, token: token)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 64)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        IdleStateHandler(allTimeout: .milliseconds(listener.proxy.limits.silence)),
                        ClientHandler(listener),
                    ])
                }
            }
        listener.opened(try await bind(bootstrap))
        return listener
    }

    /// Looks a name up away from the event loops.
    func resolve(_ host: String, on loop: any EventLoop) -> EventLoopFuture<[IPAddress]?> {
        if let address = IPAddress(host) { return loop.makeSucceededFuture([address]) }
        return resolving.runIfActive(eventLoop: loop) { [resolver] in resolver(host) }
    }

    /// Ends the threads; listeners are closed by who opened them.
    package func stop() async { try? await resolving.shutdownGracefully() }

    /// getaddrinfo(3).
    package static let systemResolver: @Sendable (String) -> [IPAddress]? = { host in
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var first: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &first) == 0 else { return nil }
        defer { freeaddrinfo(first) }
        var found: [IPAddress] = []
        var next = first
        while let entry = next {
            if let address = entry.pointee.ai_addr.flatMap({ IPAddress(socket: UnsafePointer($0)) }),
                !found.contains(address)
            {
                found.append(address)
            }
            next = entry.pointee.ai_next
        }
        return found.isEmpty ? nil : found
    }
}

/// The proxy of one worker: one function's rules, and what it did with them.
package final class EgressListener: Sendable {
    let proxy: EgressProxy
    let rules: [EgressRule]
    /// What a client must show; `nil` when only the worker can reach the socket.
    let token: String?
    private let state = Mutex(State())

    private struct State {
        var use = NetworkUse()
        var server: (any Channel)?
        var clients: [ObjectIdentifier: any Channel] = [:]
        var isClosed = false
    }

    init(proxy: EgressProxy, rules: [EgressRule], token: String?) {
        self.proxy = proxy
        self.rules = rules
        self.token = token
    }

    /// The port on which it listens; `nil` before and after.
    package var port: Int? { state.withLock { $0.server?.localAddress?.port } }

    /// What was done since the last time this was asked.
    package func take() -> NetworkUse {
        state.withLock { state in
            defer { state.use = NetworkUse() }
            return state.use
        }
    }

    /// Takes no more connections and ends those that there are.
    package func close() {
        let channels = state.withLock { state -> [any Channel] in
            state.isClosed = true
            defer {
                state.server = nil
                state.clients = [:]
            }
            return Array(state.clients.values) + (state.server.map { [$0] } ?? [])
        }
        for channel in channels { channel.close(promise: nil) }
    }

    func opened(_ channel: any Channel) { state.withLock { $0.server = channel } }

    /// Counts a client in; `false` when there are too many.
    func admit(_ channel: any Channel) -> Bool {
        state.withLock { state in
            guard !state.isClosed, state.clients.count < proxy.limits.connections else { return false }
            state.clients[ObjectIdentifier(channel)] = channel
            return true
        }
    }

    func left(_ channel: any Channel) {
        state.withLock { _ = $0.clients.removeValue(forKey: ObjectIdentifier(channel)) }
    }

    func count(_ change: (inout NetworkUse) -> Void) { state.withLock { change(&$0.use) } }
}
