import CloudEvents

/// What a YAML scalar means: the core schema of YAML 1.2.2 §10.3.2.
enum YAMLScalar {
    struct Refusal: Error {
        let message: String
    }

    static let tagMessage = "tags (!…) are not read, except !!str"

    static func isPlainTag(_ tag: String) -> Bool {
        ["", "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"].contains(tag)
    }

    static func read(_ text: String, isPlain: Bool, tag: String) -> Result<JSONValue, Refusal> {
        switch tag {
        case "tag:yaml.org,2002:str", "!": return .success(.string(text))
        case "": break
        default: return .failure(Refusal(message: tagMessage))
        }
        guard isPlain else { return .success(.string(text)) }
        switch text {
        case "", "~", "null", "Null", "NULL": return .success(.null)
        case "true", "True", "TRUE": return .success(.bool(true))
        case "false", "False", "FALSE": return .success(.bool(false))
        default: return number(text)
        }
    }

    private static func number(_ text: String) -> Result<JSONValue, Refusal> {
        let bytes = Array(text.utf8)
        let isNegative = bytes.first == 0x2D
        let digits = bytes.dropFirst(isNegative || bytes.first == 0x2B ? 1 : 0)
        guard let first = digits.first else { return .success(.string(text)) }
        if digits.allSatisfy({ (0x30...0x39).contains($0) }) {
            guard first != 0x30 || digits.count == 1 else {
                return .failure(
                    Refusal(
                        message: "\(text) is read as octal by some and as decimal by others: "
                            + "put it in quotes or leave out the leading zero"))
            }
            let unsigned = String(decoding: digits, as: UTF8.self)
            if let integer = Int64((isNegative ? "-" : "") + unsigned) { return .success(.integer(integer)) }
            return Double(text).map { .success(.number($0)) } ?? .success(.string(text))
        }
        for (prefix, radix) in [("0x", 16), ("0o", 8)] where text.hasPrefix(prefix) {
            let rest = text.dropFirst(2)
            if rest.utf8.allSatisfy({ $0 != 0x2B && $0 != 0x2D }), let integer = Int64(rest, radix: radix) {
                return .success(.integer(integer))
            }
            return .success(.string(text))
        }
        switch digits.map({ $0 | 0x20 }) {
        case Array(".inf".utf8), Array(".nan".utf8):
            return .failure(Refusal(message: "\(text) has no place in JSON: put it in quotes if a text is meant"))
        default: break
        }
        // [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
        let isNumeric = digits.allSatisfy { (0x30...0x39).contains($0) || [0x2E, 0x65, 0x45, 0x2B, 0x2D].contains($0) }
        guard isNumeric, (0x30...0x39).contains(first) || first == 0x2E, text != ".", let value = Double(text),
            value.isFinite
        else { return .success(.string(text)) }
        return .success(.number(value))
    }
}
