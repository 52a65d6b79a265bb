package import CloudEvents

/// Space that matching needs, to be used again for the next event.
package struct MatchScratch: Sendable {
    /// The node of the event's value by attribute number.
    fileprivate var values = [UInt32](repeating: SubscriptionIndex.none, count: SubscriptionIndex.maximumNames)
    /// By shape: the group to look for (its node is filled in while walking).
    fileprivate var wanted = [SubscriptionIndex.Group](
        repeating: .init(
            node: 0, head: 0, first: SubscriptionIndex.none, second: SubscriptionIndex.none,
            third: SubscriptionIndex.none, shape: 0), count: SubscriptionIndex.maximumShapes)

    package init() {}
}

extension SubscriptionIndex {
    /// Appends the subscriptions that the event passes, each once, in no particular order.
    package func match(_ view: EventView, scratch: inout MatchScratch, into ids: inout [ID]) {
        guard count > 0 else { return }
        var subject: UnsafeRawBufferPointer?
        for index in 0..<names.count { scratch.values[index] = Self.none }
        readAttributes(view, &scratch, &subject)
        let possible = prepareShapes(&scratch)
        collect(0, possible, view, &scratch, &ids)
        guard let subject, nodes[0].references > 1 || nodes[0].ends != 0 else { return }
        walk(subject, possible, view, &scratch, &ids)
    }

    /// One pass over the attributes: finds the subject and the nodes of the values that somebody asks for.
    private func readAttributes(
        _ view: EventView, _ scratch: inout MatchScratch, _ subject: inout UnsafeRawBufferPointer?
    ) {
        var found: UnsafeRawBufferPointer?
        view.forEachAttribute { name, kind, value in
            if name.count == 7, name.elementsEqual("subject".utf8) {
                found = value
            }
            for (number, known) in names.enumerated() where known.count == name.count {
                guard known.withUnsafeBytes({ equalBytes(name.baseAddress!, $0.baseAddress, name.count) }) else {
                    continue
                }
                if kind == .binary {
                    // Kept as bytes; what a filter compares is its canonical text.
                    var text = Base64.encode(value)
                    scratch.values[number] =
                        text.withUTF8 { findNode(UInt32(number), .value, UnsafeRawBufferPointer($0)) } ?? Self.none
                } else {
                    scratch.values[number] = findNode(UInt32(number), .value, value) ?? Self.none
                }
                break
            }
        }
        subject = found
    }

    /// Which shapes the event has all values for.
    private func prepareShapes(_ scratch: inout MatchScratch) -> UInt64 {
        var possible: UInt64 = 0
        for (number, shape) in shapes.enumerated() {
            let names = shape.names
            var group = Group(
                node: 0, head: 0, first: Self.none, second: Self.none, third: Self.none, shape: UInt32(number))
            if names.count > 0 {
                group.first = scratch.values[Int(names[0])]
                if group.first == Self.none { continue }
            }
            if names.count > 1 {
                group.second = scratch.values[Int(names[1])]
                if group.second == Self.none { continue }
            }
            if names.count > 2 {
                group.third = scratch.values[Int(names[2])]
                if group.third == Self.none { continue }
            }
            scratch.wanted[number] = group
            possible |= 1 << UInt64(number)
        }
        return possible
    }

    private func walk(
        _ subject: UnsafeRawBufferPointer, _ possible: UInt64, _ view: EventView, _ scratch: inout MatchScratch,
        _ ids: inout [ID]
    ) {
        var node: UInt32 = 0
        var start = 0
        while true {
            var end = start
            while end < subject.count, subject[end] != 0x2F { end += 1 }
            let segment = UnsafeRawBufferPointer(rebasing: subject[start..<end])
            var tails = nodes.pointer(Int(node)).pointee.ends >> 1
            var length = 1
            while tails != 0, length <= segment.count {
                if tails & 1 != 0,
                    let tail = findNode(node, .tail, UnsafeRawBufferPointer(rebasing: segment.prefix(length)))
                {
                    collect(tail, possible, view, &scratch, &ids)
                }
                tails >>= 1
                length += 1
            }
            if end == subject.count {
                if nodes.pointer(Int(node)).pointee.ends & 1 != 0, let leaf = findNode(node, .leaf, segment) {
                    collect(leaf, possible, view, &scratch, &ids)
                }
                return
            }
            guard let next = findNode(node, .folder, segment) else { return }
            node = next
            collect(node, possible, view, &scratch, &ids)
            start = end + 1
        }
    }

    @inline(__always)
    private func collect(
        _ node: UInt32, _ possible: UInt64, _ view: EventView, _ scratch: inout MatchScratch, _ ids: inout [ID]
    ) {
        var shapes = nodes.pointer(Int(node)).pointee.shapes & possible
        while shapes != 0 {
            let shape = shapes.trailingZeroBitCount
            shapes &= shapes - 1
            var wanted = scratch.wanted[shape]
            wanted.node = node
            guard let group = findGroup(wanted) else { continue }
            var id = groups.pointer(Int(group)).pointee.head
            while id != Self.none {
                let entry = entries.pointer(Int(id)).pointee
                if entry.hasResidual == 0 || residual(id)?.passes(view) ?? true { ids.append(id) }
                id = entry.next
            }
        }
    }
}
