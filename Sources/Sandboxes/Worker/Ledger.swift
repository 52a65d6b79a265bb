internal import CSandbox

/// Memory shared with one worker, in which it keeps answers that it has not sent yet: they outlive it.
///
/// Layout: `u64` frame, `u64` index of the first line, `u64` bytes; lines from byte 64 on. The worker can write it at
/// any time, so nothing is believed twice: it is copied, then read.
package final class Ledger: Sendable {
    package static var size: Int { 1 << 16 }
    private static var headerLength: Int { 64 }

    /// What stood in it.
    package struct Content: Sendable {
        package var frame: UInt64
        package var firstIndex: Int
        package var lines: [UInt8]
    }

    private let address: Mapping

    /// An address that is only ever read, and unmapped with the ledger.
    private struct Mapping: @unchecked Sendable { let start: UnsafeRawPointer }

    init(mapping start: UnsafeRawPointer) {
        address = Mapping(start: start)
    }

    deinit { weir_ledger_unmap(address.start, Self.size) }

    /// A copy of what stands there now.
    package func content() -> Content {
        let bytes = Int(clamping: weir_ledger_counter(address.start, 2))
        let frame = weir_ledger_counter(address.start, 0)
        let first = Int(clamping: weir_ledger_counter(address.start, 1))
        let body = UnsafeRawBufferPointer(start: address.start, count: Self.size)
        let end = Self.headerLength + min(max(bytes, 0), Self.size - Self.headerLength)
        return Content(frame: frame, firstIndex: first, lines: Array(body[Self.headerLength..<end]))
    }
}
