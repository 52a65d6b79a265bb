/// Why a text is not the JSON that was wanted, and where.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The byte at which reading stopped, from 0.
    public let offset: Int
    /// Line and column (in bytes) of that byte, from 1.
    public let line: Int
    public let column: Int
    /// What was wrong, as a sentence part: `a comma or ] was expected`.
    public let reason: String

    public var description: String { "not valid JSON at line \(line), column \(column): \(reason)" }

    package init(_ reason: String, at offset: Int, in bytes: UnsafeRawBufferPointer) {
        self.reason = reason
        self.offset = offset
        var line = 1
        var lineStart = 0
        for index in 0..<min(offset, bytes.count) where bytes[index] == 0x0A {
            line += 1
            lineStart = index + 1
        }
        self.line = line
        self.column = offset - lineStart + 1
    }
}
