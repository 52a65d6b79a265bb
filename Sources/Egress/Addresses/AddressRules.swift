internal import Glibc

/// Which addresses functions may be connected to at all, whatever name led there.
package struct AddressRules: Sendable {
    /// What the operator allows although it is not the public internet.
    private let allowed: [AddressRange]
    /// The machine's own addresses, asked for at each connection.
    private let own: @Sendable () -> Set<IPAddress>

    package init(
        allowed: [AddressRange] = [],
        own: @escaping @Sendable () -> Set<IPAddress> = AddressRules.addressesOfThisMachine
    ) {
        self.allowed = allowed
        self.own = own
    }

    /// Addresses that are not the public internet: the special-purpose registries of RFC 6890 for IPv4 (loopback, private,
    /// link-local with the metadata services of clouds at 169.254.169.254, shared, documentation, benchmarking, multicast,
    /// reserved).
    private static let special4 = [
        AddressRange(v4: [0, 0, 0, 0], 8), AddressRange(v4: [10, 0, 0, 0], 8), AddressRange(v4: [100, 64, 0, 0], 10),
        AddressRange(v4: [127, 0, 0, 0], 8), AddressRange(v4: [169, 254, 0, 0], 16),
        AddressRange(v4: [172, 16, 0, 0], 12),
        AddressRange(v4: [192, 0, 0, 0], 24), AddressRange(v4: [192, 0, 2, 0], 24),
        AddressRange(v4: [192, 88, 99, 0], 24),
        AddressRange(v4: [192, 168, 0, 0], 16), AddressRange(v4: [198, 18, 0, 0], 15),
        AddressRange(v4: [198, 51, 100, 0], 24),
        AddressRange(v4: [203, 0, 113, 0], 24), AddressRange(v4: [224, 0, 0, 0], 4),
        AddressRange(v4: [240, 0, 0, 0], 4),
    ]
    /// The IPv6 addresses that are routed on the internet (RFC 4291 §2.4; IANA has given out nothing else), …
    private static let global6 = AddressRange(v6: [0x2000], 3)
    /// … less those of them with a special purpose: Teredo and other protocol assignments (RFC 2928), documentation
    /// (RFC 3849, RFC 9637).
    private static let special6 = [
        AddressRange(v6: [0x2001, 0], 23), AddressRange(v6: [0x2001, 0xDB8], 32), AddressRange(v6: [0x3FFF], 20),
    ]
    /// Addresses with an IPv4 address in them that is where they lead: NAT64 (RFC 6052) and 6to4 (RFC 3056).
    private static let nat64 = AddressRange(v6: [0x64, 0xFF9B], 96)
    private static let sixToFour = AddressRange(v6: [0x2002], 16)

    /// Why an address may not be reached; `nil` when it may.
    package func objection(to address: IPAddress) -> String? {
        if allowed.contains(where: { $0.contains(address) }) { return nil }
        if own().contains(address) { return "\(address) is an address of this machine" }
        if let inner = Self.embedded(address) {
            return objection(to: inner).map { "\(address) leads to \(inner): \($0)" }
        }
        let isSpecial =
            address.v4 == nil
            ? !Self.global6.contains(address) || Self.special6.contains { $0.contains(address) }
            : Self.special4.contains { $0.contains(address) }
        return isSpecial ? "\(address) is no address of the public internet" : nil
    }

    private static func embedded(_ address: IPAddress) -> IPAddress? {
        if nat64.contains(address) { return IPAddress(v4: Array(address.bytes[12..<16])) }
        if sixToFour.contains(address) { return IPAddress(v4: Array(address.bytes[2..<6])) }
        return nil
    }

    /// Every address of every interface (getifaddrs(3)).
    package static let addressesOfThisMachine: @Sendable () -> Set<IPAddress> = {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var found: Set<IPAddress> = []
        var next = first
        while let entry = next {
            if let address = entry.pointee.ifa_addr.flatMap({ IPAddress(socket: UnsafePointer($0)) }) {
                found.insert(address)
            }
            next = entry.pointee.ifa_next
        }
        return found
    }
}
