internal import CloudEvents
package import Functions

/// What an image says about how it is run (OCI image specification, "Image Configuration").
package struct ImageConfiguration: Sendable, Hashable {
    package var platform: ImagePlatform
    /// `NAME=value`.
    package var environment: [String]
    package var entrypoint: [String]
    package var command: [String]
    package var workingDirectory: String
    /// As written: name or number, and group behind a colon.
    package var user: String
    /// The digests of the unpacked layers, lowest first.
    package var layers: [ImageDigest]

    /// The largest configuration that is read.
    static let maximumSize: Int64 = 4 << 20

    init(platform: ImagePlatform, command: [String]) {
        self.platform = platform
        self.command = command
        environment = []
        entrypoint = []
        workingDirectory = ""
        user = ""
        layers = []
    }

    package init(_ bytes: [UInt8]) throws(ContainerError) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw ContainerError(.invalidImage, "the image's configuration is no JSON: \(error)")
        }
        guard let platform = ImagePlatform(value) else {
            throw ContainerError(.invalidImage, "the image's configuration does not name its platform")
        }
        guard value["rootfs"]?["type"]?.string == "layers", let list = value["rootfs"]?["diff_ids"]?.array else {
            throw ContainerError(.invalidImage, "the image's configuration does not list its layers")
        }
        var layers: [ImageDigest] = []
        for entry in list {
            guard let digest = entry.string.flatMap({ ImageDigest($0) }) else {
                throw ContainerError(
                    .invalidImage, "the image's configuration names a layer by no digest of the kind sha256")
            }
            layers.append(digest)
        }
        self.platform = platform
        self.layers = layers
        let config = value["config"] ?? [:]
        environment = try Self.strings(config["Env"], "Env")
        entrypoint = try Self.strings(config["Entrypoint"], "Entrypoint")
        command = try Self.strings(config["Cmd"], "Cmd")
        workingDirectory = config["WorkingDir"]?.string ?? ""
        user = config["User"]?.string ?? ""
        for text in environment + entrypoint + command + [workingDirectory, user] where text.utf8.contains(0) {
            throw ContainerError(.invalidImage, "the image's configuration holds a NUL character")
        }
    }

    /// What is started: the entry point and the command behind it.
    package var arguments: [String] { entrypoint + command }

    private static func strings(_ value: JSONValue?, _ name: String) throws(ContainerError) -> [String] {
        guard let value, value != .null else { return [] }
        guard let list = value.array else {
            throw ContainerError(.invalidImage, "\(name) of the image's configuration is no list")
        }
        var strings: [String] = []
        for entry in list {
            guard let text = entry.string else {
                throw ContainerError(.invalidImage, "\(name) of the image's configuration holds \(entry.kindName)")
            }
            strings.append(text)
        }
        return strings
    }
}
