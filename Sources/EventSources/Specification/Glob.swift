/// A pattern for names, as a shell writes it: `*` (any characters but `/`), `**` (any at all), `?`, `[a-z]`, `[!a]`, `\`.
///
/// A pattern without `/` is held against the last part of a path, one with `/` against the whole path below the folder.
package struct Glob: Sendable, Hashable {
    package let pattern: String
    private let tokens: [Token]
    private let wholePath: Bool

    private enum Token: Sendable, Hashable {
        case character(Character)
        case any
        case anyWithinPart
        case anyPath
        case set([ClosedRange<Character>], negated: Bool)
    }

    package init(_ pattern: String) {
        self.pattern = pattern
        wholePath = pattern.contains("/")
        var tokens: [Token] = []
        var rest = Substring(pattern.hasPrefix("/") ? pattern.dropFirst() : Substring(pattern))
        while let character = rest.popFirst() {
            switch character {
            case "*":
                if rest.first == "*" {
                    while rest.first == "*" { rest.removeFirst() }
                    // "**/" also stands for no folder at all.
                    if rest.first == "/" { rest.removeFirst() }
                    tokens.append(.anyPath)
                } else {
                    tokens.append(.anyWithinPart)
                }
            case "?": tokens.append(.any)
            case "\\": tokens.append(.character(rest.popFirst() ?? "\\"))
            case "[":
                if let (set, behind) = Self.set(rest) {
                    tokens.append(set)
                    rest = behind
                } else {
                    tokens.append(.character("["))
                }
            default: tokens.append(.character(character))
            }
        }
        self.tokens = tokens
    }

    /// - Parameter path: relative to the folder, without a leading `/`.
    package func matches(_ path: String) -> Bool {
        let text =
            wholePath
            ? Array(path) : Array(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...])
        return Self.match(tokens[...], text[...])
    }

    private static func set(_ text: Substring) -> (Token, Substring)? {
        var rest = text
        var ranges: [ClosedRange<Character>] = []
        let negated = rest.first == "!" || rest.first == "^"
        if negated { rest.removeFirst() }
        var first = true
        while let low = rest.popFirst() {
            if low == "]", !first { return (.set(ranges, negated: negated), rest) }
            first = false
            if rest.first == "-", let high = rest.dropFirst().first, high != "]" {
                rest.removeFirst(2)
                if low <= high { ranges.append(low...high) }
            } else {
                ranges.append(low...low)
            }
        }
        return nil
    }

    /// Linear but for `*`, of which only the last is tried again (and `**`, by recursion).
    private static func match(_ tokens: ArraySlice<Token>, _ text: ArraySlice<Character>) -> Bool {
        var token = tokens.startIndex
        var position = text.startIndex
        var star: (token: Int, position: Int)?
        while true {
            if token < tokens.endIndex {
                switch tokens[token] {
                case .anyPath:
                    return (position...text.endIndex).contains { match(tokens[(token + 1)...], text[$0...]) }
                case .anyWithinPart:
                    star = (token, position)
                    token += 1
                    continue
                case let single where position < text.endIndex && accepts(single, text[position]):
                    token += 1
                    position += 1
                    continue
                default: break
                }
            } else if position == text.endIndex {
                return true
            }
            guard let last = star, last.position < text.endIndex, text[last.position] != "/" else { return false }
            star = (last.token, last.position + 1)
            token = last.token + 1
            position = last.position + 1
        }
    }

    private static func accepts(_ token: Token, _ character: Character) -> Bool {
        switch token {
        case .character(let wanted): wanted == character
        case .any: character != "/"
        case .set(let ranges, let negated):
            character != "/" && ranges.contains { $0.contains(character) } != negated
        case .anyWithinPart, .anyPath: false
        }
    }
}
