import CloudEvents
import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle

/// Server-sent events (WHATWG HTML §9.2): an answer that goes on until the reader leaves or the server stops.
///
/// Nothing is buffered for a reader: the next batch is made when the last one has been taken off by the network, so a
/// slow one falls behind in the log, and holds no more than one batch.
enum EventStream {
    static let mediaType = "text/event-stream"

    /// One message.
    struct Message {
        var event: String
        var id: String?
        /// UTF-8; line ends must be white space, as between the tokens of JSON, for they become spaces.
        var data: [UInt8]

        func write(into out: inout [UInt8]) {
            out.append(contentsOf: "event: \(event)\n".utf8)
            if let id { out.append(contentsOf: "id: \(id)\n".utf8) }
            out.append(contentsOf: "data: ".utf8)
            for byte in data { out.append(byte == 0x0A || byte == 0x0D ? 0x20 : byte) }
            out.append(contentsOf: "\n\n".utf8)
        }
    }

    /// The answer to a request that is read for as long as `source` has something to say.
    static func response(to request: APIRequest, source: some StreamSource) -> Response {
        let headers: HTTPFields = [.contentType: mediaType, .cacheControl: "no-store"]
        guard request.head.method != .head else { return Response(status: .ok, headers: headers) }
        let body = request.body
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { writer in
                // A reader who has gone is noticed at once, and a server that stops ends its streams.
                do {
                    try await body.consumeWithCancellationOnInboundClose { _ in
                        for try await buffer in PulledStream(source: source).cancelOnGracefulShutdown() {
                            try await writer.write(buffer)
                        }
                    }
                } catch is CancellationError {}
                try await writer.finish(nil)
            })
    }

    /// Runs `operation` until it returns, but no longer than `limit`.
    static func wait(atMost limit: Duration, _ operation: @escaping @Sendable () async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await operation() }
            group.addTask { try? await Task.sleep(for: limit) }
            await group.next()
            group.cancelAll()
        }
    }
}

/// What a stream is made of.
protocol StreamSource: Sendable {
    /// The next bytes, as soon as there are any; `nil` at the end. It must return soon after its task is cancelled.
    mutating func next() async -> [UInt8]?
}

/// A stream whose source is asked only when the bytes before have been taken.
private struct PulledStream<Source: StreamSource>: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let source: Source

    struct AsyncIterator: AsyncIteratorProtocol {
        var source: Source

        mutating func next() async throws -> ByteBuffer? {
            guard !Task.isCancelled else { return nil }
            return await source.next().map { ByteBuffer(bytes: $0) }
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(source: source) }
}
