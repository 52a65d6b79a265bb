internal import Glibc

/// An internet address as its 16 bytes; IPv4 as IPv6 writes it (`::ffff:a.b.c.d`, RFC 4291 §2.5.5.2).
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    /// 16 of them.
    package let bytes: [UInt8]

    private static let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]

    package init(v4 bytes: [UInt8]) { self.bytes = Self.mapped + bytes.prefix(4) }
    package init(v6 bytes: [UInt8]) { self.bytes = Array(bytes.prefix(16)) }

    /// Reads the usual form only (inet_pton(3)): no `127.1`, no hexadecimal, no zone.
    package init?(_ text: String) {
        var v4 = in_addr()
        var v6 = in6_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            self.init(v4: withUnsafeBytes(of: &v4) { Array($0) })
        } else if inet_pton(AF_INET6, text, &v6) == 1 {
            self.init(v6: withUnsafeBytes(of: &v6) { Array($0) })
        } else {
            return nil
        }
    }

    /// The four bytes of an IPv4 address, also of one that is written as IPv6.
    package var v4: ArraySlice<UInt8>? { bytes.starts(with: Self.mapped) ? bytes[12...] : nil }

    package var description: String {
        if let v4 { return v4.map(String.init).joined(separator: ".") }
        var address = in6_addr()
        withUnsafeMutableBytes(of: &address) { $0.copyBytes(from: bytes) }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        inet_ntop(AF_INET6, &address, &text, socklen_t(INET6_ADDRSTRLEN))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
package struct AddressRange: Sendable, Hashable, CustomStringConvertible {
    package let address: IPAddress
    /// Of the 128 bits.
    package let length: Int

    /// Why a text is no range.
    package struct Fault: Error, Sendable, Hashable, CustomStringConvertible {
        package let message: String
        package var description: String { message }
    }

    package init(_ text: String) throws(Fault) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let address = IPAddress(parts[0]) else {
            throw Fault(
                message: "\"\(text)\" is no range of addresses: 10.1.0.0/16, fd00::/8 or one address was expected")
        }
        let width = address.v4 == nil ? 128 : 32
        var length = width
        if parts.count == 2 {
            guard let number = Int(parts[1]), (0...width).contains(number),
                parts[1].utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 })
            else { throw Fault(message: "\"\(text)\": /0 to /\(width) was expected behind the address") }
            length = number
        }
        self.init(address, length: length + 128 - width)
        guard self.address == address else {
            throw Fault(message: "\"\(text)\" has bits behind its length: did you mean \(self)?")
        }
    }

    /// - Parameter length: of the 128 bits; what is behind them is cleared.
    init(_ address: IPAddress, length: Int) {
        self.length = length
        self.address = IPAddress(v6: address.bytes.enumerated().map { $1 & Self.mask(length, byte: $0) })
    }

    /// For ranges that stand in this program.
    init(v4 bytes: [UInt8], _ length: Int) { self.init(IPAddress(v4: bytes), length: length + 96) }
    init(v6 words: [UInt16], _ length: Int) {
        let bytes = words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        self.init(IPAddress(v6: bytes + [UInt8](repeating: 0, count: 16 - bytes.count)), length: length)
    }

    /// A range of IPv6 addresses never means IPv4 ones.
    package func contains(_ other: IPAddress) -> Bool {
        guard length >= 96 || other.v4 == nil else { return false }
        for index in 0..<16 where other.bytes[index] & Self.mask(length, byte: index) != address.bytes[index] {
            return false
        }
        return true
    }

    private static func mask(_ length: Int, byte: Int) -> UInt8 {
        let bits = min(max(length - byte * 8, 0), 8)
        return bits == 0 ? 0 : 0xFF << UInt8(8 - bits)
    }

    package var description: String {
        "\(address)/\(address.v4 == nil || length < 96 ? length : length - 96)"
    }
}

extension IPAddress {
    /// The address of a socket address of the two families.
    init?(socket: UnsafePointer<sockaddr>) {
        switch Int32(socket.pointee.sa_family) {
        case AF_INET:
            self = UnsafeRawPointer(socket).withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
                withUnsafeBytes(of: pointer.pointee.sin_addr) { IPAddress(v4: Array($0)) }
            }
        case AF_INET6:
            self = UnsafeRawPointer(socket).withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
                withUnsafeBytes(of: pointer.pointee.sin6_addr) { IPAddress(v6: Array($0)) }
            }
        default: return nil
        }
    }
}
