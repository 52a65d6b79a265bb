import Synchronization

/// Buffers that writers encode batches in, kept for the next batch: fresh memory of a megabyte costs as much in page
/// faults as copying the events into it.
final class ScratchBuffers: Sendable {
    /// Larger ones are not kept, so that one large batch does not stay in memory.
    private static let largest = 2 << 20
    private static let count = 4
    private let kept = Mutex<[[UInt8]]>([])

    /// A buffer of any content, at least `count` bytes long.
    func take(_ count: Int) -> [UInt8] {
        if let buffer = kept.withLock({ $0.popLast() }), buffer.count >= count { return buffer }
        let size = count > 64 << 10 ? (count + (256 << 10) - 1) & ~((256 << 10) - 1) : count
        return [UInt8](unsafeUninitializedCapacity: size) { _, filled in filled = size }
    }

    func giveBack(_ buffer: [UInt8]) {
        guard buffer.count <= Self.largest, buffer.count > 64 << 10 else { return }
        kept.withLock { if $0.count < Self.count { $0.append(buffer) } }
    }
}
