import NIOCore
import NIOPosix
import NIOSSL

/// Sends mails, a connection each.
package struct SMTPClient: Sendable {
    private let host: String
    private let port: Int
    private let tls: TLSSpec

    package init(host: String, port: Int, tls: TLSSpec = TLSSpec()) {
        self.host = host
        self.port = port
        self.tls = tls
    }

    /// Sends one mail to all its recipients, or to none.
    ///
    /// - Throws: `CancellationError` only; what the server or the network does is an outcome.
    package func send(_ message: MailMessage, _ options: SMTPOptions) async throws -> SMTPOutcome {
        var session = SMTPSession(options, from: message.from, to: message.to, message: message.encoded)
        do {
            var context: NIOSSLContext?
            if options.security != .none { context = try NIOSSLContext(configuration: tls.configuration()) }
            return try await converse(&session, options, context)
        } catch {
            if error is CancellationError || Task.isCancelled { throw CancellationError() }
            return session.lost("\(host):\(port): \(error)")
        }
    }

    private func converse(
        _ session: inout SMTPSession, _ options: SMTPOptions, _ context: NIOSSLContext?
    ) async throws -> SMTPOutcome {
        let (host, isWrapped) = (host, options.security == .tls)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(15))
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if isWrapped, let context { try Self.addTLS(channel, context, host) }
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        var outcome: SMTPOutcome?
        var running = session
        defer { session = running }
        do {
            try await channel.executeThenClose { inbound, outbound in
                var replies = SMTPReplyReader()
                var pending: [UInt8] = []
                for try await buffer in inbound {
                    pending += buffer.readableBytesView
                    while let end = pending.firstIndex(of: 0x0A) {
                        var line = pending[..<end]
                        if line.last == 0x0D { line.removeLast() }
                        let text = String(decoding: line, as: UTF8.self)
                        pending.removeFirst(end + 1)
                        guard let reply = try replies.take(text) else { continue }
                        var action = running.take(reply)
                        if action == .secure, let context {
                            // What lies behind the go-ahead was sent in the clear by somebody else.
                            guard pending.isEmpty else {
                                throw OutboundError(.badAnswer, "the mail server spoke on before TLS began")
                            }
                            try await channel.channel.eventLoop.submit { [channel = channel.channel] in
                                try Self.addTLS(channel, context, host)
                            }.get()
                            action = running.secured()
                        }
                        switch action {
                        case .send(let bytes): try await outbound.write(ByteBuffer(bytes: bytes))
                        case .secure: break
                        case .finish(let result):
                            outcome = result
                            try? await outbound.write(ByteBuffer(string: "QUIT\r\n"))
                            return
                        }
                    }
                    guard pending.count <= 1 << 16 else {
                        throw OutboundError(.badAnswer, "the mail server's answer has no end")
                    }
                }
            }
        } catch {
            // Once the message was taken, how the connection ends does not matter.
            if outcome == nil { throw error }
        }
        return outcome ?? running.lost("\(host):\(port): the mail server closed the connection")
    }

    private static func addTLS(_ channel: any Channel, _ context: NIOSSLContext, _ host: String) throws {
        // An address is no name that could be asked for (RFC 6066 §3).
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        let handler = try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
        try channel.pipeline.syncOperations.addHandler(handler, position: .first)
    }
}
