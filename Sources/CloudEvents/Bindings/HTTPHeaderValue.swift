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

    /// Takes away white space around, quotes and percent-encoding, each once.
    ///
    /// - Throws: a sentence part that says what is wrong with the value.
    package static func decode(_ value: String) throws(Fault) -> [UInt8] {
        var value = value
        var outcome: Result<[UInt8], Fault>?
        value.withUTF8 { buffer in
            do throws(Fault) {
                outcome = .success(try decode(UnsafeRawBufferPointer(buffer)))
            } catch {
                outcome = .failure(error)
            }
        }
        // `withUTF8` has run the closure, which always sets it.
        return try outcome.unsafelyUnwrapped.get()
    }

    package struct Fault: Error { package let reason: String }

    private static func decode(_ raw: UnsafeRawBufferPointer) throws(Fault) -> [UInt8] {
        var start = 0
        var end = raw.count
        while start < end, isBlank(raw[start]) { start += 1 }
        while end > start, isBlank(raw[end - 1]) { end -= 1 }
        let trimmed = UnsafeRawBufferPointer(rebasing: raw[start..<end])
        guard trimmed.first == 0x22 else { return try percentDecoded(trimmed) }
        var index = 0
        guard let unquoted = QuotedString.read(trimmed, from: &index), index == trimmed.count else {
            throw Fault(reason: "begins with a quote that is not closed at its end")
        }
        var outcome: Result<[UInt8], Fault>?
        unquoted.withUnsafeBytes { buffer in
            do throws(Fault) { outcome = .success(try percentDecoded(buffer)) } catch { outcome = .failure(error) }
        }
        // `withUnsafeBytes` has run the closure, which always sets it.
        return try outcome.unsafelyUnwrapped.get()
    }

    private static func percentDecoded(_ text: UnsafeRawBufferPointer) throws(Fault) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let byte = text[index]
            index += 1
            guard byte == 0x25 else {
                out.append(byte)
                continue
            }
            guard index + 1 < text.count, let high = hexValue(text[index]), let low = hexValue(text[index + 1]) else {
                throw Fault(reason: "holds a % that two hexadecimal digits do not follow; a percent sign is %25")
            }
            out.append(high << 4 | low)
            index += 2
        }
        return out
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
