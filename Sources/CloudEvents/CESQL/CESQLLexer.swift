/// One word or sign of an expression.
package struct CESQLToken: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case word(String)
        case number(String)
        case string(String)
        case sign(String)
        case end
    }

    package let kind: Kind
    package let line: Int
    package let column: Int
    /// Whether white space stands before it: a sign directly before digits belongs to the number.
    package let followsSpace: Bool

    /// The token as a message names it.
    package var description: String {
        switch kind {
        case .word(let text), .number(let text), .sign(let text): "\"\(text.prefix(60))\""
        case .string: "a string"
        case .end: "the end"
        }
    }
}

/// Cuts an expression into tokens.
package struct CESQLLexer {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var line = 1
    private var column = 1

    package init(_ text: String) {
        scalars = Array(text.unicodeScalars)
    }

    /// All tokens, the last of which is `end`.
    package static func tokens(of text: String) throws(CESQLParseError) -> [CESQLToken] {
        var lexer = CESQLLexer(text)
        var tokens: [CESQLToken] = []
        while true {
            let token = try lexer.next()
            tokens.append(token)
            if token.kind == .end { return tokens }
        }
    }

    private mutating func next() throws(CESQLParseError) -> CESQLToken {
        let before = position
        while let scalar = peek(), scalar == " " || scalar == "\t" || scalar == "\r" || scalar == "\n" { advance() }
        let followsSpace = position > before
        let (line, column) = (line, column)
        func token(_ kind: CESQLToken.Kind) -> CESQLToken {
            CESQLToken(kind: kind, line: line, column: column, followsSpace: followsSpace)
        }
        guard let first = peek() else { return token(.end) }
        if Self.isWordPart(first) {
            var text = ""
            while let scalar = peek(), Self.isWordPart(scalar) {
                text.unicodeScalars.append(scalar)
                advance()
            }
            let isNumber = text.utf8.allSatisfy { (0x30...0x39).contains($0) }
            return token(isNumber ? .number(text) : .word(text))
        }
        switch first {
        case "'", "\"": return token(.string(try string(quote: first)))
        case "(", ")", ",", "+", "-", "*", "/", "%", "=":
            advance()
            return token(.sign(String(Character(first))))
        case "!", "<", ">":
            advance()
            if peek() == "=" || (first == "<" && peek() == ">") {
                let second = scalars[position]
                advance()
                return token(.sign(String(Character(first)) + String(Character(second))))
            }
            guard first != "!" else {
                throw CESQLParseError("! must be followed by =", line: line, column: column)
            }
            return token(.sign(String(Character(first))))
        default:
            throw CESQLParseError(
                "the character \(Self.name(first)) has no meaning here", line: line, column: column)
        }
    }

    /// A string between quotes. A backslash takes the quote, a quote doubled is one; every other backslash stays as it
    /// is, because it may be meant for a pattern of LIKE (§2.2, §3.4.3).
    private mutating func string(quote: Unicode.Scalar) throws(CESQLParseError) -> String {
        let (line, column) = (line, column)
        advance()
        var text = ""
        while let scalar = peek() {
            advance()
            if scalar == quote {
                guard peek() == quote else { return text }
                advance()
                text.unicodeScalars.append(quote)
            } else if scalar == "\\", let escaped = peek() {
                advance()
                if escaped != quote { text.unicodeScalars.append(scalar) }
                text.unicodeScalars.append(escaped)
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        throw CESQLParseError("the string that begins here is not closed", line: line, column: column)
    }

    private func peek() -> Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func advance() {
        if scalars[position] == "\n" {
            line += 1
            column = 1
        } else {
            column += 1
        }
        position += 1
    }

    private static func isWordPart(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_": true
        default: false
        }
    }

    private static func name(_ scalar: Unicode.Scalar) -> String {
        scalar.value > 0x20 && scalar.value < 0x7F
            ? String(Character(scalar)) : "U+" + String(scalar.value, radix: 16, uppercase: true)
    }
}
