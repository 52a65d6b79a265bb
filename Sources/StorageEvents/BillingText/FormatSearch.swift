/// Looks at every reading of a line by a format, shortest tails first, and keeps the best.
///
/// Nothing in a billing line is escaped, so a path may imitate the rest of a record. The first reading found is the one
/// with the longest path. It is given up only for one in which the path at the end of the protocol text equals the path
/// (HTTP and URLs repeat it). The work is bounded: a line made to be ambiguous ends as it was first understood.
struct FormatSearch {
    private let matcher: FormatMatcher
    private let format: CompiledFormat
    private var steps = 0
    private let spans: FieldSpans
    private var best: [Int64]?
    private var isSettled = false

    /// A step may pass over the whole line, so a long line gets fewer.
    private let maximumSteps: Int

    private init(line: Run, format: CompiledFormat, spans: FieldSpans) {
        matcher = FormatMatcher(line: line, datePattern: format.datePattern)
        self.format = format
        self.spans = spans
        maximumSteps = min(20_000, 64 + 8_000_000 / max(line.count, 1))
    }

    /// Fills `spans` with the best reading of the line; false when there is none.
    static func best(line: Run, format: CompiledFormat, spans: FieldSpans) -> Bool {
        var search = FormatSearch(line: line, format: format, spans: spans)
        for variant in format.variants where !search.isSettled {
            search.spans.clear(format.slotCount)
            variant.pool.withUnsafeBytes { pool in
                search.backward(variant, pool, variant.elements.count - 1, line.count)
            }
        }
        guard let best = search.best else { return false }
        spans.assign(best)
        return true
    }

    private mutating func mayGoOn() -> Bool {
        steps += 1
        return !isSettled && steps < maximumSteps
    }

    private func literal(_ element: CompiledFormat.Element, _ pool: Run) -> Run {
        pool.run(Int(element.literal.lowerBound), Int(element.literal.upperBound))
    }

    /// Reads the elements after the pivot from the right; `end` is where the rest of the line ends.
    private mutating func backward(_ variant: CompiledFormat.Variant, _ pool: Run, _ index: Int, _ end: Int) {
        guard mayGoOn() else { return }
        if index == variant.pivot {
            forward(variant, pool, 0, 0, end)
            return
        }
        let element = variant.elements[index]
        if element.slot < 0 {
            let text = literal(element, pool)
            if matcher.line.has(text, at: end - text.count) { backward(variant, pool, index - 1, end - text.count) }
            return
        }
        let before = variant.elements[index - 1]
        var start = end
        while start >= 0, mayGoOn() {
            if before.slot < 0 {
                let text = literal(before, pool)
                guard let found = matcher.findLast(text, before: start) else { return }
                start = found + text.count
            }
            if matcher.accepts(element.fieldClass, start, end) {
                spans.set(element.slot, start, end)
                backward(variant, pool, index - 1, start)
            }
            start -= 1
        }
    }

    /// Reads the elements before the pivot from the left, then settles the pivot, which ends at `end`.
    private mutating func forward(
        _ variant: CompiledFormat.Variant, _ pool: Run, _ index: Int, _ start: Int, _ end: Int
    ) {
        guard start <= end, mayGoOn() else { return }
        let element = variant.elements[index]
        if index == variant.pivot {
            if element.slot < 0 {
                if start + literal(element, pool).count == end, matcher.line.has(literal(element, pool), at: start) {
                    settle()
                }
                return
            }
            guard matcher.accepts(element.fieldClass, start, end) else { return }
            spans.set(element.slot, start, end)
            settle()
            return
        }
        if element.slot < 0 {
            let text = literal(element, pool)
            if matcher.line.has(text, at: start) { forward(variant, pool, index + 1, start + text.count, end) }
            return
        }
        let after = variant.elements[index + 1]
        var stop = start
        while stop <= end, mayGoOn() {
            if after.slot < 0 {
                guard let found = matcher.find(literal(after, pool), from: stop) else { return }
                stop = found
            }
            if stop <= end, matcher.accepts(element.fieldClass, start, stop) {
                spans.set(element.slot, start, stop)
                forward(variant, pool, index + 1, stop, end)
            }
            stop += 1
        }
    }

    private mutating func settle() {
        if best == nil { best = spans.values(format.slotCount) }
        guard let path = spans.run(.path, in: matcher.line), let text = spans.run(.protocolText, in: matcher.line)
        else {
            isSettled = true
            return
        }
        if !FormatSearch.repeatsPath(text) {
            // Protocols that do not repeat the path say nothing about it.
            return
        }
        if path.count > 0, text.hasSuffix(path) {
            best = spans.values(format.slotCount)
            isSettled = true
        }
    }

    /// Whether a protocol text of this kind ends with the path.
    @inline(__always)
    static func repeatsPath(_ text: Run) -> Bool { text.hasPrefix("Http") || text.hasPrefix("Remote") }
}
