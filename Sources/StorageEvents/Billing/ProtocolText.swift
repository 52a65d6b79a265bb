/// The protocol of a text record, `Name-major.minor` and what the protocol adds:
/// `GFtp-2.0 host port`, `DCap-3.0,host:port`, `Http-1.1:host:0:doorCell:doorDomain:path`, `NFS4-4.1:addr:port`,
/// `Xrootd-5.0:host:port`, `RemoteHttpsDataTransfer-1.1:URL`, `RemoteGsiftpTransfer-1.1 host:port`.
extension BillingView {
    /// Fills `protocolName`, version, host and port from `protocolText` as far as it can be read.
    @inline(__always)
    mutating func readProtocolText() {
        guard let text = protocolText, let dash = text.first(0x2D), dash > 0 else { return }
        var end = dash &+ 1
        while end < text.count, text[end] &- 48 < 10 { end &+= 1 }
        guard let major = text.run(dash &+ 1, end).decimal else { return }
        var minor: Int64 = 0
        if end < text.count, text[end] == 0x2E {
            let start = end &+ 1
            end = start
            while end < text.count, text[end] &- 48 < 10 { end &+= 1 }
            minor = text.run(start, end).decimal ?? 0
        }
        let name = text.run(0, dash)
        protocolName = name
        (protocolMajor, protocolMinor) = (major, minor)
        // A separator is ASCII: anything else must not be cut in the middle of a character.
        guard end < text.count, text[end] < 0x80 else { return }
        let rest = text.run(end &+ 1, text.count)
        if name.hasPrefix("Http") {
            let hostEnd = Self.hostEnd(rest)
            guard hostEnd < rest.count else { return }
            protocolHost = rest.run(0, hostEnd)
            let portEnd = rest.first(0x3A, from: hostEnd &+ 1) ?? rest.count
            protocolPort = rest.run(hostEnd &+ 1, portEnd).decimal
        } else if name.hasPrefix("RemoteHttp") {
            return
        } else {
            let separator: UInt8 = text[end] == 0x20 && rest.first(0x20) != nil ? 0x20 : 0x3A
            guard let cut = rest.last(separator, before: rest.count), let port = rest.run(cut &+ 1, rest.count).decimal
            else { return }
            (protocolHost, protocolPort) = (rest.run(0, cut), port)
        }
    }

    /// Where the host of `host:0:cell:…` ends: an IPv6 address in Java's long form has seven colons of its own.
    @inline(__always)
    private static func hostEnd(_ rest: Run) -> Int {
        guard let colon = rest.first(0x3A) else { return rest.count }
        if rest.count > 0, rest[0] == 0x5B, let close = rest.first(0x5D) { return close &+ 1 }
        for index in 0..<colon where InternetAddress.hexValue(rest[index]) == nil { return colon }
        var end = colon
        for group in 2...8 {
            let start = end &+ 1
            end = rest.first(0x3A, from: start) ?? rest.count
            let item = rest.run(start, end)
            let digits = group == 8 ? item.first(0x25) ?? item.count : item.count
            guard digits > 0, digits <= 4 else { return colon }
            for index in 0..<digits where InternetAddress.hexValue(item[index]) == nil { return colon }
        }
        return end
    }
}
