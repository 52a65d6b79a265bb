/// The pattern of `LIKE` (CESQL 1.0 §3.4.3): `%` any run of characters, `_` one character, `\%` and `\_` themselves.
package struct CESQLPattern: Sendable, Hashable {
    private enum Element: Sendable, Hashable {
        case anyRun, anyOne
        case character(Unicode.Scalar)
    }

    private let elements: [Element]

    package init(_ text: String) {
        var elements: [Element] = []
        var scalars = text.unicodeScalars.makeIterator()
        var next = scalars.next()
        while let scalar = next {
            next = scalars.next()
            switch scalar {
            case "%": if elements.last != .anyRun { elements.append(.anyRun) }
            case "_": elements.append(.anyOne)
            case "\\" where next == "%" || next == "_":
                if let escaped = next { elements.append(.character(escaped)) }
                next = scalars.next()
            default: elements.append(.character(scalar))
            }
        }
        self.elements = elements
    }

    /// Whether the whole text matches. Goes back to the last `%` only, so it costs at most text times pattern.
    package func matches(_ text: String) -> Bool {
        let scalars = text.unicodeScalars
        var position = scalars.startIndex
        var element = 0
        var retry: (element: Int, position: String.Index)?
        while position < scalars.endIndex {
            if element < elements.count {
                switch elements[element] {
                case .anyRun:
                    retry = (element + 1, position)
                    element += 1
                    continue
                case .anyOne:
                    element += 1
                    position = scalars.index(after: position)
                    continue
                case .character(let wanted) where wanted == scalars[position]:
                    element += 1
                    position = scalars.index(after: position)
                    continue
                default: break
                }
            }
            guard let last = retry else { return false }
            element = last.element
            position = scalars.index(after: last.position)
            retry = (last.element, position)
        }
        return elements[element...].allSatisfy { $0 == .anyRun }
    }
}
