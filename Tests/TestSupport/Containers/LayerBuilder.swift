internal import CZlib
internal import Crypto

/// Writes the tar of an image's layer, sound or not.
public struct LayerBuilder: Sendable {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    /// One entry, whatever its kind: `0` file, `1` hard link, `2` link, `3` `4` device, `5` folder, `6` pipe.
    public mutating func add(
        _ name: String, _ content: [UInt8] = [], kind: Character = "0", mode: Int = 0o644, user: Int = 0,
        group: Int = 0,
        modified: Int = 1_000_000_000, link: String = "", device: (Int, Int) = (0, 0)
    ) {
        if name.utf8.count > 100 { pax([("path", name)]) }
        if link.utf8.count > 100 { pax([("linkpath", link)]) }
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: some Collection<UInt8>, _ at: Int, _ most: Int) {
            for (index, byte) in text.prefix(most).enumerated() { block[at + index] = byte }
        }
        func octal(_ value: Int, _ digits: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array((String(repeating: "0", count: max(0, digits - text.count)) + text).utf8)
        }
        put(Array(name.utf8), 0, 100)
        put(octal(mode, 7), 100, 8)
        put(octal(user, 7), 108, 8)
        put(octal(group, 7), 116, 8)
        put(octal(content.count, 11), 124, 12)
        put(octal(modified, 11), 136, 12)
        block[156] = kind.asciiValue ?? 0
        put(Array(link.utf8), 157, 100)
        put(Array("ustar\u{0}00".utf8), 257, 8)
        put(octal(device.0, 7), 329, 8)
        put(octal(device.1, 7), 337, 8)
        for index in 148..<156 { block[index] = 0x20 }
        put(octal(block.reduce(0) { $0 + Int($1) }, 6) + [0, 0x20], 148, 8)
        bytes += block + content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    public mutating func file(_ name: String, _ text: String, mode: Int = 0o644, user: Int = 0, group: Int = 0) {
        add(name, Array(text.utf8), mode: mode, user: user, group: group)
    }

    public mutating func folder(_ name: String, mode: Int = 0o755, user: Int = 0) {
        add(name, kind: "5", mode: mode, user: user)
    }

    public mutating func link(_ name: String, to target: String) { add(name, kind: "2", mode: 0o777, link: target) }

    public mutating func hardLink(_ name: String, to target: String) { add(name, kind: "1", link: target) }

    public mutating func pax(_ records: [(String, String)], kind: Character = "x") {
        var content: [UInt8] = []
        for (key, value) in records {
            let body = " \(key)=\(value)\n"
            var length = body.utf8.count + 1
            while "\(length)".utf8.count + body.utf8.count != length { length += 1 }
            content += Array("\(length)\(body)".utf8)
        }
        add("pax", content, kind: kind)
    }

    /// The archive with its end mark.
    public var tar: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    /// Packs bytes as gzip does.
    public static func gzip(_ bytes: [UInt8], level: Int32 = 6) -> [UInt8] {
        var stream = z_stream()
        deflateInit2_(
            &stream, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        defer { deflateEnd(&stream) }
        let most = Int(deflateBound(&stream, UInt(bytes.count))) + 64
        var input = bytes
        return [UInt8](unsafeUninitializedCapacity: most) { output, count in
            input.withUnsafeMutableBufferPointer { input in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(most)
                deflate(&stream, Z_FINISH)
                count = most - Int(stream.avail_out)
            }
        }
    }

    /// `sha256:…` of bytes.
    public static func digest(_ bytes: [UInt8]) -> String {
        "sha256:" + SHA256.hash(data: bytes).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}
