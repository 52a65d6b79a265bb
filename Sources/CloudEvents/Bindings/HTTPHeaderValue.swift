/// Header values as the HTTP binding writes them (CloudEvents HTTP binding 1.0.2 §3.1.3.2).
package enum HTTPHeaderValue {
    private static let hexDigits = Array("0123456789ABCDEF".utf8)

    /// Percent-encodes what must be: space, double quote, percent and everything outside printable ASCII.
    package static func encode(_ text: UnsafeRawBufferPointer) -> String {
        if text.allSatisfy({ isPlain($0) }) { return text.text }
        var out: [UInt8] = []
        out.reserveCapacity(text.count + 16)
        for byte in text {
            if isPlain(byte) {
                out.append(byte)
            } else {
                out.append(0x25)
                out.append(hexDigits[Int(byte >> 4)])
                out.append(hexDigits[Int(byte & 15)])
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// What is wrong with a header value, as a sentence part.
    package struct Fault: Error { package let reason: String }

    /// Takes away white space around, quotes and percent-encoding, each once, and appends what is left.
    package static func decode(_ raw: UnsafeRawBufferPointer, into out: inout [UInt8]) throws(Fault) {
        var start = 0
        var end = raw.count
        while start < end, isBlank(raw[start]) { start += 1 }
        while end > start, isBlank(raw[end - 1]) { end -= 1 }
        let trimmed = UnsafeRawBufferPointer(rebasing: raw[start..<end])
        guard trimmed.first == 0x22 else { return try percentDecode(trimmed, into: &out) }
        var index = 0
        guard let unquoted = QuotedString.read(trimmed, from: &index), index == trimmed.count else {
            throw Fault(reason: "begins with a quote that is not closed at its end")
        }
        try percentDecode(unquoted, into: &out)
    }

    private static func percentDecode(_ text: some RandomAccessCollection<UInt8>, into out: inout [UInt8]) throws(Fault)
    {
        var rest = text[...]
        while let percent = rest.firstIndex(of: 0x25) {
            out.append(contentsOf: rest[..<percent])
            rest = rest[percent...].dropFirst()
            guard let high = rest.popFirst().flatMap(hexValue), let low = rest.popFirst().flatMap(hexValue) else {
                throw Fault(reason: "holds a % that two hexadecimal digits do not follow; a percent sign is %25")
            }
            out.append(high << 4 | low)
        }
        out.append(contentsOf: rest)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && byte != 0x22 && byte != 0x25
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
