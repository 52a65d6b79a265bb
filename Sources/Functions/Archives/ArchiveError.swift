/// Why an archive is not unpacked. Nothing of it remains.
package struct ArchiveError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable {
        /// Not the format that it says, cut off, or its checksums are wrong.
        case corrupt
        /// Well-formed, but uses what is not accepted.
        case unsupported
        /// Would reach outside, or deceives.
        case unsafe
        /// Beyond a limit.
        case tooLarge
        /// No room on the disk.
        case diskFull
        /// The disk did not do it.
        case storage
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// With the entry named in front, control characters made visible.
    init(_ code: Code, entry: some Collection<UInt8>, _ message: String) {
        var name = ""
        for scalar in String(decoding: entry.prefix(200), as: UTF8.self).unicodeScalars {
            if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) {
                name += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                name.unicodeScalars.append(scalar)
            }
        }
        self.init(code, "the archive's entry \"\(name)\(entry.count > 200 ? "…" : "")\" \(message)")
    }

    package var description: String { message }
}
