import Glibc

/// Short byte runs one behind the other, none across a page.
struct TextArena: Sendable {
    private var bytes = PagedArray<UInt8>(shift: 14, filler: 0)
    private var end = 0
    /// Bytes that somebody still refers to.
    private(set) var live = 0

    var byteCount: Int { bytes.byteCount }
    /// Whether more than half is no longer needed and it is worth moving the rest.
    var isSparse: Bool { end > 1 << 18 && live * 2 < end }

    /// - Parameter text: at most a page long.
    mutating func append(_ text: UnsafeRawBufferPointer) -> UInt32 {
        let page = bytes.pageCapacity
        if end % page + text.count > page { end += page - end % page }
        let start = end
        end += text.count
        live += text.count
        guard let source = text.baseAddress, !text.isEmpty else { return UInt32(start) }
        bytes.grow(to: end)
        bytes.withMutablePointer(start) { UnsafeMutableRawPointer($0).copyMemory(from: source, byteCount: text.count) }
        return UInt32(start)
    }

    mutating func release(count: Int) { live -= count }

    @inline(__always)
    func equals(_ start: UInt32, _ text: UnsafeRawBufferPointer) -> Bool {
        guard let other = text.baseAddress, !text.isEmpty else { return true }
        return memcmp(bytes.pointer(Int(start)), other, text.count) == 0
    }

    func withText<Result>(_ start: UInt32, _ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        if count == 0 { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return body(UnsafeRawBufferPointer(start: bytes.pointer(Int(start)), count: count))
    }
}
