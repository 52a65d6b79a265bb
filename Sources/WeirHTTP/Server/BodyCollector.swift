import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// Takes the parts of an answer's body together.
final class BodyCollector: ResponseBodyWriter, Sendable {
    private let buffer = Mutex(ByteBuffer())

    func write(_ part: ByteBuffer) async throws {
        buffer.withLock {
            if $0.readableBytes == 0 { $0 = part } else { $0.writeImmutableBuffer(part) }
        }
    }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}

    func take() -> ByteBuffer { buffer.withLock { $0 } }
}
