package import AsyncHTTPClient
internal import CloudEvents
internal import Crypto
internal import Foundation
package import Functions
internal import Identity
internal import NIOCore
internal import NIOHTTP1

/// Asks registries for manifests and blobs: the pull half of the OCI distribution specification.
///
/// A registry is a stranger: sizes are held against what was announced, bytes against their digest, credentials go to
/// their registry and the token server that it names, and nowhere else.
package struct RegistryClient: Sendable {
    package struct Limits: Sendable {
        /// One request until its answer begins, milliseconds.
        package var answer: Int64 = 30_000
        /// One attempt at a blob, milliseconds; the next one goes on where it ended.
        package var blobAttempt: Int64 = 600_000
        /// How often in a row a blob may bring nothing.
        package var barrenAttempts = 4
        package var redirects = 5

        package init() {}
    }

    let http: HTTPClient
    let settings: RegistrySettings
    let limits: Limits
    let tokens = RegistryTokens()
    let disk = BlockingThreads("registry")

    /// - Parameter http: must not follow redirects by itself (``clientConfiguration``).
    package init(http: HTTPClient, settings: RegistrySettings, limits: Limits = Limits()) {
        self.http = http
        self.settings = settings
        self.limits = limits
    }

    package static var clientConfiguration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        // Credentials must not travel along, so redirects are followed here.
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(10), read: .seconds(60))
        return configuration
    }

    /// The digest that a name stands for now, and the manifest's bytes, which have that digest.
    package func manifest(
        _ image: ImageReference, namespace: String
    ) async throws(ContainerError) -> (digest: ImageDigest, bytes: [UInt8]) {
        try settings.check(image)
        let reference = image.digest?.description ?? image.tag ?? "latest"
        let response = try await get(
            image, "/v2/\(image.path)/manifests/\(reference)", namespace,
            headers: [("Accept", ImageManifest.accepted.joined(separator: ", "))], timeout: limits.answer)
        guard response.status == .ok else { throw await failure(response, "the image \(image)") }
        let bytes = try await collect(response, upTo: ImageManifest.maximumSize, "the manifest of \(image)")
        guard let digest = ImageDigest(hexadecimal: Self.hexadecimal(SHA256.hash(data: bytes))) else {
            throw ContainerError(.invalidImage, "the manifest of \(image) has no digest")
        }
        if let wanted = image.digest, wanted != digest {
            throw ContainerError(.invalidImage, "\(image.host) gave another manifest than \(wanted): it has \(digest)")
        }
        return (digest, bytes)
    }

    /// A small blob, whole.
    package func blob(
        _ blob: ImageDescriptor, of image: ImageReference, namespace: String, upTo limit: Int64
    ) async throws(ContainerError) -> [UInt8] {
        let what = "the blob \(blob.digest) of \(image)"
        guard blob.size <= limit else {
            throw ContainerError(.tooLarge, "\(what) has \(blob.size) bytes, \(limit) are allowed")
        }
        let response = try await get(
            image, "/v2/\(image.path)/blobs/\(blob.digest)", namespace, headers: [], timeout: limits.answer)
        guard response.status == .ok else { throw await failure(response, what) }
        let bytes = try await collect(response, upTo: Int(blob.size), what)
        guard bytes.count == Int(blob.size), Self.hexadecimal(SHA256.hash(data: bytes)) == blob.digest.hexadecimal
        else {
            throw ContainerError(.invalidImage, "\(what) is not what its digest says")
        }
        return bytes
    }

    /// Fetches a blob into a file, going on where an earlier attempt ended.
    ///
    /// The file is there under this name only when it is whole and has its digest; until then it is `path.part`.
    package func download(
        _ blob: ImageDescriptor, of image: ImageReference, namespace: String, to path: String
    ) async throws(ContainerError) {
        var barren = 0
        while true {
            let part = try await disk.run { () throws(ContainerError) in try PartialBlob(path: path + ".part") }
            let before = await part.count
            do throws(ContainerError) {
                try await attempt(blob, image, namespace, part)
                try await part.finish(blob, image, as: path)
                return
            } catch {
                let now = await part.count
                await part.close()
                barren = now > before ? 0 : barren + 1
                guard error.code == .unavailable, barren < limits.barrenAttempts else { throw error }
            }
        }
    }

    private func attempt(
        _ blob: ImageDescriptor, _ image: ImageReference, _ namespace: String, _ part: PartialBlob
    ) async throws(ContainerError) {
        let what = "the layer \(blob.digest) of \(image)"
        let have = await part.count
        if have == blob.size { return }
        if have > blob.size { try await part.restart() }
        let from = await part.count
        let response = try await get(
            image, "/v2/\(image.path)/blobs/\(blob.digest)", namespace,
            headers: from > 0 ? [("Range", "bytes=\(from)-")] : [], timeout: limits.blobAttempt)
        switch response.status {
        case .partialContent where from > 0: break
        case .ok: try await part.restart()
        case .rangeNotSatisfiable:
            try await part.restart()
            throw ContainerError(.unavailable, "\(image.host) does not give the rest of \(what)")
        default: throw await failure(response, what)
        }
        var gathered = ByteBuffer()
        do {
            for try await chunk in response.body {
                gathered.writeImmutableBuffer(chunk)
                if gathered.readableBytes >= 1 << 20 {
                    try await part.append(gathered, limit: blob.size, what)
                    gathered.clear()
                }
            }
        } catch let error as ContainerError {
            throw error
        } catch {
            // What has come counts: the next attempt goes on behind it.
            try await part.append(gathered, limit: blob.size, what)
            throw ContainerError(.unavailable, "\(image.host) broke off in the middle of \(what): \(error)")
        }
        try await part.append(gathered, limit: blob.size, what)
        let got = await part.count
        guard got == blob.size else {
            throw ContainerError(.unavailable, "\(image.host) gave \(got) of the \(blob.size) bytes of \(what)")
        }
    }

    /// What a refusal means: 404 and 401 are told apart, the registry's own words come along.
    func failure(_ response: HTTPClientResponse, _ what: String) async -> ContainerError {
        let body = (try? await response.body.collect(upTo: 64 << 10)).map { Array($0.readableBytesView) } ?? []
        let said = (try? JSONValue(parsing: body))?["errors"]?.array?.first
        let words = [said?["code"]?.string, said?["message"]?.string].compactMap(\.self).joined(separator: ": ")
        let reason = words.isEmpty ? "" : " (\(words.prefix(300)))"
        switch response.status.code {
        case 401, 403:
            return ContainerError(.unauthorized, "the registry does not give \(what) with these credentials\(reason)")
        case 404: return ContainerError(.notFound, "the registry has not \(what)\(reason)")
        case 429: return ContainerError(.unavailable, "the registry asks for patience with \(what)\(reason)")
        default:
            return ContainerError(.unavailable, "the registry answered \(response.status.code) for \(what)\(reason)")
        }
    }

    func collect(
        _ response: HTTPClientResponse, upTo limit: Int, _ what: String
    ) async throws(ContainerError) -> [UInt8] {
        do {
            var bytes: [UInt8] = []
            for try await chunk in response.body {
                guard bytes.count + chunk.readableBytes <= limit else {
                    throw ContainerError(.tooLarge, "\(what) is larger than \(limit) bytes")
                }
                bytes.append(contentsOf: chunk.readableBytesView)
            }
            return bytes
        } catch let error as ContainerError {
            throw error
        } catch {
            throw ContainerError(.unavailable, "the registry broke off in the middle of \(what): \(error)")
        }
    }

    static func hexadecimal(_ digest: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
