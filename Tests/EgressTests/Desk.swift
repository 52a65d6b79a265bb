import Foundation
import Functions
import Glibc
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Egress

/// A proxy on a free port, and two servers behind it.
final class Desk: Sendable {
    let proxy: EgressProxy
    let listener: EgressListener
    let port: Int
    let echo: EchoServer
    let web: WebServer

    /// Stand for the ports of the servers in rules.
    static let echo = "ECHO"
    static let web = "WEB"

    init(
        _ rules: [String], allowed: [String], limits: EgressProxy.Limits,
        resolver: @escaping @Sendable (String) -> [IPAddress]?
    ) async throws {
        echo = try await EchoServer()
        web = try await WebServer()
        proxy = Desk.proxy(allowed, limits: limits, resolver: resolver)
        let ports = [Desk.echo: echo.port, Desk.web: web.port]
        let rules = try rules.map { rule in
            try EgressRule(ports.reduce(rule) { $0.replacingOccurrences(of: $1.key, with: String($1.value)) })
        }
        // As the launcher does it inside a sandbox: a socket that listens already.
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = bind(socket, $0, length) }
        }
        listen(socket, 16)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(socket, $0, &length) }
        }
        port = Int(address.sin_port.bigEndian)
        listener = try await proxy.serve(listening: socket, rules: rules)
    }

    static func proxy(
        _ allowed: [String], limits: EgressProxy.Limits = .init(),
        resolver: @escaping @Sendable (String) -> [IPAddress]? = EgressProxy.systemResolver
    ) -> EgressProxy {
        EgressProxy(
            AddressRules(allowed: allowed.compactMap { try? AddressRange($0) }), limits: limits,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            resolver: resolver)
    }

    func connect() throws -> RawClient { try RawClient(port: port) }
}

func withProxy(
    _ rules: [String], allowed: [String] = ["127.0.0.0/8", "::1/128"], limits: EgressProxy.Limits = .init(),
    resolver: @escaping @Sendable (String) -> [IPAddress]? = EgressProxy.systemResolver,
    _ body: (Desk) async throws -> Void
) async throws {
    let desk = try await Desk(rules, allowed: allowed, limits: limits, resolver: resolver)
    do { try await body(desk) } catch {
        desk.listener.close()
        throw error
    }
    desk.listener.close()
    await desk.proxy.stop()
}

extension EgressListener {
    /// What was done so far, left as it is.
    var use: NetworkUse {
        let use = take()
        count { $0.merge(use) }
        return use
    }
}

extension NetworkUse {
    fileprivate mutating func merge(_ other: NetworkUse) {
        connections += other.connections
        sent += other.sent
        received += other.received
        refused += other.refused
        refusedCount += other.refusedCount
    }
}

/// Counts calls from any thread.
final class Counter: Sendable {
    private let count = Atomic(0)
    var value: Int { count.load(ordering: .relaxed) }
    func add() -> Int { count.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// A blocking connection; gives up after 30 s.
final class RawClient: Sendable {
    private let descriptor: Int32

    struct Refused: Error {}

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let descriptor = descriptor
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Refused() }
        var patience = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress?.advanced(by: done), $0.count - done, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            done += count
        }
    }

    func endInput() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// `nil` at the end.
    func readSome() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count > 0 ? Array(buffer[..<count]) : nil
    }

    func readAll() -> String {
        var all: [UInt8] = []
        while let some = readSome() { all += some }
        return String(decoding: all, as: UTF8.self)
    }

    /// A byte at a time, so that nothing behind the mark is taken.
    func read(until mark: String) -> String {
        var all: [UInt8] = []
        var byte: UInt8 = 0
        while !all.suffix(mark.utf8.count).elementsEqual(mark.utf8), recv(descriptor, &byte, 1, 0) == 1 {
            all.append(byte)
        }
        return String(decoding: all, as: UTF8.self)
    }
}

/// Sends back what it is sent.
final class EchoServer: Sendable {
    private let channel: any Channel
    var port: Int { channel.localAddress?.port ?? 0 }

    init() async throws {
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Echo()) }
            }.bind(host: "127.0.0.1", port: 0).get()
    }

    deinit { channel.close(promise: nil) }

    private final class Echo: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.writeAndFlush(data, promise: nil) }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.channel.endOutput() }
        }
    }
}

/// Answers every request with `fine`, keeps what it was sent, and closes when it was asked to.
final class WebServer: Sendable {
    private let channel: any Channel
    private let log: Log
    var port: Int { channel.localAddress?.port ?? 0 }
    /// One text a connection.
    var seen: [String] { log.texts.withLock { $0 } }

    private final class Log: Sendable {
        let texts = Mutex<[String]>([])
    }

    init() async throws {
        let log = Log()
        self.log = log
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Web(log)) }
            }.bind(host: "127.0.0.1", port: 0).get()
    }

    deinit { channel.close(promise: nil) }

    private final class Web: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let log: Log
        private var text = ""

        init(_ log: Log) { self.log = log }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            text += String(buffer: unwrapInboundIn(data))
            guard let head = text.range(of: "\r\n\r\n") else { return }
            let length =
                text.range(of: "Content-Length: ").map { Int(text[$0.upperBound...].prefix { $0.isNumber }) ?? 0 } ?? 0
            guard text[head.upperBound...].utf8.count >= length else { return }
            log.texts.withLock { $0.append(text) }
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine"
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer))).assumeIsolated().whenComplete { _ in
                context.close(promise: nil)
            }
        }
    }
}

/// Runs a program and waits for it on a thread of its own.
func run(_ arguments: [String], _ environment: [String]) async -> (status: Int32, output: String) {
    await withCheckedContinuation { continuation in
        Thread {
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
            posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
            posix_spawn_file_actions_addclose(&actions, ends[0])
            var pointers = arguments.map { strdup($0) } + [nil]
            var variables = environment.map { strdup($0) } + [nil]
            defer { for pointer in pointers + variables { free(pointer) } }
            var pid: pid_t = 0
            posix_spawn(&pid, arguments[0], &actions, nil, &pointers, &variables)
            posix_spawn_file_actions_destroy(&actions)
            close(ends[1])
            var output: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = read(ends[0], &buffer, buffer.count)
                if count <= 0 { break }
                output += buffer[..<count]
            }
            close(ends[0])
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            continuation.resume(returning: ((status >> 8) & 0xFF, String(decoding: output, as: UTF8.self)))
        }.start()
    }
}
