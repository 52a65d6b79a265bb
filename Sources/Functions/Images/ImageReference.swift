/// The name of a container image: `host/path:tag`, `host/path@sha256:…`, or both (the digest rules).
///
/// The grammar is the one of the distribution project ("reference" package), with its usual short forms: no host means
/// Docker's registry, one part there means its folder `library`, no tag and no digest means `latest`.
package struct ImageReference: Sendable, Hashable, CustomStringConvertible {
    /// With the port if it has one; in lower case.
    package let host: String
    /// Without the host: `project/name`.
    package let path: String
    package let tag: String?
    package let digest: ImageDigest?

    package static let dockerHost = "docker.io"

    /// - Throws: a sentence that says what is wrong.
    package init(_ text: String) throws(ImageReferenceError) {
        guard !text.isEmpty else { throw ImageReferenceError("the image has no name") }
        guard text.utf8.count <= 512 else { throw ImageReferenceError("the image's name is longer than 512 bytes") }
        var rest = Substring(text)
        var digest: ImageDigest?
        if let at = rest.firstIndex(of: "@") {
            let written = String(rest[rest.index(after: at)...])
            guard let parsed = ImageDigest(written) else {
                throw ImageReferenceError(
                    "\"\(written)\" is no digest: sha256: and 64 hexadecimal digits were expected")
            }
            digest = parsed
            rest = rest[..<at]
        }
        var host = Self.dockerHost
        var hasHost = false
        if let slash = rest.firstIndex(of: "/"), Self.looksLikeHost(rest[..<slash]) {
            host = rest[..<slash].lowercased()
            rest = rest[rest.index(after: slash)...]
            hasHost = true
            try Self.check(host: host)
        }
        var tag: String?
        if let colon = rest.lastIndex(of: ":") {
            let written = rest[rest.index(after: colon)...]
            guard Self.isTag(written) else {
                throw ImageReferenceError(
                    "\"\(written)\" is no tag: letters, digits, \"_\", \".\" and \"-\" are allowed, 128 at most")
            }
            tag = String(written)
            rest = rest[..<colon]
        }
        let parts = rest.split(separator: "/", omittingEmptySubsequences: false)
        guard !rest.isEmpty, parts.allSatisfy(Self.isPathPart), rest.utf8.count <= 255 else {
            throw ImageReferenceError(
                "\"\(rest)\" is no name of an image: lower-case letters and digits, with \".\", \"_\" or \"-\" between, "
                    + "in parts divided by \"/\" were expected")
        }
        self.host = host
        path = !hasHost && parts.count == 1 ? "library/\(rest)" : String(rest)
        self.tag = tag ?? (digest == nil ? "latest" : nil)
        self.digest = digest
    }

    private init(host: String, path: String, tag: String?, digest: ImageDigest?) {
        self.host = host
        self.path = path
        self.tag = tag
        self.digest = digest
    }

    /// The same image's name by its digest alone.
    package func pinned(_ digest: ImageDigest) -> ImageReference {
        ImageReference(host: host, path: path, tag: nil, digest: digest)
    }

    /// Host and path.
    package var repository: String { "\(host)/\(path)" }

    /// Written out with all that was left out.
    package var description: String {
        repository + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
    }

    /// Whether the registry is on this machine, where plain HTTP is what people run.
    package var isLoopback: Bool {
        let name =
            host.hasPrefix("[") ? String(host.dropFirst().prefix { $0 != "]" }) : String(host.prefix { $0 != ":" })
        if name == "localhost" || name == "::1" { return true }
        let numbers = name.split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers[0] == "127" && numbers.allSatisfy { UInt8($0) != nil }
    }

    /// A first part with a dot or a port, or `localhost`, is a host; else it belongs to the path.
    private static func looksLikeHost(_ text: Substring) -> Bool {
        text == "localhost" || text.contains(where: { $0 == "." || $0 == ":" })
    }

    private static func check(host: String) throws(ImageReferenceError) {
        let wrong = ImageReferenceError(
            "\"\(host)\" is no host of a registry: a name or address, and a port if need be")
        var name = Substring(host)
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { throw wrong }
            let address = host[host.index(after: host.startIndex)..<end]
            guard !address.isEmpty, address.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else { throw wrong }
            name = host[host.index(after: end)...]
            guard name.isEmpty || name.hasPrefix(":") else { throw wrong }
            if name.isEmpty { return }
        }
        if let colon = name.lastIndex(of: ":") {
            let digits = name[name.index(after: colon)...]
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits), port > 0 else {
                throw wrong
            }
            name = name[..<colon]
        }
        if host.hasPrefix("[") { return }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        let isSound = labels.allSatisfy { label in
            !label.isEmpty && label.utf8.allSatisfy { isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
                && label.first != "-" && label.last != "-"
        }
        guard isSound else { throw wrong }
    }

    private static func isTag(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 128 else { return false }
        guard first != UInt8(ascii: "."), first != UInt8(ascii: "-") else { return false }
        return text.utf8.allSatisfy {
            isLowerOrDigit($0) || (0x41...0x5A).contains($0) || $0 == 0x5F || $0 == 0x2E || $0 == 0x2D
        }
    }

    /// Runs of lower-case letters and digits with one `.`, one or two `_`, or any number of `-` between them.
    private static func isPathPart(_ text: Substring) -> Bool {
        var separator: [UInt8] = []
        var hasBegun = false
        for byte in text.utf8 {
            if isLowerOrDigit(byte) {
                let isSound =
                    separator.isEmpty || separator == [0x2E] || separator == [0x5F] || separator == [0x5F, 0x5F]
                    || separator.allSatisfy { $0 == 0x2D }
                guard isSound, hasBegun || separator.isEmpty else { return false }
                hasBegun = true
                separator = []
            } else if byte == 0x2E || byte == 0x5F || byte == 0x2D {
                separator.append(byte)
            } else {
                return false
            }
        }
        return hasBegun && separator.isEmpty
    }

    private static func isLowerOrDigit(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte)
    }
}

/// Why a text names no image, as a sentence.
package struct ImageReferenceError: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
