/// Things that are known by name, each under a small number for as long as somebody uses it.
struct NameTable<Value: Sendable>: Sendable {
    private var numbers: [String: Int] = [:]
    private var entries: [Entry] = []
    private var free: [Int] = []

    private struct Entry: Sendable {
        var name: String
        var value: Value
        var uses: Int
    }

    /// The numbers in use, in no order.
    var all: Dictionary<String, Int>.Values { numbers.values }
    var count: Int { numbers.count }

    /// The number of a name, which is kept until it is released as often as it was taken.
    mutating func take(_ name: String, _ make: () -> Value) -> Int {
        if let number = numbers[name] {
            entries[number].uses += 1
            return number
        }
        let entry = Entry(name: name, value: make(), uses: 1)
        let number: Int
        if let empty = free.popLast() {
            number = empty
            entries[number] = entry
        } else {
            number = entries.count
            entries.append(entry)
        }
        numbers[name] = number
        return number
    }

    /// Whether this was the last use.
    @discardableResult
    mutating func release(_ number: Int) -> Bool {
        entries[number].uses -= 1
        guard entries[number].uses == 0 else { return false }
        numbers[entries[number].name] = nil
        free.append(number)
        return true
    }

    func name(_ number: Int) -> String { entries[number].name }

    subscript(number: Int) -> Value {
        get { entries[number].value }
        _modify { yield &entries[number].value }
    }
}
