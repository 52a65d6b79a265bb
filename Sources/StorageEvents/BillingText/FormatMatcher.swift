/// Reads a line by a format, in one pass from both ends.
///
/// A free field ends at the first place (from the right: begins after the last place) where the literal beyond it stands.
/// When that is a dead end, or the reading is doubtful, `FormatSearch` looks at every reading.
struct FormatMatcher {
    let line: Run
    let datePattern: DatePattern

    /// Fills `spans` by one variant of a format; false when this simple reading fails.
    @inline(__always)
    func match(_ variant: CompiledFormat.Variant, spans: FieldSpans) -> Bool {
        variant.elements.withUnsafeBufferPointer { elements in
            variant.pool.withUnsafeBytes { pool in
                match(elements, pool, pivot: variant.pivot, spans: spans)
            }
        }
    }

    @inline(__always)
    private func match(
        _ elements: UnsafeBufferPointer<CompiledFormat.Element>, _ pool: Run, pivot: Int, spans: FieldSpans
    ) -> Bool {
        var right = line.count
        var index = elements.count &- 1
        while index > pivot {
            let element = elements[index]
            if element.slot < 0 {
                let literal = pool.run(Int(element.literal.lowerBound), Int(element.literal.upperBound))
                right &-= literal.count
                guard line.has(literal, at: right) else { return false }
            } else {
                guard elements[index &- 1].slot < 0 else { return false }
                let before = elements[index &- 1].literal
                let literal = pool.run(Int(before.lowerBound), Int(before.upperBound))
                guard let start = startOfField(element.fieldClass, before: right, literal: literal) else {
                    return false
                }
                spans.set(element.slot, start, right)
                right = start
            }
            index &-= 1
        }
        var left = 0
        index = 0
        while index < pivot {
            let element = elements[index]
            if element.slot < 0 {
                let literal = pool.run(Int(element.literal.lowerBound), Int(element.literal.upperBound))
                guard line.has(literal, at: left) else { return false }
                left &+= literal.count
            } else {
                guard elements[index &+ 1].slot < 0 else { return false }
                let after = elements[index &+ 1].literal
                let literal = pool.run(Int(after.lowerBound), Int(after.upperBound))
                guard let end = endOfField(element.fieldClass, from: left, literal: literal) else { return false }
                spans.set(element.slot, left, end)
                left = end
            }
            index &+= 1
        }
        guard left <= right, accepts(elements[pivot].fieldClass, left, right) else { return false }
        spans.set(elements[pivot].slot, left, right)
        return true
    }

    @inline(__always)
    private func endOfField(_ kind: CompiledFormat.FieldClass, from start: Int, literal: Run) -> Int? {
        var end = start
        switch kind {
        case .integer:
            if end < line.count, line[end] == 0x2D { end &+= 1 }
            let digits = end
            while end < line.count, line[end] &- 48 < 10 { end &+= 1 }
            return end > digits ? end : nil
        case .hex:
            while end < line.count, isHex(line[end]) { end &+= 1 }
            return end
        case .word:
            while end < line.count, isWord(line[end]) { end &+= 1 }
            return end > start ? end : nil
        case .truth:
            if line.run(start, line.count).hasPrefix("true") { return start &+ 4 }
            return line.run(start, line.count).hasPrefix("false") ? start &+ 5 : nil
        case .standardDate:
            return isStandardDate(start) ? start &+ 14 : nil
        case .date:
            var fields = DateFields()
            return datePattern.read(line, at: start, fields: &fields)
        case .solid, .free:
            guard let found = find(literal, from: start) else { return nil }
            if kind == .solid, !accepts(.solid, start, found) { return nil }
            return found
        }
    }

