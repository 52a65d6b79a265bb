/// Writes into a buffer of fixed size and remembers when it was too small.
///
/// One record is written without a capacity question a byte; when `overflowed` is set afterwards the owner makes the
/// buffer larger and writes the record again. Nothing is ever written beyond the end.
struct ByteSink {
    private let base: UnsafeMutableRawPointer
    private let capacity: Int
    private(set) var count = 0
    private(set) var overflowed = false
    /// Set by who knows that no text but a native line holds a byte that JSON escapes: then nothing is looked through.
    var isClean = false

    init(_ buffer: UnsafeMutableRawBufferPointer) {
        // An array's buffer has an address whenever it has a capacity; a capacity of 0 never touches the base.
        base = buffer.baseAddress ?? UnsafeMutableRawPointer(bitPattern: 1).unsafelyUnwrapped
        capacity = buffer.baseAddress == nil ? 0 : buffer.count
    }

    @inline(__always)
    private mutating func room(_ length: Int) -> Bool {
        if count &+ length <= capacity { return true }
        overflowed = true
        return false
    }

    @inline(__always)
    mutating func put(_ byte: UInt8) {
        guard room(1) else { return }
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count &+= 1
    }

    @inline(__always)
    mutating func put(_ run: Run) {
        guard room(run.count) else { return }
        putUnchecked(run)
    }

    /// One attribute of a record: its header, its name and its value, with one look at the room.
    @inline(__always)
    mutating func putAttribute(header: UInt64, name: Run, value: Run) {
        guard room(8 &+ name.count &+ value.count) else { return }
        base.storeBytes(of: header.littleEndian, toByteOffset: count, as: UInt64.self)
        count &+= 8
        putUnchecked(name)
        putUnchecked(value)
    }

    /// For runs for which there is room.
    @inline(__always)
    private mutating func putUnchecked(_ run: Run) {
        let length = run.count
        guard let source = run.baseAddress else { return }
        let target = base + count
        count &+= length
        // Most runs are short: two overlapping words cost less than a call.
        if length > 32 {
            target.copyMemory(from: source, byteCount: length)
        } else if length >= 16 {
            let head = source.loadUnaligned(as: SIMD16<UInt8>.self)
            let tail = source.loadUnaligned(fromByteOffset: length &- 16, as: SIMD16<UInt8>.self)
            target.storeBytes(of: head, as: SIMD16<UInt8>.self)
            target.storeBytes(of: tail, toByteOffset: length &- 16, as: SIMD16<UInt8>.self)
        } else if length >= 8 {
            let head = source.loadUnaligned(as: UInt64.self)
            let tail = source.loadUnaligned(fromByteOffset: length &- 8, as: UInt64.self)
            target.storeBytes(of: head, as: UInt64.self)
            target.storeBytes(of: tail, toByteOffset: length &- 8, as: UInt64.self)
        } else if length >= 4 {
            let head = source.loadUnaligned(as: UInt32.self)
            let tail = source.loadUnaligned(fromByteOffset: length &- 4, as: UInt32.self)
            target.storeBytes(of: head, as: UInt32.self)
            target.storeBytes(of: tail, toByteOffset: length &- 4, as: UInt32.self)
        } else {
            var index = 0
            while index < length {
                target.storeBytes(
                    of: source.load(fromByteOffset: index, as: UInt8.self), toByteOffset: index, as: UInt8.self)
                index &+= 1
            }
        }
    }

