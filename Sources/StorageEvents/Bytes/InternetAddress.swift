/// IPv4 and IPv6 addresses as text, in the one form of RFC 5952.
enum InternetAddress {
    /// An address and, apart, the zone (`eth0`) that a link-local one was written with.
    struct Parsed {
        var text: [UInt8]
        var scope: Run?
    }

    /// Whether the run is four decimal numbers of at most 255 with points between.
    @inline(__always)
    static func isIPv4(_ run: Run) -> Bool {
        guard run.count >= 7, run.count <= 15 else { return false }
        var parts = 1
        var value = 0
        var digits = 0
        for index in 0..<run.count {
            let byte = run[index]
            if byte == 0x2E {
                guard digits > 0 else { return false }
                parts &+= 1
                (value, digits) = (0, 0)
            } else {
                guard byte &- 48 < 10 else { return false }
                value = value &* 10 &+ Int(byte &- 48)
                digits &+= 1
                guard digits <= 3, value <= 255 else { return false }
            }
        }
        return parts == 4 && digits > 0
    }

    /// Reads an address of either kind, brackets allowed; `nil` when it is none.
    static func parse(_ run: Run) -> Parsed? {
        if isIPv4(run) { return Parsed(text: Array(run), scope: nil) }
        var run = run
        if run.count > 2, run[0] == 0x5B, run[run.count - 1] == 0x5D { run = run.run(1, run.count - 1) }
        var scope: Run?
        if let percent = run.first(0x25) {
            let zone = run.run(percent + 1, run.count)
            if zone.count > 0 { scope = zone }
            run = run.run(0, percent)
        }
        guard let groups = groups(run) else { return nil }
        return Parsed(text: write(groups), scope: scope)
    }

    private static func groups(_ run: Run) -> [UInt16]? {
        guard run.count >= 2, run.count <= 45, run.first(0x3A) != nil else { return nil }
        var groups: [UInt16] = []
        var gap: Int?
        var index = 0
        if run[0] == 0x3A {
            guard run[1] == 0x3A else { return nil }
            gap = 0
            index = 2
        }
        while index < run.count {
            let start = index
            var value = 0
            while index < run.count, let digit = hexValue(run[index]) {
                value = value << 4 | Int(digit)
                index += 1
                if index - start > 4 { return nil }
            }
            if index < run.count, run[index] == 0x2E {
                let rest = run.run(start, run.count)
                guard isIPv4(rest) else { return nil }
                let bytes = rest.split(separator: 0x2E).map { $0.reduce(0) { $0 * 10 + UInt16($1 - 48) } }
                groups.append(bytes[0] << 8 | bytes[1])
                groups.append(bytes[2] << 8 | bytes[3])
                break
            }
            guard index > start else { return nil }
            groups.append(UInt16(value))
            if index == run.count { break }
            guard run[index] == 0x3A, index + 1 < run.count else { return nil }
            index += 1
            if run[index] == 0x3A {
                guard gap == nil else { return nil }
                gap = groups.count
                index += 1
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
        }
        return groups.count == 8 ? groups : nil
    }

    /// RFC 5952 §4: lower case, no leading zeros, the longest run of two or more zero groups as `::`, the first of equals.
    private static func write(_ groups: [UInt16]) -> [UInt8] {
        if groups[0..<5].allSatisfy({ $0 == 0 }), groups[5] == 0xFFFF {
            let text = "::ffff:\(groups[6] >> 8).\(groups[6] & 255).\(groups[7] >> 8).\(groups[7] & 255)"
            return Array(text.utf8)
        }
        var best = 0..<0
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, groups[end] == 0 { end += 1 }
            if end - index > max(best.count, 1) { best = index..<end }
            index = end == index ? index + 1 : end
        }
        var out: [UInt8] = []
        index = 0
        while index < 8 {
            if !best.isEmpty, index == best.lowerBound {
                out.append(contentsOf: "::".utf8)
                index = best.upperBound
                continue
            }
            if index > 0, out.last != 0x3A { out.append(0x3A) }
            var shift: UInt16 = 12
            while shift > 0, groups[index] >> shift == 0 { shift -= 4 }
            while true {
                out.append(hexDigit(UInt8(groups[index] >> shift & 15)))
                if shift == 0 { break }
                shift -= 4
            }
            index += 1
        }
        return out
    }

    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