    @inline(__always)
    private func startOfField(_ kind: CompiledFormat.FieldClass, before end: Int, literal: Run) -> Int? {
        var start = end
        switch kind {
        case .integer:
            while start > 0, line[start &- 1] &- 48 < 10 { start &-= 1 }
            guard start < end else { return nil }
            if start > 0, line[start &- 1] == 0x2D { start &-= 1 }
            return start
        case .hex:
            while start > 0, isHex(line[start &- 1]) { start &-= 1 }
            return start
        case .word:
            while start > 0, isWord(line[start &- 1]) { start &-= 1 }
            return start < end ? start : nil
        case .truth:
            if end >= 4, line.run(end &- 4, end).equals("true") { return end &- 4 }
            return end >= 5 && line.run(end &- 5, end).equals("false") ? end &- 5 : nil
        case .standardDate:
            return end >= 14 && isStandardDate(end &- 14) ? end &- 14 : nil
        case .date:
            guard let found = findLast(literal, before: end) else { return nil }
            let start = found &+ literal.count
            return accepts(.date, start, end) ? start : nil
        case .solid, .free:
            guard let found = findLast(literal, before: end) else { return nil }
            let start = found &+ literal.count
            if kind == .solid, !accepts(.solid, start, end) { return nil }
            return start
        }
    }

    /// Whether the bytes `start..<end` are a whole value of a class.
    @inline(__always)
    func accepts(_ kind: CompiledFormat.FieldClass, _ start: Int, _ end: Int) -> Bool {
        let run = line.run(start, end)
        switch kind {
        case .free: return true
        case .solid: return run.allSatisfy { $0 != 0x20 && $0 != 0x09 }
        case .integer:
            let digits = run.count > 0 && run[0] == 0x2D ? run.run(1, run.count) : run
            return digits.count > 0 && digits.allSatisfy { $0 &- 48 < 10 }
        case .hex: return run.allSatisfy { isHex($0) }
        case .word: return run.count > 0 && run.allSatisfy { isWord($0) }
        case .truth: return run.equals("true") || run.equals("false")
        case .standardDate: return run.count == 14 && isStandardDate(start)
        case .date:
            var fields = DateFields()
            return datePattern.read(run, at: 0, fields: &fields) == run.count
        }
    }

    /// Where `literal` stands first at or after `from`.
    @inline(__always)
    func find(_ literal: Run, from: Int) -> Int? {
        var position = from
        while let found = line.first(literal[0], from: position) {
            if line.has(literal, at: found) { return found }
            position = found &+ 1
        }
        return nil
    }

    /// Where `literal` stands last, ending at or before `before`.
    @inline(__always)
    func findLast(_ literal: Run, before: Int) -> Int? {
        var position = before &- literal.count &+ 1
        while position > 0, let found = line.last(literal[0], before: position) {
            if line.has(literal, at: found) { return found }
            position = found
        }
        return nil
    }

    @inline(__always)
    private func isHex(_ byte: UInt8) -> Bool { byte &- 48 < 10 || (byte | 0x20) &- 0x61 < 6 }

    @inline(__always)
    private func isWord(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 || byte == 0x2D || byte == 0x5F }

    /// Whether `MM.dd HH:mm:ss` stands at `start`, with numbers that a date can have.
    @inline(__always)
    func isStandardDate(_ start: Int) -> Bool { Self.isStandardDate(line, start) }

    @inline(__always)
    static func isStandardDate(_ line: Run, _ start: Int) -> Bool {
        guard start >= 0, start &+ 14 <= line.count else { return false }
        return line[start &+ 2] == 0x2E && line[start &+ 5] == 0x20 && line[start &+ 8] == 0x3A
            && line[start &+ 11] == 0x3A && isDigits(line, start)
    }

    @inline(__always)
    private static func isDigits(_ line: Run, _ start: Int) -> Bool {
        func two(_ at: Int) -> UInt8 {
            let high = line[start &+ at] &- 48
            let low = line[start &+ at &+ 1] &- 48
            return high < 10 && low < 10 ? high &* 10 &+ low : 255
        }
        let month = two(0)
        let day = two(3)
        return month &- 1 < 12 && day &- 1 < 31 && two(6) < 24 && two(9) < 60 && two(12) < 60
    }
}
