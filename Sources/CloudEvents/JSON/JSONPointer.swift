/// A JSON Pointer (RFC 6901): the way to one value inside another.
public struct JSONPointer: Sendable, Hashable, CustomStringConvertible {
    /// The pointer as it was written.
    public let text: String
    /// The unescaped names.
    public let tokens: [String]

    /// Reads `""` (the whole) or `/a/0/b~1c`.
    ///
    /// - Throws: ``JSONPointerError`` for text that is no pointer.
    public init(_ text: String) throws(JSONPointerError) {
        self.text = text
        guard !text.isEmpty else {
            self.tokens = []
            return
        }
        guard text.utf8.first == 0x2F else {
            throw JSONPointerError(pointer: text, reason: "a JSON Pointer is empty or begins with /")
        }
        var tokens: [String] = []
        for part in text.utf8.dropFirst().split(separator: 0x2F, omittingEmptySubsequences: false) {
            var token: [UInt8] = []
            var rest = part
            while let byte = rest.popFirst() {
                guard byte == 0x7E else {
                    token.append(byte)
                    continue
                }
                switch rest.popFirst() {
                case 0x30: token.append(0x7E)
                case 0x31: token.append(0x2F)
                default: throw JSONPointerError(pointer: text, reason: "a ~ is followed by 0 or 1 (RFC 6901 §3)")
                }
            }
            tokens.append(String(decoding: token, as: UTF8.self))
        }
        self.tokens = tokens
    }

    /// The pointer with these names.
    public init(tokens: [String]) {
        self.tokens = tokens
        text = tokens.map { token in
            let escaped = token.utf8.flatMap { (byte: UInt8) -> [UInt8] in
                switch byte {
                case 0x7E: [0x7E, 0x30]
                case 0x2F: [0x7E, 0x31]
                default: [byte]
                }
            }
            return "/" + String(decoding: escaped, as: UTF8.self)
        }.joined()
    }

    public var description: String { text }

    /// The value that it points at; `nil` when there is none.
    public func value(in root: JSONValue) -> JSONValue? {
        var value = root
        for token in tokens {
            switch value {
            case .object(let object):
                guard let next = object[token] else { return nil }
                value = next
            case .array(let array):
                guard let index = Self.index(token), index < array.count else { return nil }
                value = array[index]
            default: return nil
            }
        }
        return value
    }

    /// An index into an array: digits without leading zeros (RFC 6901 §4); `-`, the element behind the last, is none.
    private static func index(_ token: String) -> Int? {
        guard token.utf8.count <= 9, token.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let number = Int(token),
            token == "0" || token.utf8.first != 0x30
        else { return nil }
        return number
    }
}

/// Why a text is no JSON Pointer.
public struct JSONPointerError: Error, Sendable, Hashable, CustomStringConvertible {
    public let pointer: String
    public let reason: String

    public var description: String { "\"\(pointer)\" is no JSON Pointer: \(reason)" }
}