    @inline(__always)
    mutating func put(_ text: StaticString) {
        put(Run(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Text; labelled, because a literal would otherwise be made a `String` each time.
    mutating func put(text: String) {
        var text = text
        text.withUTF8 { put(Run($0)) }
    }

    @inline(__always)
    mutating func put32(_ value: UInt32) {
        guard room(4) else { return }
        base.storeBytes(of: value.littleEndian, toByteOffset: count, as: UInt32.self)
        count &+= 4
    }

    /// Overwrites four bytes written before.
    @inline(__always)
    mutating func patch32(_ value: UInt32, at offset: Int) {
        guard offset &+ 4 <= count else { return }
        base.storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt32.self)
    }

    @inline(__always)
    mutating func patch(_ byte: UInt8, at offset: Int) {
        guard offset < count else { return }
        base.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
    }

    /// Drops what was written after `length`.
    mutating func truncate(to length: Int) { count = min(count, length) }

    /// Decimal digits of a number.
    @inline(__always)
    mutating func put(decimal value: Int64) {
        // The digits are stored eight at a time, so more room is asked for than they need.
        guard room(32) else { return }
        if value >= 0, value < 100_000_000 {
            putLeading(UInt64(truncatingIfNeeded: value))
        } else {
            putLong(value)
        }
    }

    @inline(never)
    private mutating func putLong(_ value: Int64) {
        if value < 0 { put(0x2D as UInt8) }
        let rest = value.magnitude
        let (high, low) = rest.quotientAndRemainder(dividingBy: 100_000_000)
        if high == 0 {
            putLeading(low)
        } else if high < 100_000_000 {
            putLeading(high)
            putEight(low)
        } else {
            let (top, middle) = high.quotientAndRemainder(dividingBy: 100_000_000)
            putLeading(top)
            putEight(middle)
            putEight(low)
        }
    }

    /// The decimal digits of a number below 10^8, a byte each, the first in the lowest byte.
    @inline(__always)
    private static func digits(_ value: UInt64) -> UInt64 {
        // Halves, then pairs, then digits, each step for all lanes at once; the factors are reciprocals rounded up.
        let high = (value &* 0x68DB_8BB) >> 40
        let fours = high | (value &- high &* 10_000) << 32
        let hundreds = ((fours &* 10_486) >> 20) & 0x0000_007F_0000_007F
        let pairs = hundreds | (fours &- hundreds &* 100) << 16
        let tens = ((pairs &* 103) >> 10) & 0x000F_000F_000F_000F
        return tens | (pairs &- tens &* 10) << 8
    }

    /// A number below 10^8 without leading zeros; there must be room for eight bytes.
    @inline(__always)
    private mutating func putLeading(_ value: UInt64) {
        let digits = Self.digits(value)
        let zeros = min(digits.trailingZeroBitCount & 0x78, 56)
        let text = (digits | 0x3030_3030_3030_3030) >> UInt64(zeros)
        base.storeBytes(of: text.littleEndian, toByteOffset: count, as: UInt64.self)
        count &+= 8 &- zeros >> 3
    }

    @inline(__always)
    private mutating func putEight(_ value: UInt64) {
        let text = Self.digits(value) | 0x3030_3030_3030_3030
        base.storeBytes(of: text.littleEndian, toByteOffset: count, as: UInt64.self)
        count &+= 8
    }

    /// A run of ASCII, its capitals made small.
    @inline(__always)
    mutating func put(lowercased run: Run) {
        guard room(run.count) else { return }
        for index in 0..<run.count {
            let byte = run[index]
            base.storeBytes(of: byte &- 0x41 < 26 ? byte | 0x20 : byte, toByteOffset: count &+ index, as: UInt8.self)
        }
        count &+= run.count
    }

    /// Two decimal digits.
    @inline(__always)
    mutating func put(two value: Int) {
        put(UInt8(truncatingIfNeeded: value / 10 % 10) &+ 48)
        put(UInt8(truncatingIfNeeded: value % 10) &+ 48)
    }

    /// Sixteen hexadecimal digits.
    @inline(__always)
    mutating func put(hex value: UInt64) {
        guard room(16) else { return }
        base.storeBytes(of: Self.hexDigits(value >> 32), toByteOffset: count, as: UInt64.self)
        base.storeBytes(of: Self.hexDigits(value & 0xFFFF_FFFF), toByteOffset: count &+ 8, as: UInt64.self)
        count &+= 16
    }

    /// Spreads nibbles to bytes, then adds '0' or 'a' - 10: the digits of eight nibbles at once.
    @inline(__always)
    private static func hexDigits(_ half: UInt64) -> UInt64 {
        var x = half
        x = (x | x << 16) & 0x0000_FFFF_0000_FFFF
        x = (x | x << 8) & 0x00FF_00FF_00FF_00FF
        x = (x | x << 4) & 0x0F0F_0F0F_0F0F_0F0F
        let letters = ((x &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        return (x &+ 0x3030_3030_3030_3030 &+ letters &* 39).bigEndian
    }

    /// A run of valid UTF-8 as the inside of a JSON string: `"`, `\` and control characters are escaped.
    @inline(__always)
    mutating func put(escaped run: Run) {
        if isClean { put(run) } else { putEscaped(run) }
    }

    @inline(never)
    private mutating func putEscaped(_ run: Run) {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        var start = 0
        var index = 0
        while index < run.count {
            if index &+ 8 <= run.count {
                let x = run.word(index)
                let quote = x ^ (ones &* 0x22)
                let slash = x ^ (ones &* 0x5C)
                let hit = ((quote &- ones) & ~quote) | ((slash &- ones) & ~slash) | ((x &- (ones &* 0x20)) & ~x)
                if hit & highs == 0 {
                    index &+= 8
                    continue
                }
                // The lowest hit is a true one; those above it may come from a borrow, so only it is used.
                index &+= (hit & highs).trailingZeroBitCount >> 3
            }
            let byte = run[index]
            if byte < 0x20 || byte == 0x22 || byte == 0x5C {
                put(run.run(start, index))
                putEscape(byte)
                start = index &+ 1
            }
            index &+= 1
        }
        put(run.run(start, run.count))
    }

    /// The same for a run of which it is known that only quotes need an escape.
    @inline(__always)
    mutating func put(escapingQuotesIn run: Run) {
        var start = 0
        while let quote = run.first(0x22, from: start) {
            put(run.run(start, quote))
            put(0x5C as UInt8)
            put(0x22 as UInt8)
            start = quote &+ 1
        }
        put(run.run(start, run.count))
    }

    @inline(never)
    private mutating func putEscape(_ byte: UInt8) {
        put(0x5C as UInt8)
        switch byte {
        case 0x22, 0x5C: put(byte)
        case 0x08: put(0x62 as UInt8)
        case 0x0C: put(0x66 as UInt8)
        case 0x0A: put(0x6E as UInt8)
        case 0x0D: put(0x72 as UInt8)
        case 0x09: put(0x74 as UInt8)
        default:
            put("u00")
            put(hexDigit(byte >> 4))
            put(hexDigit(byte & 15))
        }
    }

    /// A run as a quoted JSON string.
    @inline(__always)
    mutating func put(quoted run: Run) {
        put(0x22 as UInt8)
        put(escaped: run)
        put(0x22 as UInt8)
    }
}
