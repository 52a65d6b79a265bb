/// The name of a billing file: `billing-2026.05.20` or, packed, `billing-2026.05.20.bz2` (dCache `BillingIndexer`'s own
/// pattern). `billing-error-…` repeats lines of the main file and `index-…` is a Bloom filter: neither is one.
package struct BillingName: Sendable, Hashable {
    package var year: Int
    package var month: Int
    package var day: Int
    package var isPacked: Bool

    package init?(_ name: some StringProtocol) {
        var bytes = Array(name.utf8)
        let prefix = Array("billing-".utf8)
        guard bytes.starts(with: prefix) else { return nil }
        bytes.removeFirst(prefix.count)
        isPacked = bytes.count == 14
        if isPacked {
            guard bytes.suffix(4).elementsEqual(".bz2".utf8) else { return nil }
            bytes.removeLast(4)
        }
        guard bytes.count == 10, bytes[4] == 0x2E, bytes[7] == 0x2E else { return nil }
        func number(_ range: Range<Int>) -> Int? {
            var value = 0
            for byte in bytes[range] {
                guard byte >= 0x30, byte <= 0x39 else { return nil }
                value = value * 10 + Int(byte - 0x30)
            }
            return value
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        (self.year, self.month, self.day) = (year, month, day)
    }

    /// Sorts by date.
    package var order: Int { (year * 100 + month) * 100 + day }
}
