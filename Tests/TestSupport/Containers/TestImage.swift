public import CloudEvents

/// An image made of layers, in the forms in which registries hold it.
public struct TestImage: Sendable {
    public let layers: [[UInt8]]
    /// The layers as they travel.
    public let blobs: [[UInt8]]
    /// The digests that the configuration claims; those of the layers unless a test lies.
    public var claimed: [String]
    /// As in the configuration: `Cmd`, `Entrypoint`, `Env`, `User`, `WorkingDir`.
    public var config: JSONObject
    public var architecture: String
    private let isPacked: Bool

    /// - Parameter layers: tars, lowest first.
    public init(
        _ layers: [[UInt8]], config: JSONObject = [:], architecture: String? = nil, isPacked: Bool = true
    ) {
        self.layers = layers
        self.config = config
        self.isPacked = isPacked
        blobs = isPacked ? layers.map { LayerBuilder.gzip($0) } : layers
        claimed = layers.map { LayerBuilder.digest($0) }
        #if arch(arm64)
            self.architecture = architecture ?? "arm64"
        #else
            self.architecture = architecture ?? "amd64"
        #endif
    }

    public var configuration: [UInt8] {
        let document: JSONValue = [
            "architecture": .string(architecture), "os": "linux", "config": .object(config),
            "rootfs": ["type": "layers", "diff_ids": .array(claimed.map { .string($0) })],
        ]
        return document.encoded()
    }

    public var manifest: [UInt8] {
        let configuration = configuration
        let kind = "application/vnd.oci.image.layer.v1.tar" + (isPacked ? "+gzip" : "")
        let document: JSONValue = [
            "schemaVersion": 2, "mediaType": .string(TestImage.manifestType),
            "config": Self.descriptor("application/vnd.oci.image.config.v1+json", configuration),
            "layers": .array(blobs.map { Self.descriptor(kind, $0) }),
        ]
        return document.encoded()
    }

    public static let manifestType = "application/vnd.oci.image.manifest.v1+json"
    public static let indexType = "application/vnd.oci.image.index.v1+json"

    public static func descriptor(_ kind: String, _ bytes: [UInt8]) -> JSONValue {
        [
            "mediaType": .string(kind), "digest": .string(LayerBuilder.digest(bytes)),
            "size": .integer(Int64(bytes.count)),
        ]
    }
}
