/// The identities of a record, from Java's `toString()` of its principals, sorted by what they are.
///
/// A text that begins with `/` is a DN, whatever it holds; `Name[value]` ends with its *last* character; `,primary` is a
/// flag of Gid, GroupName and FQAN only; anything else stays as it is, in `other`.
struct Principals {
    private(set) var uids: [Int64] = []
    private(set) var gids: [Int64] = []
    private(set) var primaryGid: Int64?
    private(set) var names: [Run] = []
    private(set) var groups: [Run] = []
    private(set) var primaryGroup: Run?
    private(set) var dns: [Run] = []
    private(set) var fqans: [Run] = []
    private(set) var primaryFqan: Run?
    private(set) var emails: [Run] = []
    private(set) var origins: [Run] = []
    private(set) var oidc: [Run] = []
    private(set) var other: [Run] = []

    init(_ texts: [Run]) {
        for text in texts { add(text) }
    }

    /// The name under which the owner is known best: the user name, else the DN.
    static func owner(_ texts: [Run]) -> Run? {
        let principals = Principals(texts)
        return principals.names.first ?? principals.dns.first
    }

    private mutating func add(_ text: Run) {
        if text.count > 0, text[0] == 0x2F {
            dns.append(text)
            return
        }
        guard text.count > 0, text[text.count - 1] == 0x5D, let open = text.first(0x5B) else {
            other.append(text)
            return
        }
        let name = text.run(0, open)
        var value = text.run(open + 1, text.count - 1)
        func takePrimary() -> Bool {
            let flag: StaticString = ",primary"
            guard value.hasSuffix(Run(start: flag.utf8Start, count: flag.utf8CodeUnitCount)) else { return false }
            value = value.run(0, value.count - flag.utf8CodeUnitCount)
            return true
        }
        if name.equals("UidPrincipal"), let uid = value.decimal {
            uids.append(uid)
        } else if name.equals("GidPrincipal") {
            let isPrimary = takePrimary()
            guard let gid = value.decimal else {
                other.append(text)
                return
            }
            gids.append(gid)
            if isPrimary { primaryGid = gid }
        } else if name.equals("UserNamePrincipal") {
            names.append(value)
        } else if name.equals("GroupNamePrincipal") {
            if takePrimary() { primaryGroup = value }
            groups.append(value)
        } else if name.equals("FQANPrincipal") {
            if takePrimary() { primaryFqan = value }
            fqans.append(value)
        } else if name.equals("EmailAddressPrincipal") {
            emails.append(value)
        } else if name.equals("Origin") {
            if value.contains(where: { $0 != 0x2C && $0 != 0x20 }) { origins.append(value) }
        } else if name.equals("OidcSubjectPrincipal") {
            oidc.append(value)
        } else {
            other.append(text)
        }
    }

    /// Writes `,"subject":{…}`; nothing for nobody is an empty object.
    func write(into out: inout ByteSink) {
        out.put(",\"subject\":{")
        var isFirst = true
        func key(_ name: StaticString) {
            if !isFirst { out.put(0x2C as UInt8) }
            isFirst = false
            out.put(0x22 as UInt8)
            out.put(name)
            out.put("\":")
        }
        func list(_ name: StaticString, _ values: [Run]) {
            guard !values.isEmpty else { return }
            key(name)
            out.put("[")
            for (index, value) in values.enumerated() {
                if index > 0 { out.put(0x2C as UInt8) }
                out.put(quoted: value)
            }
            out.put("]")
        }
        func numbers(_ name: StaticString, _ values: [Int64]) {
            guard !values.isEmpty else { return }
            key(name)
            out.put("[")
            for (index, value) in values.enumerated() {
                if index > 0 { out.put(0x2C as UInt8) }
                out.put(decimal: value)
            }
            out.put("]")
        }
        numbers("uids", uids)
        numbers("gids", gids)
        if let primaryGid {
            key("primaryGid")
            out.put(decimal: primaryGid)
        }
        list("names", names)
        list("groups", groups)
        if let primaryGroup {
            key("primaryGroup")
            out.put(quoted: primaryGroup)
        }
        list("dns", dns)
        list("fqans", fqans)
        if let primaryFqan {
            key("primaryFqan")
            out.put(quoted: primaryFqan)
        }
        list("emails", emails)
        if !origins.isEmpty {
            key("origin")
            out.put("[")
            for (index, origin) in origins.enumerated() {
                if index > 0 { out.put(0x2C as UInt8) }
                writeAddresses(origin, into: &out)
            }
            out.put("]")
        }
        list("oidc", oidc)
        list("other", other)
        out.put("}")
    }
}
