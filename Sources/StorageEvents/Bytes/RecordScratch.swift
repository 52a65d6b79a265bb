import CloudEvents

/// The memory in which records are written before they are copied out at their size; it grows to what is needed.
struct RecordScratch: Sendable {
    private var bytes: [UInt8] = []

    init() {}

    /// Writes one record; `body` may be called again with more room.
    @inline(__always)
    mutating func record(_ body: (inout ByteSink) -> Void) -> EventRecord {
        if bytes.isEmpty { bytes = [UInt8](repeating: 0, count: 8_192) }
        while true {
            let record: EventRecord? = bytes.withUnsafeMutableBytes { buffer in
                var sink = ByteSink(buffer)
                body(&sink)
                guard !sink.overflowed, let base = buffer.baseAddress else { return nil }
                let count = sink.count
                return EventRecord(
                    uncheckedBytes: [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
                        UnsafeMutableRawBufferPointer(target).copyMemory(
                            from: UnsafeRawBufferPointer(start: base, count: count))
                        initialized = count
                    })
            }
            if let record {
                if bytes.count > 1 << 20 { bytes = [] }
                return record
            }
            bytes = [UInt8](repeating: 0, count: bytes.count * 2)
        }
    }
}
