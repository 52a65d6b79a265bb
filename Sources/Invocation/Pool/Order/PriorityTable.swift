/// Members in the order of a priority, lowest first: a binary heap that knows where each member lies.
///
/// Setting, moving and removing take O(log n), looking at the first and at one member's priority O(1). Members of equal
/// priority come in no order.
struct PriorityTable<Member: Hashable & Sendable, Priority: Comparable & Sendable>: Sendable {
    private var heap: [(member: Member, priority: Priority)] = []
    private var places: [Member: Int] = [:]

    var isEmpty: Bool { heap.isEmpty }
    var count: Int { heap.count }
    var first: (member: Member, priority: Priority)? { heap.first }
    /// All members, in no order.
    var members: Dictionary<Member, Int>.Keys { places.keys }

    subscript(member: Member) -> Priority? { places[member].map { heap[$0].priority } }

    /// Puts a member in, or moves it.
    mutating func set(_ member: Member, _ priority: Priority) {
        guard let place = places[member] else {
            heap.append((member, priority))
            places[member] = heap.count - 1
            rise(heap.count - 1)
            return
        }
        let before = heap[place].priority
        heap[place].priority = priority
        if priority < before { rise(place) } else if before < priority { sink(place) }
    }

    @discardableResult
    mutating func remove(_ member: Member) -> Bool {
        guard let place = places.removeValue(forKey: member) else { return false }
        let last = heap.removeLast()
        guard place < heap.count else { return true }
        let before = heap[place].priority
        heap[place] = last
        places[last.member] = place
        if last.priority < before { rise(place) } else { sink(place) }
        return true
    }

    @discardableResult
    mutating func removeFirst() -> (member: Member, priority: Priority)? {
        guard let first = heap.first else { return nil }
        remove(first.member)
        return first
    }

    private mutating func rise(_ start: Int) {
        var child = start
        let entry = heap[child]
        while child > 0 {
            let parent = (child - 1) / 2
            guard entry.priority < heap[parent].priority else { break }
            move(parent, to: child)
            child = parent
        }
        put(entry, at: child, unless: start)
    }

    private mutating func sink(_ start: Int) {
        var parent = start
        let entry = heap[parent]
        while 2 * parent + 1 < heap.count {
            var child = 2 * parent + 1
            if child + 1 < heap.count, heap[child + 1].priority < heap[child].priority { child += 1 }
            guard heap[child].priority < entry.priority else { break }
            move(child, to: parent)
            parent = child
        }
        put(entry, at: parent, unless: start)
    }

    private mutating func move(_ from: Int, to: Int) {
        heap[to] = heap[from]
        places[heap[to].member] = to
    }

    private mutating func put(_ entry: (member: Member, priority: Priority), at place: Int, unless start: Int) {
        guard place != start else { return }
        heap[place] = entry
        places[entry.member] = place
    }
}
