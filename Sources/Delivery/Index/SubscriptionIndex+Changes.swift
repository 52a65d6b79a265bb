package import CloudEvents

extension SubscriptionIndex {
    /// Adds a subscription.
    ///
    /// - Parameter visibility: what its owner may see; `nil` or ``EventVisibility/all``: everything.
    package mutating func add(_ filters: [Filter], visibility: EventVisibility? = nil) -> ID {
        let conditions = RouteConditions(filters)
        var filter = conditions.residual
        var node: UInt32 = 0
        switch conditions.subject {
        case .any: break
        case .exact(let text): node = makePath(text, isExact: true).node
        case .prefix(let text):
            let (found, isWhole) = makePath(text, isExact: false)
            node = found
            if !isWhole { filter = CompiledFilter(filters) }
        }
        let (shape, values, isWhole) = makeShape(conditions.exact)
        if !isWhole { filter = CompiledFilter(filters) }
        let group = makeGroup(node, shape, values)
        let id = takeEntry()
        let head = groups[Int(group)].head
        let scope = visibility.flatMap { $0.isAll ? nil : $0 }
        let hasResidual = filter != nil || scope != nil
        entries[Int(id)] = Entry(group: group, next: head, previous: Self.none, hasResidual: hasResidual ? 1 : 0)
        if head != Self.none { entries[Int(head)].previous = id }
        groups[Int(group)].head = id
        if hasResidual { setResidual(id, Residual(filter: filter, visibility: scope)) }
        count += 1
        version += 1
        return id
    }

    /// Removes a subscription that is there.
    package mutating func remove(_ id: ID) {
        let entry = entries[Int(id)]
        guard entry.group != Self.none else { return }
        if entry.next != Self.none { entries[Int(entry.next)].previous = entry.previous }
        if entry.previous != Self.none {
            entries[Int(entry.previous)].next = entry.next
        } else {
            groups[Int(entry.group)].head = entry.next
            if entry.next == Self.none { removeGroup(entry.group) }
        }
        if entry.hasResidual != 0 { setResidual(id, nil) }
        entries[Int(id)] = Entry(group: Self.none, next: freeEntry, previous: Self.none, hasResidual: 0)
        freeEntry = id
        count -= 1
        version += 1
        if texts.isSparse { compactTexts() }
    }

    // MARK: Nodes

