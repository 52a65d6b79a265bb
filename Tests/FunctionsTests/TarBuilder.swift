/// Writes tar files, sound and unsound ones.
struct TarBuilder {
    private(set) var bytes: [UInt8] = []

    mutating func add(
        _ name: [UInt8], _ content: [UInt8] = [], kind: Character = "0", mode: Int = 0o644, size: String? = nil,
        link: String = "", prefix: String = "", damage: Bool = false
    ) {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: some Collection<UInt8>, _ at: Int, _ most: Int) {
            for (index, byte) in text.prefix(most).enumerated() { block[at + index] = byte }
        }
        func octal(_ value: Int, _ digits: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array((String(repeating: "0", count: max(0, digits - text.count)) + text).utf8)
        }
        put(name, 0, 100)
        put(octal(mode, 7), 100, 8)
        put(octal(0, 7), 108, 8)
        put(octal(0, 7), 116, 8)
        put(size.map { Array($0.utf8) } ?? octal(content.count, 11), 124, 12)
        put(octal(0, 11), 136, 12)
        block[156] = kind.asciiValue ?? 0
        put(Array(link.utf8), 157, 100)
        put(Array("ustar\u{0}00".utf8), 257, 8)
        put(Array(prefix.utf8), 345, 155)
        for index in 148..<156 { block[index] = 0x20 }
        let sum = block.reduce(0) { $0 + Int($1) } + (damage ? 1 : 0)
        put(octal(sum, 6) + [0, 0x20], 148, 8)
        bytes += block + content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    mutating func add(_ name: String, _ content: String = "", kind: Character = "0", mode: Int = 0o644) {
        add(Array(name.utf8), Array(content.utf8), kind: kind, mode: mode)
    }

    mutating func pax(_ records: [(String, String)], kind: Character = "x") {
        var content: [UInt8] = []
        for (key, value) in records {
            let body = " \(key)=\(value)\n"
            var length = body.utf8.count + 1
            while "\(length)".utf8.count + body.utf8.count != length { length += 1 }
            content += Array("\(length)\(body)".utf8)
        }
        add(Array("pax".utf8), content, kind: kind)
    }

    func build(endMark: Bool = true) -> [UInt8] {
        bytes + (endMark ? [UInt8](repeating: 0, count: 1024) : [])
    }
}
