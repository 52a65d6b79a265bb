import CWeirRunner

/// Lines on their way: into the ledger one by one, so that they outlive a crash of a later call, onto the socket
/// together.
final class Answers {
    private static var headLength: Int { 64 }

    private let control: Control
    private let ledger: UnsafeMutablePointer<UInt8>?
    private let size: Int
    private var used = 0
    private var count = 0
    var line: [UInt8] = []

    init(_ control: Control) {
        self.control = control
        var size = 0
        ledger = weir_ledger_map(&size)
        self.size = size
    }

    func begin(_ number: Int) {
        used = 0
        count = 0
        note(0)
        if let ledger { weir_ledger_set(ledger, 0, UInt64(number)) }
    }

    private func note(_ first: Int) {
        guard let ledger else { return }
        weir_ledger_set(ledger, 2, 0)
        weir_ledger_set(ledger, 1, UInt64(first))
    }

    /// Takes ``line``.
    func add() {
        guard let ledger, Self.headLength + line.count <= size else {
            flush()
            count += 1
            control.send(line)
            note(count)
            return
        }
        if Self.headLength + used + line.count > size { flush() }
        line.withUnsafeBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return }
            (ledger + Self.headLength + used).update(from: start, count: bytes.count)
        }
        used += line.count
        count += 1
        weir_ledger_set(ledger, 2, UInt64(used))
    }

    func flush() {
        guard let ledger, used > 0 else { return }
        // The length stands right before the lines, in a part of the ledger's head that is for this.
        let start = ledger + Self.headLength - 4
        for index in 0..<4 { start[index] = UInt8(truncatingIfNeeded: used >> (8 * index)) }
        control.write(UnsafeRawBufferPointer(start: start, count: used + 4))
        note(count)
        used = 0
    }
}
