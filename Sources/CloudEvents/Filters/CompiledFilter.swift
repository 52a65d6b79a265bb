#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A list of filters made ready for many events: passes when all of them pass.
///
/// Conditions lie flat, names and texts in one run of bytes; matching compares bytes and makes no string. Only `sql`
/// makes values.
public struct CompiledFilter: Sendable {
    private enum Test: Sendable { case exact, prefix, suffix }

    /// A node of the tree in prefix order; `end` is the index behind its last descendant.
    private enum Node: Sendable {
        case test(Test, name: Range<Int>, value: Range<Int>)
        case all(end: Int)
        case any(end: Int)
        case not(end: Int)
        case sql(Int)
        case constant(Bool)
    }

    private var nodes: [Node] = []
    private var text: [UInt8] = []
    private var expressions: [CESQLExpression] = []

    /// Compiles a subscription's filters; none passes every event.
    public init(_ filters: [Filter]) {
        addGroup(filters.count) { compiled in
            for filter in filters { compiled.add(filter) }
        } node: {
            .all(end: $0)
        }
    }

    /// Compiles one filter.
    public init(_ filter: Filter) {
        self.init([filter])
    }

    /// Whether every event passes without a look at it.
    public var isAlwaysTrue: Bool { nodes.count == 1 }

    /// Whether the event passes.
    public func matches(_ view: EventView) -> Bool {
        text.withUnsafeBytes { text in
            nodes.withUnsafeBufferPointer { nodes in
                var index = 0
                return evaluate(&index, nodes, text, view)
            }
        }
    }

    /// Whether the event passes.
    public func matches(_ record: EventRecord) -> Bool { record.withView { matches($0) } }

    // MARK: Compiling

    private mutating func add(_ filter: Filter) {
        switch filter {
        case .exact(let conditions): add(conditions, .exact)
        case .prefix(let conditions): add(conditions, .prefix)
        case .suffix(let conditions): add(conditions, .suffix)
        case .all(let filters):
            addGroup(filters.count) { compiled in
                for one in filters { compiled.add(one) }
            } node: {
                .all(end: $0)
            }
        case .any(let filters):
            addGroup(filters.count) { compiled in
                for one in filters { compiled.add(one) }
            } node: {
                .any(end: $0)
            }
        case .not(let one):
            addGroup(1) { compiled in
                compiled.add(one)
            } node: {
                .not(end: $0)
            }
        case .sql(let expression):
            nodes.append(.sql(expressions.count))
            expressions.append(expression)
        }
    }

    private mutating func addGroup(
        _ count: Int, _ body: (inout CompiledFilter) -> Void, node: (Int) -> Node
    ) {
        let start = nodes.count
        nodes.append(.constant(true))
        nodes.reserveCapacity(nodes.count + count)
        body(&self)
        nodes[start] = node(nodes.count)
    }

    private mutating func add(_ conditions: [Filter.Condition], _ test: Test) {
        if conditions.count == 1, let condition = conditions.first {
            nodes.append(node(condition, test))
        } else {
            addGroup(conditions.count) { compiled in
                for condition in conditions { compiled.nodes.append(compiled.node(condition, test)) }
            } node: {
                .all(end: $0)
            }
        }
    }

    private mutating func node(_ condition: Filter.Condition, _ test: Test) -> Node {
        if condition.attribute == "specversion" {
            // Not stored, because it is the same for every event.
            let value = Array(condition.value.utf8)
            let version = Array("1.0".utf8)
            return switch test {
            case .exact: .constant(value == version)
            case .prefix: .constant(version.starts(with: value))
            case .suffix: .constant(version.reversed().starts(with: value.reversed()))
            }
        }
        let name = append(condition.attribute)
        return .test(test, name: name, value: append(condition.value))
    }

    private mutating func append(_ string: String) -> Range<Int> {
        let start = text.count
        text.append(contentsOf: string.utf8)
        return start..<text.count
    }

    // MARK: Matching

    /// Evaluates the node at `index` and leaves `index` behind it.
    private func evaluate(
        _ index: inout Int, _ nodes: UnsafeBufferPointer<Node>, _ text: UnsafeRawBufferPointer, _ view: EventView
    ) -> Bool {
        let node = nodes[index]
        index += 1
        switch node {
        case .test(let test, let name, let value):
            return Self.holds(test, view, text, name, value)
        case .all(let end):
            while index < end {
                if !evaluate(&index, nodes, text, view) {
                    index = end
                    return false
                }
            }
            return true
        case .any(let end):
            while index < end {
                if evaluate(&index, nodes, text, view) {
                    index = end
                    return true
                }
            }
            return false
        case .not(let end):
            let result = !evaluate(&index, nodes, text, view)
            index = end
            return result
        case .sql(let number):
            return expressions[number].passes(view)
        case .constant(let value):
            return value
        }
    }

    private static func holds(
        _ test: Test, _ view: EventView, _ text: UnsafeRawBufferPointer, _ name: Range<Int>, _ value: Range<Int>
    ) -> Bool {
        guard let found = view.find(UnsafeRawBufferPointer(rebasing: text[name])) else { return false }
        let wanted = UnsafeRawBufferPointer(rebasing: text[value])
        guard found.kind == .binary else { return compare(test, found.value, wanted) }
        // Stored as bytes; its canonical text is Base64.
        var canonical = Base64.encode(found.value)
        return canonical.withUTF8 { compare(test, UnsafeRawBufferPointer($0), wanted) }
    }

    private static func compare(
        _ test: Test, _ value: UnsafeRawBufferPointer, _ wanted: UnsafeRawBufferPointer
    ) -> Bool {
        guard value.count >= wanted.count, test != .exact || value.count == wanted.count,
            let start = value.baseAddress, let other = wanted.baseAddress
        else { return false }
        let offset = test == .suffix ? value.count - wanted.count : 0
        return memcmp(start + offset, other, wanted.count) == 0
    }
}
