import CloudEvents

/// Writing in the layout of `EventRecord`: header, attributes, data. `EventRecordWriter` in CloudEvents is the same for
/// general use; this one writes a whole record, data included, into one buffer that is used again and again.
extension ByteSink {
    /// Begins a record; attributes follow.
    @inline(__always)
    mutating func beginRecord() {
        put32(0x0000_0001)
        put32(0)
        put32(0)
    }

    /// One attribute from a run of valid UTF-8.
    @inline(__always)
    mutating func attribute(_ name: StaticString, _ value: Run, _ kind: AttributeKind = .string) {
        let length = UInt64(UInt32(truncatingIfNeeded: value.count))
        putAttribute(
            header: UInt64(name.utf8CodeUnitCount) | UInt64(kind.rawValue) << 8 | length << 32,
            name: Run(start: name.utf8Start, count: name.utf8CodeUnitCount), value: value)
    }

    @inline(__always)
    mutating func attribute(_ name: StaticString, _ value: StaticString, _ kind: AttributeKind = .string) {
        attribute(name, Run(start: value.utf8Start, count: value.utf8CodeUnitCount), kind)
    }

    /// Begins an attribute whose value is written piece by piece; returns what `endAttribute` wants.
    @inline(__always)
    mutating func beginAttribute(_ name: StaticString, _ kind: AttributeKind = .string) -> Int {
        put32(UInt32(name.utf8CodeUnitCount) | UInt32(kind.rawValue) << 8)
        let length = count
        put32(0)
        put(name)
        return length
    }

    @inline(__always)
    mutating func endAttribute(_ name: StaticString, _ mark: Int) {
        patch32(UInt32(truncatingIfNeeded: count &- mark &- 4 &- name.utf8CodeUnitCount), at: mark)
    }

    /// A string attribute whose text may hold control characters, which CloudEvents forbids: they are percent-encoded.
    /// The text as it is stands in the data.
    mutating func attribute(_ name: StaticString, printable value: Run) {
        let mark = beginAttribute(name)
        var index = 0
        while index < value.count {
            let byte = value[index]
            if byte < 0x20 || byte == 0x7F {
                percent(byte)
            } else if byte == 0xC2, index + 1 < value.count, value[index + 1] < 0xA0 {
                percent(byte)
                percent(value[index + 1])
                index += 1
            } else {
                put(byte)
            }
            index += 1
        }
        endAttribute(name, mark)
    }

    @inline(__always)
    mutating func percent(_ byte: UInt8) {
        put(0x25 as UInt8)
        put(upperHex(byte >> 4))
        put(upperHex(byte & 15))
    }

    private func upperHex(_ value: UInt8) -> UInt8 { value < 10 ? value + 48 : value + 55 }

    /// Text as the user or host part of a URI (RFC 3986): what is not allowed there is percent-encoded.
    @inline(__always)
    mutating func put(uriPart value: Run) {
        if Self.isPlain(value) { put(value) } else { putEncoded(value) }
    }

    /// Whether nothing needs an encoding, as far as a quick look tells.
    @inline(__always)
    private static func isPlain(_ value: Run) -> Bool {
        guard value.count >= 8 else {
            for index in 0..<value.count where !isPlain(value[index]) { return false }
            return true
        }
        var plain: UInt64 = ~0
        var index = 0
        while index < value.count {
            // The last word may hold bytes that were seen before.
            index = min(index, value.count &- 8)
            let x = value.word(index)
            plain &=
                ByteLanes.inRange(x | ByteLanes.all(0x20), 0x61, 0x7A)
                | ByteLanes.inRange(x, 0x30, 0x3A) | ByteLanes.inRange(x, 0x2D, 0x2E)
            index &+= 8
        }
        return plain & ByteLanes.highs == ByteLanes.highs
    }

    @inline(never)
    private mutating func putEncoded(_ value: Run) {
        for byte in value {
            if Self.isPlain(byte) { put(byte) } else { percent(byte) }
        }
    }

    /// Letters, digits and `-._~:+`, as bits.
    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool {
        let bits: UInt64 = byte < 64 ? 0x07FF_6800_0000_0000 : byte < 128 ? 0x47FF_FFFE_87FF_FFFE : 0
        return bits >> UInt64(byte & 63) & 1 == 1
    }

    /// Ends the attributes, of which there are `attributes`; the data follows.
    @inline(__always)
    mutating func beginData(attributes: Int, kind: DataKind) -> Int {
        patch32(0x0000_0001 | UInt32(kind.rawValue) << 8 | UInt32(attributes) << 16, at: 0)
        patch32(UInt32(truncatingIfNeeded: count &- EventView.headerLength), at: 4)
        return count
    }

    /// Ends the record.
    @inline(__always)
    mutating func endData(_ start: Int) {
        patch32(UInt32(truncatingIfNeeded: count &- start), at: 8)
    }
}
