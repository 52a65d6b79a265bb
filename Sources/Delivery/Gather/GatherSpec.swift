package import CloudEvents
import Manifest

/// When a group of events is complete, as a person specifies it.
package struct GatherSpec: Sendable, Hashable {
    /// What makes events a group.
    package enum By: Sendable, Hashable {
        /// The folder of the subject.
        case directory
        /// The value of an attribute.
        case attribute(String)
        /// Parts of the subject.
        case path(GroupPattern)
    }

    package enum Count: Sendable, Hashable {
        case number(Int)
        /// In the data of the marker, or of any member.
        case pointer(JSONPointer)
    }

    /// What becomes of an event whose group has fired.
    package enum Late: String, Sendable, Hashable, CaseIterable {
        /// It is counted, and that is all.
        case ignore
        /// The group fires once more, with all its members.
        case again
        /// It begins another group of the same name.
        case new
    }

    package var by: By
    package var count: Count?
    package var marker: [Filter] = []
    /// How long it must be quiet behind the marker; milliseconds.
    package var settle: Int64 = 0
    package var quiet: Int64?
    package var deadline: Int64?
    package var late = Late.ignore
    /// How long a group that has fired is remembered.
    package var remember: Int64 = 7 * 86_400_000
    /// A group with so many members fires as it is.
    package var limit = 10_000
}

/// A pattern of subjects, `/raw/{run}/**/*.h5`: `{name}` stands for a part of one segment and names the group, `*` for
/// any part of a segment, `**` for any number of segments.
package struct GroupPattern: Sendable, Hashable {
    private enum Piece: Sendable, Hashable {
        case text([UInt8])
        case any
        case named(String)
    }

    package let text: String
    /// `nil` is `**`.
    private let segments: [[Piece]?]

    /// - Throws: ``DocumentError`` at `path`.
    init(_ text: String, path: String) throws(DocumentError) {
        self.text = text
        var names: Set<String> = []
        var segments: [[Piece]?] = []
        for segment in text.split(separator: "/", omittingEmptySubsequences: true) {
            if segment == "**" {
                segments.append(nil)
                continue
            }
            var pieces: [Piece] = []
            var literal: [UInt8] = []
            func close() {
                if !literal.isEmpty { pieces.append(.text(literal)) }
                literal = []
            }
            var rest = segment[...]
            while let character = rest.first {
                switch character {
                case "*":
                    close()
                    pieces.append(.any)
                    rest = rest.dropFirst()
                case "{":
                    guard let end = rest.firstIndex(of: "}") else {
                        throw DocumentError(path: path, message: "\"\(text)\": a } is missing")
                    }
                    let name = String(rest[rest.index(after: rest.startIndex)..<end])
                    guard !name.isEmpty, name.utf8.allSatisfy({ $0 != 0x7B && $0 > 0x20 }), names.insert(name).inserted
                    else {
                        throw DocumentError(path: path, message: "\"\(text)\": each {name} needs a name of its own")
                    }
                    close()
                    pieces.append(.named(name))
                    rest = rest[rest.index(after: end)...]
                default:
                    literal += String(character).utf8
                    rest = rest.dropFirst()
                }
            }
            close()
            segments.append(pieces)
        }
        guard !names.isEmpty else {
            throw DocumentError(
                path: path, message: "\"\(text)\" names nothing: write {run} where the group's name stands")
        }
        self.segments = segments
    }

    /// The named parts of a subject that matches, in the order of the pattern; `nil` for one that does not.
    package func match(_ subject: String) -> [(name: String, value: String)]? {
        let parts = subject.utf8.split(separator: 0x2F, omittingEmptySubsequences: true).map { Array($0) }
        return Self.match(segments[...], parts[...])
    }

    private static func match(
        _ segments: ArraySlice<[Piece]?>, _ parts: ArraySlice<[UInt8]>
    ) -> [(name: String, value: String)]? {
        guard let first = segments.first else { return parts.isEmpty ? [] : nil }
        guard let pieces = first else {
            // The fewest segments that let the rest match.
            for start in parts.startIndex...parts.endIndex {
                if let found = match(segments.dropFirst(), parts[start...]) { return found }
            }
            return nil
        }
        guard let part = parts.first, let here = match(pieces[...], part[...]),
            let rest = match(segments.dropFirst(), parts.dropFirst())
        else { return nil }
        return here + rest
    }

    private static func match(
        _ pieces: ArraySlice<Piece>, _ text: ArraySlice<UInt8>
    ) -> [(name: String, value: String)]? {
        guard let first = pieces.first else { return text.isEmpty ? [] : nil }
        switch first {
        case .text(let literal):
            return text.starts(with: literal) ? match(pieces.dropFirst(), text.dropFirst(literal.count)) : nil
        case .any, .named:
            // As much as can be; a named part is never empty.
            for end in (text.startIndex...text.endIndex).reversed() {
                if case .named = first, end == text.startIndex { break }
                guard let rest = match(pieces.dropFirst(), text[end...]) else { continue }
                guard case .named(let name) = first else { return rest }
                return [(name, String(decoding: text[..<end], as: UTF8.self))] + rest
            }
            return nil
        }
    }
}

extension SubscriptionSpec {
    /// What reaches its sink: of one that gathers, what came of its groups.
    package func filters(of key: SubscriptionKey) -> [Filter] { gather == nil ? filters : Gatherer.filter(key) }
}