    /// The node of a subject or of the longest part of a prefix that fits, and whether it says all of it.
    private mutating func makePath(_ text: [UInt8], isExact: Bool) -> (node: UInt32, isWhole: Bool) {
        var node: UInt32 = 0
        var start = 0
        return text.withUnsafeBytes { text in
            for index in 0..<text.count where text[index] == 0x2F {
                node = makeNode(node, .folder, UnsafeRawBufferPointer(rebasing: text[start..<index]))
                start = index + 1
            }
            let rest = UnsafeRawBufferPointer(rebasing: text[start...])
            if isExact { return (makeNode(node, .leaf, rest), true) }
            if rest.isEmpty { return (node, true) }
            let tail = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.maximumTail))
            return (makeNode(node, .tail, tail), tail.count == rest.count)
        }
    }

    private mutating func makeNode(_ parent: UInt32, _ step: Step, _ text: UnsafeRawBufferPointer) -> UInt32 {
        if let found = findNode(parent, step, text) { return found }
        let node = Node(
            parent: parent, text: texts.append(text), textCount: UInt16(text.count), step: step.rawValue)
        let id: UInt32
        if freeNode != Self.none {
            id = freeNode
            freeNode = nodes[Int(id)].parent
            nodes[Int(id)] = node
        } else {
            id = UInt32(nodes.count)
            nodes.append(node)
        }
        nodeTable.insert(hash.tag(text, parent: parent, kind: step.rawValue), id)
        if step != .value {
            nodes[Int(parent)].references += 1
            switch step {
            case .leaf: nodes[Int(parent)].ends |= 1
            case .tail: nodes[Int(parent)].ends |= 1 << UInt32(text.count)
            case .folder, .value: break
            }
        }
        return id
    }

    /// Drops one reference; a node that nobody needs goes, and with it its parents.
    private mutating func release(_ start: UInt32) {
        var id = start
        while id != 0 {
            nodes[Int(id)].references -= 1
            let node = nodes[Int(id)]
            guard node.references == 0 else { return }
            let tag = texts.withText(node.text, Int(node.textCount)) {
                hash.tag($0, parent: node.parent, kind: node.step)
            }
            nodeTable.remove(tag, id)
            texts.release(count: Int(node.textCount))
            nodes[Int(id)] = Node(parent: freeNode, text: 0, textCount: 0, step: 0)
            freeNode = id
            if node.step == Step.value.rawValue { return }
            id = node.parent
        }
    }

    private mutating func compactTexts() {
        var fresh = TextArena()
        for index in 1..<nodes.count where nodes[index].references > 0 {
            let node = nodes[index]
            nodes[index].text = texts.withText(node.text, Int(node.textCount)) { fresh.append($0) }
        }
        texts = fresh
    }

    // MARK: Shapes and groups

    /// The shape of the conditions with the nodes of their values, weakened when there are too many names or shapes.
    private mutating func makeShape(
        _ conditions: [RouteConditions.Exact]
    ) -> (shape: UInt32, values: [UInt32], isWhole: Bool) {
        var numbered: [(name: UInt8, value: [UInt8])] = []
        for condition in conditions {
            if let known = names.firstIndex(of: condition.name) {
                numbered.append((UInt8(known), condition.value))
            } else if names.count < Self.maximumNames {
                names.append(condition.name)
                numbered.append((UInt8(names.count - 1), condition.value))
            }
        }
        numbered.sort { $0.name < $1.name }
        var shape = Shape(names: numbered.map(\.name))
        var number = shapes.firstIndex(of: shape)
        while number == nil, shapes.count >= Self.maximumShapes {
            numbered.removeLast()
            shape = Shape(names: numbered.map(\.name))
            number = shapes.firstIndex(of: shape)
        }
        if number == nil {
            number = shapes.count
            shapes.append(shape)
        }
        let values = numbered.map { one in
            one.value.withUnsafeBytes { makeNode(UInt32(one.name), .value, $0) }
        }
        return (UInt32(number ?? 0), values, numbered.count == conditions.count)
    }

    private mutating func makeGroup(_ node: UInt32, _ shape: UInt32, _ values: [UInt32]) -> UInt32 {
        var group = Group(
            node: node, head: Self.none, first: Self.none, second: Self.none, third: Self.none, shape: shape)
        if values.count > 0 { group.first = values[0] }
        if values.count > 1 { group.second = values[1] }
        if values.count > 2 { group.third = values[2] }
        if let found = findGroup(group) { return found }
        let id: UInt32
        if freeGroup != Self.none {
            id = freeGroup
            freeGroup = groups[Int(id)].head
            groups[Int(id)] = group
        } else {
            id = UInt32(groups.count)
            groups.append(group)
        }
        groupTable.insert(tag(group), id)
        nodes[Int(node)].references += 1
        nodes[Int(node)].shapes |= 1 << UInt64(shape)
        for value in values { nodes[Int(value)].references += 1 }
        return id
    }

    private mutating func removeGroup(_ id: UInt32) {
        let group = groups[Int(id)]
        groupTable.remove(tag(group), id)
        for value in [group.first, group.second, group.third] where value != Self.none { release(value) }
        release(group.node)
        groups[Int(id)] = Group(
            node: Self.none, head: freeGroup, first: Self.none, second: Self.none, third: Self.none, shape: 0)
        freeGroup = id
    }

    @inline(__always)
    func tag(_ group: Group) -> UInt32 {
        hash.tag(node: group.node, values: Self.mix(group.first, group.second, group.third, group.shape))
    }

    @inline(__always)
    static func mix(_ first: UInt32, _ second: UInt32, _ third: UInt32, _ shape: UInt32) -> UInt64 {
        ByteHash.fold(UInt64(first) << 32 | UInt64(second) ^ 0x9E37_79B9, 0xA076_1D64_78BD_642F)
            ^ (UInt64(third) << 8 | UInt64(shape))
    }

    @inline(__always)
    func findGroup(_ group: Group) -> UInt32? {
        groupTable.find(tag(group)) { id in
            let other = groups.pointer(Int(id)).pointee
            return other.node == group.node && other.first == group.first && other.second == group.second
                && other.third == group.third && other.shape == group.shape
        }
    }

    // MARK: Entries

    private mutating func takeEntry() -> UInt32 {
        if freeEntry != Self.none {
            let id = freeEntry
            freeEntry = entries[Int(id)].next
            return id
        }
        entries.append(Entry(group: Self.none, next: Self.none, previous: Self.none, hasResidual: 0))
        return UInt32(entries.count - 1)
    }

    private mutating func setResidual(_ id: ID, _ residual: Residual?) {
        let page = Int(id >> 8)
        while residuals.count <= page { residuals.append(ContiguousArray(repeating: nil, count: 256)) }
        residuals[page][Int(id & 255)] = residual
    }
}
