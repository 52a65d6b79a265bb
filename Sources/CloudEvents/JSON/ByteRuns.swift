/// Looks at eight bytes at once, for the long plain runs of which most text consists.
enum ByteRuns {
    private static var ones: UInt64 { 0x0101_0101_0101_0101 }
    private static var highBits: UInt64 { 0x8080_8080_8080_8080 }

    /// The index of the first byte from `start` on that a JSON string may have to treat: a control character, a quote, a
    /// backslash, or one outside ASCII (when `stopsOutsideASCII`); `bytes.count` when there is none.
    ///
    /// The tests of single bytes in a word are the usual ones of "Bit Twiddling Hacks" (S. E. Anderson), "Determine if a
    /// word has a byte less than n"; they have no false alarm in the lowest byte that they name, which is all that counts.
    @inline(__always)
    static func endOfPlainJSON(_ bytes: UnsafeRawBufferPointer, from start: Int, stopsOutsideASCII: Bool) -> Int {
        var index = start
        while index + 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let quote = word ^ (0x22 &* ones)
            let backslash = word ^ (0x5C &* ones)
            var found =
                ((word &- 0x20 &* ones) & ~word) | ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash)
            if stopsOutsideASCII { found |= word }
            found &= highBits
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < bytes.count {
            let byte = bytes[index]
            if byte < 0x20 || byte == 0x22 || byte == 0x5C || (stopsOutsideASCII && byte >= 0x80) { return index }
            index += 1
        }
        return index
    }

    /// The index of the first byte from `start` on that is a control character, DEL or outside ASCII.
    @inline(__always)
    static func endOfPrintableASCII(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var index = start
        while index + 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let delete = word ^ (0x7F &* ones)
            let found = ((word &- 0x20 &* ones) & ~word | (delete &- ones) & ~delete | word) & highBits
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < bytes.count, bytes[index] >= 0x20, bytes[index] < 0x7F { index += 1 }
        return index
    }
}
