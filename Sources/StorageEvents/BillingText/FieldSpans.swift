/// Where a format's attributes stand in a line, by slot; -1 where a condition left one out.
struct FieldSpans {
    private var values: InlineArray<60, Int64>

    init() { values = InlineArray(repeating: -1) }

    @inline(__always)
    mutating func clear(_ count: Int) {
        for index in 0..<min(count, 60) { values[index] = -1 }
    }

    @inline(__always)
    mutating func set(_ slot: Int32, _ start: Int, _ end: Int) {
        values[Int(slot)] = Int64(start) << 32 | Int64(end)
    }

    @inline(__always)
    func run(_ slot: Int, in line: Run) -> Run? {
        guard slot >= 0 else { return nil }
        let value = values[slot]
        guard value >= 0 else { return nil }
        return line.run(Int(value >> 32), Int(value & 0xFFFF_FFFF))
    }
}
