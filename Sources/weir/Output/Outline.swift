import CloudEvents

/// A JSON value as an indented outline, one fact a line; what a person reads instead of braces.
enum Outline {
    static func text(_ value: JSONValue, _ terminal: Terminal) -> String {
        var out = ""
        write(value, indent: 0, terminal, &out)
        return out
    }

    private static func write(_ value: JSONValue, indent: Int, _ terminal: Terminal, _ out: inout String) {
        let margin = String(repeating: "  ", count: indent)
        switch value {
        case .object(let object):
            let width = object.members.map(\.name.count).max() ?? 0
            for member in object.members {
                let name = terminal.paint(member.name, .bold)
                if let scalar = scalar(member.value) {
                    let padding = String(repeating: " ", count: max(1, width - member.name.count + 2))
                    let shown =
                        scalar.contains("\n")
                        ? "\n"
                            + scalar.split(separator: "\n", omittingEmptySubsequences: false)
                            .map { margin + "    " + $0 }.joined(separator: "\n")
                        : padding + terminal.state(scalar)
                    out += "\(margin)\(name)\(shown)\n"
                } else {
                    out += "\(margin)\(name)\n"
                    write(member.value, indent: indent + 1, terminal, &out)
                }
            }
        case .array(let elements):
            for element in elements {
                if let scalar = scalar(element) {
                    out += "\(margin)- \(scalar)\n"
                } else if case .object(let object) = element, object.count == 1 || isFlat(object) {
                    out += "\(margin)- \(element.text)\n"
                } else {
                    out += "\(margin)-\n"
                    write(element, indent: indent + 1, terminal, &out)
                }
            }
        default:
            out += margin + (scalar(value) ?? "") + "\n"
        }
    }

    private static func isFlat(_ object: JSONObject) -> Bool {
        object.count <= 4 && object.members.allSatisfy { scalar($0.value) != nil }
    }

    private static func scalar(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): text
        case .null: "–"
        case .array(let elements) where elements.isEmpty: "none"
        case .object(let object) where object.isEmpty: "none"
        case .array, .object: nil
        default: value.text
        }
    }
}
