/// What of the network a function may reach.
public enum NetworkRequest: Sendable, Hashable {
    /// Nothing at all, not even the machine it runs on.
    case none
    /// What its list allows, through a proxy of the server.
    case proxy([EgressRule])
    /// Everything that the server reaches. Unsafe; by the operator's permission only.
    case host

    /// The word for it.
    public var mode: String {
        switch self {
        case .none: "none"
        case .proxy: "proxy"
        case .host: "host"
        }
    }
}

/// A place that a function may reach through the proxy: `host:port` or `*.domain:port`.
public struct EgressRule: Sendable, Hashable, CustomStringConvertible {
    /// Lower case, without a trailing point: a name, an IPv4 address, an IPv6 address without brackets, or, with
    /// `coversSubdomains`, the domain above the names that are meant.
    public let host: String
    public let port: UInt16
    /// Whether names below `host` are meant, of any depth, and not `host` itself.
    public let coversSubdomains: Bool

    /// Why a text is no rule.
    package struct Fault: Error, Sendable, Hashable {
        package let message: String
    }

    /// Reads `host:port`, `*.domain:port`, `192.0.2.7:port` or `[2001:db8::7]:port`; the port is 443 when it is left out.
    package init(_ text: String) throws(Fault) {
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), !text.isEmpty else {
            throw Fault(
                message: "a host was expected, with its port: example.org:443 (names in other letters as xn--…)")
        }
        guard !text.contains("://"), !text.contains("/") else {
            throw Fault(
                message: "\"\(text)\" is an address of a page; only the host and its port are wanted: example.org:443")
        }
        var name = Substring(text)
        var portText: Substring?
        if name.hasPrefix("[") {
            guard let close = name.firstIndex(of: "]") else {
                throw Fault(message: "\"\(text)\": the \"]\" is missing")
            }
            let rest = name[name.index(after: close)...]
            guard rest.isEmpty || rest.hasPrefix(":") else {
                throw Fault(message: "\"\(text)\" is no host with a port")
            }
            if !rest.isEmpty { portText = rest.dropFirst() }
            name = name[name.index(after: name.startIndex)..<close]
            guard name.contains(":"), name.utf8.allSatisfy(Self.isAddressByte) else {
                throw Fault(message: "\"\(name)\" is no IPv6 address")
            }
        } else if let colon = name.lastIndex(of: ":") {
            guard name.firstIndex(of: ":") == colon else {
                throw Fault(message: "\"\(text)\": write an IPv6 address in brackets: [2001:db8::7]:443")
            }
            portText = name[name.index(after: colon)...]
            name = name[..<colon]
        }
        if let portText {
            guard !portText.isEmpty, portText.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = UInt16(portText), number > 0
            else { throw Fault(message: "\"\(portText)\" is no port: 1 to 65535") }
            port = number
        } else {
            port = 443
        }
        coversSubdomains = name.hasPrefix("*.")
        if coversSubdomains { name = name.dropFirst(2) }
        guard let host = Self.canonical(String(name)) else {
            throw Fault(message: "\"\(name)\" is no name of a host")
        }
        guard !coversSubdomains || host.utf8.split(separator: 0x2E).count >= 2 && !Self.isNumeric(host) else {
            throw Fault(
                message: "\"\(text)\" would be too much: name a domain with two parts at least, as in *.example.org")
        }
        self.host = host
    }

    public var description: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return (coversSubdomains ? "*." : "") + name + ":\(port)"
    }

    /// Whether the rule allows a host (as ``canonical(_:)`` writes it) and port.
    package func allows(host: String, port: UInt16) -> Bool {
        guard port == self.port else { return false }
        guard coversSubdomains else { return host == self.host }
        return host.utf8.count > self.host.utf8.count + 1 && host.hasSuffix("." + self.host)
    }

    /// A host as rules compare it: lower case, no trailing point; `nil` when it is none (RFC 1123 §2.1, with `_` as names
    /// in use have it; labels up to 63 bytes, names up to 253).
    package static func canonical(_ text: String) -> String? {
        var bytes = text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        if bytes.contains(0x3A) {
            return bytes.allSatisfy(isAddressByte) ? String(decoding: bytes, as: UTF8.self) : nil
        }
        if bytes.last == 0x2E { bytes.removeLast() }
        guard !bytes.isEmpty, bytes.count <= 253 else { return nil }
        for label in bytes.split(separator: 0x2E, omittingEmptySubsequences: false) {
            guard (1...63).contains(label.count), label.first != 0x2D, label.last != 0x2D,
                label.allSatisfy({
                    (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x5F
                })
            else { return nil }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether all of it is digits and points: an address, or what some resolvers would take for one.
    private static func isNumeric(_ host: String) -> Bool {
        host.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
    }

    private static func isAddressByte(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte | 0x20) || byte == 0x3A || byte == 0x2E
    }
}
