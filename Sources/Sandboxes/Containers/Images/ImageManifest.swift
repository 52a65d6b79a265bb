internal import CloudEvents
package import Functions

/// What one blob of an image is: its kind, digest and size (OCI image specification, "Content Descriptors").
package struct ImageDescriptor: Sendable, Hashable {
    package var mediaType: String
    package var digest: ImageDigest
    package var size: Int64
    package var platform: ImagePlatform?

    package init(mediaType: String, digest: ImageDigest, size: Int64, platform: ImagePlatform? = nil) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.platform = platform
    }

    init(_ value: JSONValue, _ place: String) throws(ContainerError) {
        guard let digest = value["digest"]?.string.flatMap({ ImageDigest($0) }) else {
            throw ContainerError(.invalidImage, "\(place) has no digest of the kind sha256")
        }
        guard let size = value["size"]?.integer, size >= 0 else {
            throw ContainerError(.invalidImage, "\(place) has no size")
        }
        self.init(
            mediaType: value["mediaType"]?.string ?? "", digest: digest, size: size,
            platform: value["platform"].flatMap(ImagePlatform.init))
    }
}

/// What a registry or a layout holds under a name: an image, or a list of images by platform. Both of OCI and of Docker
/// ("Image Manifest Version 2, Schema 2"); they differ in media types only.
package enum ImageManifest: Sendable, Hashable {
    case image(configuration: ImageDescriptor, layers: [ImageDescriptor])
    case index([ImageDescriptor])

    /// The largest manifest that is read; registries take 4 MiB.
    package static let maximumSize = 4 << 20
    /// As many as Docker allows; overlayfs takes 500.
    static let maximumLayers = 127

    /// The media types that are asked for.
    package static let accepted = [
        "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
    ]

    package init(_ bytes: [UInt8]) throws(ContainerError) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw ContainerError(.invalidImage, "the manifest is no JSON: \(error)")
        }
        guard value["schemaVersion"]?.integer == 2 else {
            throw ContainerError(
                .invalidImage, "the manifest is not of schema version 2: push the image again with a newer tool")
        }
        if let list = value["manifests"]?.array, value["layers"] == nil {
            var entries: [ImageDescriptor] = []
            for (index, entry) in list.enumerated() {
                entries.append(try ImageDescriptor(entry, "entry \(index) of the image's index"))
            }
            self = .index(entries)
            return
        }
        guard let configuration = value["config"], let list = value["layers"]?.array else {
            throw ContainerError(
                .invalidImage, "the manifest has neither a configuration and layers nor a list of manifests")
        }
        let kind = configuration["mediaType"]?.string ?? ""
        guard
            ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json", ""].contains(
                kind)
        else { throw ContainerError(.invalidImage, "it is no container image but holds \(kind)") }
        guard list.count <= Self.maximumLayers else {
            throw ContainerError(
                .tooLarge, "the image has \(list.count) layers, \(Self.maximumLayers) are allowed: squash it")
        }
        var layers: [ImageDescriptor] = []
        for (index, layer) in list.enumerated() {
            layers.append(try ImageDescriptor(layer, "layer \(index) of the manifest"))
        }
        self = .image(configuration: try ImageDescriptor(configuration, "the configuration"), layers: layers)
    }
}
