import CloudEvents

/// Finds the subscriptions that an event passes, among up to millions.
///
/// A subject is walked as a path, one step a segment, through one flat table of nodes. A subscription sits at the node
/// of its subject or prefix (the root when it has none), in the group of those that ask for the same values of the
/// same attributes. An event looks, at every node on its way, once for every *shape* (set of attribute names) that
/// somebody there asks for. What tables cannot answer is asked of the candidates only.
///
/// It is a value: a copy is a snapshot that stays as it is while the original changes (see ``PagedArray``). Memory is
/// about 130 bytes a subscription with a path of its own, less when paths are shared.
package struct SubscriptionIndex: Sendable {
    /// Names a subscription within the index; reused after removal.
    package typealias ID = UInt32

    static let none = UInt32.max
    /// Shapes beyond this many are weakened to fewer attributes.
    static let maximumShapes = 64
    static let maximumNames = 32
    /// A node whose partial last segment is longer is found by its first bytes, the rest asked of the filter.
    static let maximumTail = 30

    /// What leads from a node to its child.
    enum Step: UInt8 {
        /// A whole segment and its slash.
        case folder
        /// The last segment of an exact subject.
        case leaf
        /// The beginning of a segment.
        case tail
        /// A value of an attribute; the parent is the attribute's number.
        case value
    }

    /// A place in the tree of subjects, or a value of an attribute.
    struct Node: BitwiseCopyable {
        var parent: UInt32
        /// Children and groups that hang here; 0: free.
        var references: UInt32 = 0
        /// Bit 0: there are leaves; bit n: there are tails of n bytes. Bits may stay behind, which only costs look-ups.
        var ends: UInt32 = 0
        var text: UInt32
        var textCount: UInt16
        var step: UInt8
        /// Which shapes have groups here; bits may stay behind.
        var shapes: UInt64 = 0
    }

    /// Subscriptions with the same node and the same attribute values.
    struct Group: BitwiseCopyable {
        var node: UInt32
        /// The first subscription.
        var head: UInt32
        /// Nodes of the values, in the order of the shape's names; ``none`` where it has fewer.
        var first: UInt32
        var second: UInt32
        var third: UInt32
        var shape: UInt32
    }

    struct Entry: BitwiseCopyable {
        var group: UInt32
        var next: UInt32
        var previous: UInt32
        /// 1 when ``residuals`` has something to ask.
        var hasResidual: UInt32
    }

    /// What is asked of a candidate.
    struct Residual: Sendable {
        let filter: CompiledFilter?
        let visibility: EventVisibility?

        func passes(_ view: EventView) -> Bool {
            if let visibility, !visibility.allows(view) { return false }
            return filter?.matches(view) ?? true
        }
    }

    /// Numbers of attribute names, sorted, at most three.
    struct Shape: Sendable, Hashable { var names: [UInt8] }

    let hash: ByteHash
    var nodes = PagedArray(shift: 7, filler: Node(parent: none, text: 0, textCount: 0, step: 0))
    var nodeTable = SlotTable()
    var freeNode = none
    var texts = TextArena()
    var groups = PagedArray(
        shift: 7, filler: Group(node: none, head: none, first: none, second: none, third: none, shape: 0))
    var groupTable = SlotTable()
    var freeGroup = none
    var entries = PagedArray(shift: 8, filler: Entry(group: none, next: none, previous: none, hasResidual: 0))
    var freeEntry = none
    /// Pages of 256; empty while nobody needs one.
    var residuals: ContiguousArray<ContiguousArray<Residual?>> = []
    var names: [[UInt8]] = []
    var shapes: [Shape] = [Shape(names: [])]

    /// How many subscriptions there are.
    package internal(set) var count = 0
    /// Grows with every change.
    package internal(set) var version: UInt64 = 0

    package init(secret: UInt64 = .random(in: .min ... .max)) {
        hash = ByteHash(secret: secret)
        nodes.append(Node(parent: Self.none, references: 1, text: 0, textCount: 0, step: 0))
    }

    /// Bytes held by the tables.
    package var byteCount: Int {
        nodes.byteCount + nodeTable.byteCount + texts.byteCount + groups.byteCount + groupTable.byteCount
            + entries.byteCount
    }

    @inline(__always)
    func findNode(_ parent: UInt32, _ step: Step, _ bytes: UnsafeRawBufferPointer) -> UInt32? {
        let tag = hash.tag(bytes, parent: parent, kind: step.rawValue)
        return nodeTable.find(tag) { id in
            let node = nodes.pointer(Int(id))
            return node.pointee.parent == parent && node.pointee.step == step.rawValue
                && Int(node.pointee.textCount) == bytes.count
                && texts.equals(node.pointee.text, bytes)
        }
    }

    func residual(_ id: ID) -> Residual? {
        let page = Int(id >> 8)
        return page < residuals.count ? residuals[page][Int(id & 255)] : nil
    }
}
