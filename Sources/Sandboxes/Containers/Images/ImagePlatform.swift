internal import CloudEvents
internal import Glibc

/// For which system and processor an image is.
package struct ImagePlatform: Sendable, Hashable, CustomStringConvertible {
    package var system: String
    package var architecture: String
    package var variant: String?

    package init(system: String, architecture: String, variant: String? = nil) {
        self.system = system
        self.architecture = architecture
        self.variant = variant
    }

    init?(_ value: JSONValue) {
        guard let system = value["os"]?.string, let architecture = value["architecture"]?.string else { return nil }
        self.init(system: system, architecture: architecture, variant: value["variant"]?.string)
    }

    package var description: String { "\(system)/\(architecture)" + (variant.map { "/\($0)" } ?? "") }

    /// This machine, in Go's words, which images use (OCI image specification, "Image Index").
    package static let host: ImagePlatform = {
        var names = utsname()
        uname(&names)
        let machine = withUnsafeBytes(of: &names.machine) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        let architecture =
            switch machine {
            case "x86_64": "amd64"
            case "aarch64": "arm64"
            case "i686", "i586", "i386": "386"
            case "armv7l", "armv6l": "arm"
            default: machine
            }
        return ImagePlatform(system: "linux", architecture: architecture, variant: machine == "armv7l" ? "v7" : nil)
    }()

    /// The first entry of an index that runs here.
    package static func choose(
        _ entries: [ImageDescriptor], for host: ImagePlatform = .host
    ) throws(ContainerError) -> ImageDescriptor {
        let fitting = entries.filter {
            $0.platform?.system == host.system && $0.platform?.architecture == host.architecture
        }
        if let exact = fitting.first(where: { $0.platform?.variant == host.variant }) ?? fitting.first { return exact }
        // A list of one image that says nothing of its platform is meant for whoever asks.
        if entries.count == 1, let only = entries.first, only.platform == nil { return only }
        let known = entries.compactMap { $0.platform?.description }.filter { $0 != "unknown/unknown" }
        throw ContainerError(
            .invalidImage,
            "the image is not for \(host), only for \(known.isEmpty ? "nothing that is named" : known.joined(separator: ", "))"
        )
    }
}
