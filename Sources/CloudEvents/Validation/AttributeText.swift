/// The characters that strings of attributes may hold (CloudEvents 1.0.2 §"Type System", String).
package enum AttributeText {
    /// What a run of bytes is found to be.
    package enum Verdict: Equatable {
        case allowed
        /// Holds a scalar that attributes must not hold: a control character or a noncharacter.
        case forbidden(UInt32)
        /// Is not UTF-8 (this includes lone surrogates, which UTF-8 cannot hold).
        case notUTF8
    }

    /// Looks at every character.
    package static func check(_ bytes: UnsafeRawBufferPointer) -> Verdict {
        var position = 0
        while true {
            position = ByteRuns.endOfPrintableASCII(bytes, from: position)
            guard position < bytes.count else { return .allowed }
            if bytes[position] < 0x80 { return .forbidden(UInt32(bytes[position])) }
            guard let (scalar, length) = multibyte(bytes, at: position) else { return .notUTF8 }
            if isForbidden(scalar) { return .forbidden(scalar) }
            position += length
        }
    }

    /// Whether the bytes are UTF-8, whatever they say.
    package static func isUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        while position < bytes.count {
            if bytes[position] < 0x80 {
                position += 1
                continue
            }
            guard let (_, length) = multibyte(bytes, at: position) else { return false }
            position += length
        }
        return true
    }

    private static func isForbidden(_ scalar: UInt32) -> Bool {
        scalar < 0x20 || (0x7F...0x9F).contains(scalar) || (0xFDD0...0xFDEF).contains(scalar)
            || scalar & 0xFFFE == 0xFFFE
    }

    /// One sequence of two to four bytes (RFC 3629: shortest form, no surrogates, at most U+10FFFF); `nil` when broken.
    private static func multibyte(_ bytes: UnsafeRawBufferPointer, at start: Int) -> (scalar: UInt32, length: Int)? {
        let lead = UInt32(bytes[start])
        let length: Int
        let least: UInt32
        var scalar: UInt32
        switch lead {
        case 0xC2...0xDF: (length, least, scalar) = (2, 0x80, lead & 0x1F)
        case 0xE0...0xEF: (length, least, scalar) = (3, 0x800, lead & 0x0F)
        case 0xF0...0xF4: (length, least, scalar) = (4, 0x10000, lead & 0x07)
        default: return nil
        }
        guard start + length <= bytes.count else { return nil }
        for index in (start + 1)..<(start + length) {
            guard bytes[index] & 0xC0 == 0x80 else { return nil }
            scalar = scalar << 6 | UInt32(bytes[index] & 0x3F)
        }
        guard scalar >= least, scalar <= 0x10FFFF, !(0xD800...0xDFFF).contains(scalar) else { return nil }
        return (scalar, length)
    }
}
