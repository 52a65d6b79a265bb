import Crypto

/// A text that must not be seen: no description, log line or reflection shows it.
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let text: String

    package init(_ text: String) {
        self.text = text
    }

    /// The text itself, for the one use that needs it.
    package func reveal() -> String { text }

    /// Whether two are the same, in a time that does not depend on where they differ: their hashes are compared.
    package func matches(_ other: Secret) -> Bool {
        let mine = SHA256.hash(data: Array(text.utf8))
        let theirs = SHA256.hash(data: Array(other.text.utf8))
        var difference: UInt8 = 0
        for (a, b) in zip(mine, theirs) { difference |= a ^ b }
        return difference == 0
    }

    package var description: String { "<redacted>" }
    package var debugDescription: String { "<redacted>" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
