/// Where a format's attributes stand in a line, by slot; -1 where a condition left one out or the format has none.
///
/// The first slots are the known attributes, by their raw value; what else a format names comes after them.
///
/// The places lie in borrowed memory: an inline array of this size is copied whole for each look.
struct FieldSpans {
    private let base: UnsafeMutablePointer<Int64>
    static let known = KnownAttribute.allCases.count
    static let capacity = known + CompiledFormat.maximumSlots

    /// Calls `body` with room for the places of one line.
    @inline(__always)
    static func with<Result>(_ body: (FieldSpans) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: Int64.self, capacity: capacity) { buffer in
            // The matchers clear what they use.
            // A buffer of a fixed, positive capacity has an address.
            return body(FieldSpans(base: buffer.baseAddress.unsafelyUnwrapped))
        }
    }

    @inline(__always)
    func clear(_ count: Int) {
        for index in 0..<min(count, Self.capacity) { base[index] = -1 }
    }

    @inline(__always)
    func set(_ slot: Int32, _ start: Int, _ end: Int) {
        guard slot >= 0, slot < Self.capacity else { return }
        base[Int(slot)] = Int64(start) << 32 | Int64(end)
    }

    @inline(__always)
    func set(_ attribute: KnownAttribute, _ start: Int, _ end: Int) {
        base[Int(attribute.rawValue)] = Int64(start) << 32 | Int64(end)
    }

    @inline(__always)
    func run(_ attribute: KnownAttribute, in line: Run) -> Run? {
        let value = base[Int(attribute.rawValue)]
        guard value >= 0 else { return nil }
        return line.run(Int(value >> 32), Int(value & 0xFFFF_FFFF))
    }

    @inline(__always)
    func run(_ slot: Int, in line: Run) -> Run? {
        guard slot >= 0, slot < Self.capacity else { return nil }
        let value = base[slot]
        guard value >= 0 else { return nil }
        return line.run(Int(value >> 32), Int(value & 0xFFFF_FFFF))
    }

    /// A copy of the first `count` places, and back.
    func values(_ count: Int) -> [Int64] { Array(UnsafeBufferPointer(start: base, count: min(count, Self.capacity))) }

    func assign(_ values: [Int64]) {
        for index in 0..<min(values.count, Self.capacity) { base[index] = values[index] }
    }
}
