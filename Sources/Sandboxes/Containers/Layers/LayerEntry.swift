/// One entry of a layer, its name found harmless. Names are bytes: a file system asks for no more.
struct LayerEntry {
    enum Kind: Equatable {
        case file(size: Int64)
        case folder
        case link(target: [UInt8])
        /// Another name of a file of the same layer.
        case hardLink(to: LayerPath)
        /// The name is gone from the layers below (OCI image specification, "Whiteouts").
        case whiteout
        /// Nothing of the folder's content in the layers below is to be seen.
        case opaque
        /// A device, a pipe, or a private mark of a tool: left out.
        case ignored
    }

    var path: LayerPath
    var kind: Kind
    var mode: UInt32
    var user: Int64
    var group: Int64
    /// Seconds since 1970.
    var modified: Int64
}

/// A place inside a layer: parts that are none of empty, `.` and `..`.
struct LayerPath: Hashable {
    var parts: [[UInt8]]

    var isRoot: Bool { parts.isEmpty }
    var name: [UInt8] { parts.last ?? [] }
    var above: LayerPath { LayerPath(parts: Array(parts.dropLast())) }

    /// As system calls take it: relative, ended by NUL; the layer itself is `.`.
    var terminated: [CChar] {
        let joined = isRoot ? [0x2E] : Array(parts.joined(separator: [0x2F]))
        return joined.map { CChar(bitPattern: $0) } + [0]
    }

    init(parts: [[UInt8]]) {
        self.parts = parts
    }

    /// - Throws: when it would lead out of the layer. A slash in front and `./` are usual and mean nothing.
    init(_ name: some Collection<UInt8>, _ limits: LayerLimits) throws(ContainerError) {
        guard name.count <= limits.pathLength, !name.contains(0) else {
            throw ContainerError(
                .invalidImage, "a layer's entry has a name of \(name.count) bytes, or with a NUL in it")
        }
        var parts: [[UInt8]] = []
        for part in name.split(separator: 0x2F) {
            if part.elementsEqual([0x2E]) { continue }
            guard !part.elementsEqual([0x2E, 0x2E]) else {
                throw ContainerError(
                    .invalidImage, "the entry \"\(Self.shown(name))\" leads out of the layer by \"..\"")
            }
            guard part.count <= limits.partLength else {
                throw ContainerError(.invalidImage, "a layer's entry has a part of \(part.count) bytes in its name")
            }
            parts.append(Array(part))
        }
        guard parts.count <= limits.depth else {
            throw ContainerError(
                .tooLarge, "a layer's entry lies \(parts.count) folders deep, \(limits.depth) are allowed")
        }
        self.parts = parts
    }

    /// For messages: control characters made visible, not too long.
    static func shown(_ name: some Collection<UInt8>) -> String {
        var text = ""
        for scalar in String(decoding: name.prefix(200), as: UTF8.self).unicodeScalars {
            if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) {
                text += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text + (name.count > 200 ? "…" : "")
    }

    var shown: String { Self.shown(Array(parts.joined(separator: [0x2F]))) }
}
