/// Lengths of time and sizes as people write them.
public enum Quantity {
    /// `300ms`, `2s`, `5m`, `1h30m`, `30d`, `2w` in milliseconds; a bare number is refused, for it could mean anything.
    public static func milliseconds(_ text: String) -> Int64? {
        parse(text, allowSequence: true) { unit in
            switch unit {
            case "ms": 1
            case "s": 1_000
            case "m", "min": 60_000
            case "h": 3_600_000
            case "d": 86_400_000
            case "w": 604_800_000
            default: nil
            }
        }
    }

    /// `512`, `512B`, `64kB` (1000), `64KiB` (1024), `256MB`, `10GiB`, `1TB` in bytes. Upper and lower case count alike.
    public static func bytes(_ text: String) -> Int64? {
        parse(text, allowSequence: false) { unit in
            switch unit.lowercased() {
            case "", "b": 1
            case "k", "kb": 1_000
            case "ki", "kib": 1 << 10
            case "m", "mb": 1_000_000
            case "mi", "mib": 1 << 20
            case "g", "gb": 1_000_000_000
            case "gi", "gib": 1 << 30
            case "t", "tb": 1_000_000_000_000
            case "ti", "tib": 1 << 40
            default: nil
            }
        }
    }

    /// Writes a length of time in the shortest exact form.
    public static func text(milliseconds: Int64) -> String {
        for (unit, size) in [("d", Int64(86_400_000)), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
        where milliseconds != 0 && milliseconds % size == 0 {
            return "\(milliseconds / size)\(unit)"
        }
        return "\(milliseconds)ms"
    }

    /// Writes a size in the shortest exact form.
    public static func text(bytes: Int64) -> String {
        for (unit, size) in [
            ("GiB", Int64(1 << 30)), ("GB", 1_000_000_000), ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10),
            ("kB", 1_000),
        ] where bytes != 0 && bytes % size == 0 {
            return "\(bytes / size)\(unit)"
        }
        return "\(bytes)B"
    }

    private static func parse(_ text: String, allowSequence: Bool, unit: (String) -> Int64?) -> Int64? {
        var total: Int64 = 0
        var rest = Substring(text.filter { $0 != " " })
        guard !rest.isEmpty else { return nil }
        var parts = 0
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest = rest.dropFirst(number.count)
            let name = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest.dropFirst(name.count)
            guard !number.isEmpty, let scale = unit(String(name)), let value = Double(number), value.isFinite,
                (name.isEmpty && !number.isEmpty) || !name.isEmpty
            else { return nil }
            let part: Int64
            if let whole = Int64(number) {
                let (product, overflow) = whole.multipliedReportingOverflow(by: scale)
                guard !overflow else { return nil }
                part = product
            } else {
                guard value * Double(scale) < 9e18 else { return nil }
                part = Int64((value * Double(scale)).rounded())
            }
            let (sum, overflow) = total.addingReportingOverflow(part)
            guard !overflow else { return nil }
            total = sum
            parts += 1
            guard allowSequence || rest.isEmpty else { return nil }
        }
        return parts > 0 ? total : nil
    }
}
