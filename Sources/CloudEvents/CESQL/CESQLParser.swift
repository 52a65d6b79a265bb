/// Makes a syntax tree of tokens by precedence climbing (CESQL 1.0 §2, §3.6).
package struct CESQLParser {
    private let tokens: [CESQLToken]
    private var position = 0
    private var nesting = 0

    /// A part of the tree and how many levels it has.
    private struct Part {
        let syntax: CESQLSyntax
        let depth: Int
    }

    /// How deep brackets, calls, sets and prefix operators may nest: parsing them takes stack.
    package static var maximumNesting: Int { 64 }
    /// How many levels the tree may have: evaluating it takes stack, and a chain of operators makes a level each.
    package static var maximumDepth: Int { 256 }
    /// How many tokens an expression may have.
    package static var maximumTokens: Int { 20_000 }

    private static let keywords: Set<String> = [
        "and", "or", "xor", "not", "like", "exists", "in", "true", "false",
    ]

    private init(_ tokens: [CESQLToken]) {
        self.tokens = tokens
    }

    package static func parse(_ text: String) throws(CESQLParseError) -> CESQLSyntax {
        let tokens = try CESQLLexer.tokens(of: text)
        if tokens.count > maximumTokens {
            let token = tokens[maximumTokens]
            throw CESQLParseError(
                "the expression has more than \(maximumTokens) words and signs", line: token.line, column: token.column)
        }
        var parser = CESQLParser(tokens)
        let whole = try parser.expression(minimumPrecedence: 1)
        guard parser.token.kind == .end else {
            throw parser.failure("an operator or the end was expected, not \(parser.token.description)")
        }
        return whole.syntax
    }

    // MARK: Operators

    private mutating func expression(minimumPrecedence: Int) throws(CESQLParseError) -> Part {
        var left = try postfixed()
        while let found = binaryOperator(), found.precedence >= minimumPrecedence {
            position += 1
            // Left to right within one level (§3.6), so the right side binds one level tighter.
            let right = try expression(minimumPrecedence: found.precedence + 1)
            left = try part(.binary(found, left.syntax, right.syntax), over: max(left.depth, right.depth))
        }
        return left
    }

    /// LIKE and IN bind tighter than the other binary operators, and looser than NOT and minus before their operand.
    private mutating func postfixed() throws(CESQLParseError) -> Part {
        var left = try prefixed()
        while true {
            let isNegated = keyword() == "not" && (keyword(ahead: 1) == "like" || keyword(ahead: 1) == "in")
            let word = keyword(ahead: isNegated ? 1 : 0)
            guard word == "like" || word == "in" else { return left }
            position += isNegated ? 2 : 1
            if word == "like" {
                guard case .string(let pattern) = token.kind else {
                    throw failure("the pattern of LIKE must be a string between quotes, not \(token.description)")
                }
                position += 1
                left = try part(
                    .like(left.syntax, CESQLPattern(pattern), isNegated: isNegated), over: left.depth)
            } else {
                try expect("(", "the set of IN must begin with (")
                let (set, depth) = try list()
                guard !set.isEmpty else { throw failure("the set of IN must not be empty", at: position - 1) }
                left = try part(.isIn(left.syntax, set, isNegated: isNegated), over: max(left.depth, depth))
            }
        }
    }

    private mutating func prefixed() throws(CESQLParseError) -> Part {
        if keyword() == "not" {
            try enter()
            defer { nesting -= 1 }
            position += 1
            let operand = try prefixed()
            return try part(.not(operand.syntax), over: operand.depth)
        }
        guard case .sign(let sign) = token.kind, sign == "-" || sign == "+" else { return try primary() }
        // A sign directly before digits is part of the literal (§2.2), which alone can reach -2147483648.
        if position + 1 < tokens.count, case .number(let digits) = tokens[position + 1].kind,
            !tokens[position + 1].followsSpace
        {
            let literal = try number(sign + digits)
            position += 2
            return literal
        }
        guard sign == "-" else { throw failure("a value was expected, not \"+\"") }
        try enter()
        defer { nesting -= 1 }
        position += 1
        let operand = try prefixed()
        return try part(.negate(operand.syntax), over: operand.depth)
    }

    /// A node above parts of that depth.
    private func part(_ syntax: CESQLSyntax, over depth: Int) throws(CESQLParseError) -> Part {
        guard depth < Self.maximumDepth else {
            throw failure("more than \(Self.maximumDepth) operators build on each other; IN holds many values")
        }
        return Part(syntax: syntax, depth: depth + 1)
    }

    private mutating func enter() throws(CESQLParseError) {
        guard nesting < Self.maximumNesting else { throw failure("nesting is deeper than \(Self.maximumNesting)") }
        nesting += 1
    }

    // MARK: Values

    private mutating func primary() throws(CESQLParseError) -> Part {
        switch token.kind {
        case .number(let digits):
            let literal = try number(digits)
            position += 1
            return literal
        case .string(let text):
            position += 1
            return Part(syntax: .literal(.string(text)), depth: 1)
        case .sign("("):
            try enter()
            defer { nesting -= 1 }
            position += 1
            let inner = try expression(minimumPrecedence: 1)
            try expect(")", "a closing ) was expected")
            return inner
        case .word(let word):
            return try self.word(word)
        case .sign, .end:
            throw failure("a value was expected, not \(token.description)")
        }
    }

    private mutating func word(_ word: String) throws(CESQLParseError) -> Part {
        let lower = word.lowercased()
        switch lower {
        case "true", "false":
            position += 1
            return Part(syntax: .literal(.boolean(lower == "true")), depth: 1)
        case "exists":
            position += 1
            return Part(syntax: .exists(try attributeName()), depth: 1)
        case _ where Self.keywords.contains(lower):
            throw failure("a value was expected, not \"\(word)\"")
        default: break
        }
        if position + 1 < tokens.count, tokens[position + 1].kind == .sign("(") {
            guard word.utf8.allSatisfy({ !(0x30...0x39).contains($0) }), word.utf8.first != 0x5F else {
                throw failure("\"\(word.prefix(60))\" is no function name: letters and _ only, a letter first")
            }
            position += 2
            let (arguments, depth) = try list()
            return try part(.call(word.uppercased(), arguments), over: depth)
        }
        return Part(syntax: .attribute(try attributeName()), depth: 1)
    }

    private mutating func attributeName() throws(CESQLParseError) -> String {
        let name: String
        switch token.kind {
        case .word(let word): name = word.lowercased()
        // A name may consist of digits, but digits alone read as a number everywhere else; only EXISTS can mean it.
        case .number(let digits): name = digits
        default: throw failure("an attribute name was expected, not \(token.description)")
        }
        guard !Self.keywords.contains(name) else {
            throw failure("an attribute name was expected, not the keyword \"\(name)\"")
        }
        guard !name.utf8.contains(0x5F) else {
            throw failure("\"\(name.prefix(60))\" is no attribute name: letters and digits only")
        }
        position += 1
        return name
    }

    /// Expressions up to the closing bracket, the opening one being consumed already.
    private mutating func list() throws(CESQLParseError) -> (elements: [CESQLSyntax], depth: Int) {
        var elements: [CESQLSyntax] = []
        var depth = 0
        if token.kind == .sign(")") {
            position += 1
            return (elements, depth)
        }
        try enter()
        defer { nesting -= 1 }
        while true {
            let element = try expression(minimumPrecedence: 1)
            elements.append(element.syntax)
            depth = max(depth, element.depth)
            guard token.kind == .sign(",") else { break }
            position += 1
        }
        try expect(")", "a comma or a closing ) was expected")
        return (elements, depth)
    }

    private func number(_ text: String) throws(CESQLParseError) -> Part {
        guard let value = Int32(text) else {
            throw failure("the number \(text.prefix(60)) is outside -2147483648 to 2147483647")
        }
        return Part(syntax: .literal(.integer(value)), depth: 1)
    }

    // MARK: Tokens

    private var token: CESQLToken { tokens[min(position, tokens.count - 1)] }

    private func keyword(ahead: Int = 0) -> String? {
        guard position + ahead < tokens.count, case .word(let word) = tokens[position + ahead].kind else { return nil }
        let lower = word.lowercased()
        return Self.keywords.contains(lower) ? lower : nil
    }

    private func binaryOperator() -> CESQLSyntax.Operator? {
        switch token.kind {
        case .sign("*"): return .multiply
        case .sign("/"): return .divide
        case .sign("%"): return .remainder
        case .sign("+"): return .add
        case .sign("-"): return .subtract
        case .sign("="): return .equal
        case .sign("!="), .sign("<>"): return .notEqual
        case .sign("<"): return .less
        case .sign("<="): return .lessOrEqual
        case .sign(">"): return .greater
        case .sign(">="): return .greaterOrEqual
        default: break
        }
        switch keyword() {
        case "and": return .and
        case "or": return .or
        case "xor": return .xor
        default: return nil
        }
    }

    private mutating func expect(_ sign: String, _ reason: String) throws(CESQLParseError) {
        guard token.kind == .sign(sign) else { throw failure("\(reason), not \(token.description)") }
        position += 1
    }

    private func failure(_ reason: String, at index: Int? = nil) -> CESQLParseError {
        let token = index.map { tokens[$0] } ?? token
        return CESQLParseError(reason, line: token.line, column: token.column)
    }
}
