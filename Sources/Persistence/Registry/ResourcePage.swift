import CloudEvents

/// Some resources of a list, and where it goes on.
package struct ResourcePage: Sendable, Hashable {
    package static let largest = 1000

    package var resources: [ResourceDocument]
    /// To be handed in for the next page; `nil`: this was the last. Opaque to callers.
    package var next: String?
}

/// The place behind which a page begins.
struct ListCursor: Equatable {
    var namespace = ""
    var name = ""

    init(namespace: String = "", name: String = "") {
        self.namespace = namespace
        self.name = name
    }

    init(_ text: String) throws(PersistenceError) {
        // Base64 with the letters of RFC 4648 §5, so that a cursor can stand in an address as it is.
        let standard = text.utf8.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            default: byte
            }
        }
        let padded = standard + Array(repeating: UInt8(ascii: "="), count: (4 - standard.count % 4) % 4)
        guard let bytes = Base64.decode(padded), let parts = try? JSONValue(parsing: bytes).array, parts.count == 2,
            let namespace = parts[0].string, let name = parts[1].string
        else { throw PersistenceError(.invalid, "the cursor is none that a list gave: begin again without one") }
        self.init(namespace: namespace, name: name)
    }

    var text: String {
        var out = ""
        for character in Base64.encode(JSONValue.array([.string(namespace), .string(name)]).encoded()) {
            switch character {
            case "+": out += "-"
            case "/": out += "_"
            case "=": break
            default: out.append(character)
            }
        }
        return out
    }
}
