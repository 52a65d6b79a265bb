import Testing

@testable import Egress

/// Where a connection may lead, whatever the name was.
@Suite struct AddressTests {
    private let rules = AddressRules(own: {
        [IPAddress("8.8.4.4"), IPAddress("2a00:1450::1")].reduce(into: []) { $0.formUnion($1.map { [$0] } ?? []) }
    })

    @Test(arguments: [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001::1",
        "3fff::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2002:a00:1::", "::127.0.0.1", "8.8.4.4", "::ffff:8.8.4.4", "2a00:1450::1",
    ])
    func whatIsNotThePublicInternetIsRefused(text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(rules.objection(to: address) != nil)
    }

    @Test(arguments: [
        "1.1.1.1", "8.8.8.8", "131.169.1.1", "172.32.0.1", "172.15.255.255", "100.128.0.1", "192.0.1.1", "198.20.0.1",
        "223.255.255.255",
        "2a00:1450:4001::1", "2001:638:d:c100::1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101",
        "2002:101:101::1",
    ])
    func thePublicInternetIsNot(text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(rules.objection(to: address) == nil)
    }

    @Test func whatTheOperatorAllowsIsReached() throws {
        let rules = AddressRules(
            allowed: [try AddressRange("10.1.0.0/16"), try AddressRange("127.0.0.1"), try AddressRange("fd00:1::/32")],
            own: { [] })
        for text in ["10.1.2.3", "127.0.0.1", "fd00:1::5", "::ffff:10.1.0.1"] {
            let address = try #require(IPAddress(text))
            #expect(rules.objection(to: address) == nil, "\(text)")
        }
        for text in ["10.2.0.1", "127.0.0.2", "fd00:2::5", "::1"] {
            let address = try #require(IPAddress(text))
            #expect(rules.objection(to: address) != nil, "\(text)")
        }
        let inside = try #require(IPAddress("10.0.0.1"))
        let six = AddressRules(allowed: [try AddressRange("::/0")], own: { [] })
        let four = AddressRules(allowed: [try AddressRange("0.0.0.0/0")], own: { [] })
        #expect(six.objection(to: inside) != nil && four.objection(to: inside) == nil)
    }

    @Test(arguments: [
        "", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "fd00::/129", "x/8", "10.0.0.0/8/8", "10.0.0.1/8", "0x7f.1",
        "10.0.0.0/ 8",
    ])
    func whatIsNoRangeIsRefused(text: String) {
        #expect(throws: AddressRange.Fault.self) { try AddressRange(text) }
    }

    @Test func rangesAreWrittenAsTheyWereRead() throws {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "192.168.1.1/32", "2001:db8::1/128"] {
            #expect(try AddressRange(text).description == text)
        }
    }

    @Test func theMachinesOwnAddressesAreKnown() throws {
        let loopback = try #require(IPAddress("127.0.0.1"))
        #expect(AddressRules.addressesOfThisMachine().contains(loopback))
    }
}
