internal import CloudEvents
internal import Crypto
internal import Foundation
internal import Functions

/// A folder in which a builder left an image (OCI image layout specification).
struct ImageLayout: Sendable {
    let path: String
    /// The digest of the image's manifest, or of its index.
    let root: ImageDigest

    /// Reads its table of contents. Blocks.
    init(path: String) throws(ContainerError) {
        self.path = path
        guard let data = FileManager.default.contents(atPath: path + "/index.json"),
            let index = try? JSONValue(parsing: Array(data)), let entries = index["manifests"]?.array
        else { throw ContainerError(.invalidImage, "\(path) holds no image in OCI's layout") }
        guard entries.count == 1, let digest = entries[0]["digest"]?.string.flatMap({ ImageDigest($0) }) else {
            throw ContainerError(.invalidImage, "\(path) holds \(entries.count) images, not one")
        }
        root = digest
    }

    func blob(_ digest: ImageDigest) -> String { path + "/blobs/sha256/" + digest.hexadecimal }

    func read(_ digest: ImageDigest, upTo limit: Int) throws(ContainerError) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: blob(digest)), data.count <= limit,
            RegistryClient.hexadecimal(SHA256.hash(data: Array(data))) == digest.hexadecimal
        else { throw ContainerError(.invalidImage, "\(path) does not hold \(digest), or not whole") }
        return Array(data)
    }
}
