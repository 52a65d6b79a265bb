/// Why a format declared in a header cannot be read.
public struct BillingFormatError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong, as a sentence that names the place in the format.
    public let message: String
    public var description: String { message }
}

/// A format of a billing file as a tree: the subset of StringTemplate 4 that dCache documents.
///
/// `$attr$`, `$attr.field$`, `$attr; format="…"$`, `$attr; separator="…"$`, `$if(attr)$…$else$…$endif$`. A backslash
/// before a dollar sign or a backslash makes it literal, as in StringTemplate.
struct FormatTemplate {
    indirect enum Node {
        case literal([UInt8])
        case attribute(name: String, format: String?, separator: String?)
        case condition(attribute: String, then: [Node], otherwise: [Node])
    }

    let nodes: [Node]

    init(_ text: [UInt8]) throws(BillingFormatError) {
        var parser = Parser(text: text)
        nodes = try parser.nodes(depth: 0)
        if parser.stop != nil {
            throw BillingFormatError(message: "the format has an $else$ or $endif$ without its $if(…)$")
        }
    }

    /// Every way in which the conditions can come out, as sequences without conditions. The ways with more literal text
    /// come first, for they are told apart most surely.
    func variants() throws(BillingFormatError) -> [[Node]] {
        var ways: [[Node]] = [[]]
        try Self.expand(nodes, into: &ways)
        return ways.enumerated().sorted { ($0.element.literalCount, $1.offset) > ($1.element.literalCount, $0.offset) }
            .map(\.element)
    }

    private static func expand(_ nodes: [Node], into ways: inout [[Node]]) throws(BillingFormatError) {
        for node in nodes {
            guard case .condition(_, let then, let otherwise) = node else {
                for index in ways.indices { ways[index].append(node) }
                continue
            }
            var other = ways
            try expand(then, into: &ways)
            try expand(otherwise, into: &other)
            ways += other
            if ways.count > 32 {
                throw BillingFormatError(message: "the format has more than 5 conditions; it cannot be read back")
            }
        }
    }

    private struct Parser {
        let text: [UInt8]
        var position = 0
        /// The directive at which a list of nodes ended: `else` or `endif`.
        var stop: String?

        init(text: [UInt8]) { self.text = text }

        mutating func nodes(depth: Int) throws(BillingFormatError) -> [Node] {
            guard depth < 8 else { throw BillingFormatError(message: "the format nests conditions deeper than 8") }
            var nodes: [Node] = []
            var literal: [UInt8] = []
            stop = nil
            while position < text.count {
                let byte = text[position]
                if byte == 0x5C, position + 1 < text.count, text[position + 1] == 0x24 || text[position + 1] == 0x5C {
                    literal.append(text[position + 1])
                    position += 2
                    continue
                }
                guard byte == 0x24 else {
                    literal.append(byte)
                    position += 1
                    continue
                }
                let column = position + 1
                let expression = try self.expression()
                if !literal.isEmpty {
                    nodes.append(.literal(literal))
                    literal = []
                }
                if expression == "else" || expression == "endif" {
                    stop = expression
                    return nodes
                }
                if expression.hasPrefix("if("), expression.hasSuffix(")") {
                    let attribute = String(expression.dropFirst(3).dropLast())
                    let then = try self.nodes(depth: depth + 1)
                    var otherwise: [Node] = []
                    if stop == "else" { otherwise = try self.nodes(depth: depth + 1) }
                    guard stop == "endif" else {
                        throw BillingFormatError(message: "the $if(…)$ at column \(column) has no $endif$")
                    }
                    stop = nil
                    nodes.append(.condition(attribute: attribute, then: then, otherwise: otherwise))
                } else {
                    nodes.append(try attribute(expression, column: column))
                }
            }
            if !literal.isEmpty { nodes.append(.literal(literal)) }
            return nodes
        }

        /// The text between two dollar signs; one inside quotes does not end it.
        private mutating func expression() throws(BillingFormatError) -> String {
            let start = position + 1
            var index = start
            var isQuoted = false
            while index < text.count {
                if text[index] == 0x22 { isQuoted.toggle() }
                if text[index] == 0x24, !isQuoted {
                    position = index + 1
                    return String(decoding: text[start..<index], as: UTF8.self)
                }
                index += 1
            }
            throw BillingFormatError(message: "the dollar sign at column \(start) has no partner")
        }

        private func attribute(_ expression: String, column: Int) throws(BillingFormatError) -> Node {
            var format: String?
            var separator: String?
            let parts = expression.split(separator: ";", maxSplits: 1)
            let padded = parts.first.map { $0.drop { $0 == " " } } ?? ""
            let name = String(padded.reversed().drop { $0 == " " }.reversed())
            let isName = !name.isEmpty && name.allSatisfy { $0.isLetter || $0.isNumber || "._-:".contains($0) }
            guard isName else {
                throw BillingFormatError(message: "$\(expression)$ at column \(column) is no attribute")
            }
            if parts.count == 2 {
                var rest = Substring(parts[1])
                while let equals = rest.firstIndex(of: "="), let open = rest[equals...].firstIndex(of: "\"") {
                    let option = rest[..<equals].filter { $0 != " " && $0 != "," }
                    let after = rest.index(after: open)
                    guard let close = rest[after...].firstIndex(of: "\"") else { break }
                    let value = String(rest[after..<close])
                    if option == "format" { format = value }
                    if option == "separator" { separator = value }
                    rest = rest[rest.index(after: close)...]
                }
            }
            return .attribute(name: name, format: format, separator: separator)
        }
    }
}

extension [FormatTemplate.Node] {
    fileprivate var literalCount: Int {
        reduce(0) { sum, node in
            if case .literal(let text) = node { sum + text.count } else { sum }
        }
    }
}
