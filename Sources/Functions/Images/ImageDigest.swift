/// What identifies a manifest, a layer or a configuration by its bytes: `sha256:` and 64 lower-case hexadecimal digits.
///
/// Other algorithms exist on paper (OCI image specification, "Digests"); no registry uses them.
package struct ImageDigest: Sendable, Hashable, CustomStringConvertible {
    package let hexadecimal: String

    /// `nil` when it is none.
    package init?(_ text: String) {
        guard text.hasPrefix("sha256:") else { return nil }
        self.init(hexadecimal: String(text.dropFirst(7)))
    }

    package init?(hexadecimal: String) {
        guard hexadecimal.utf8.count == 64,
            hexadecimal.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        self.hexadecimal = hexadecimal
    }

    package var description: String { "sha256:" + hexadecimal }
}
