internal import AsyncHTTPClient

internal import Foundation
internal import NIOCore
internal import NIOHTTP1

/// Debian's `docker-registry` on a free port of loopback: the reference implementation of the distribution
/// specification.
public final class TestRegistry: Sendable {
    public let port: Int
    /// `127.0.0.1:port`, as it stands in front of an image's name.
    public var host: String { "127.0.0.1:\(port)" }
    private let process: ChildProcess
    private let folder: TemporaryDirectory
    private let password: String?

    /// Why it cannot be had, `nil` when it can.
    public static let missing: String? =
        FileManager.default.isExecutableFile(atPath: program) ? nil : "there is no \(program) (Debian: docker-registry)"

    private static let program = "/usr/bin/docker-registry"

    /// Starts one and returns when it answers.
    ///
    /// - Parameter needsPassword: asks for the user `robot` with the password `secret`.
    public init(needsPassword: Bool = false) async throws {
        folder = try TemporaryDirectory("weir-registry")
        port = try FreePort.take()
        password = needsPassword ? "secret" : nil
        var configuration = """
            version: 0.1
            log: { level: warn }
            storage: { filesystem: { rootdirectory: \(folder.file("data")) }, delete: { enabled: true } }
            http: { addr: "127.0.0.1:\(port)" }

            """
        if needsPassword {
            configuration += "auth: { htpasswd: { realm: test, path: \(folder.file("users")) } }\n"
            // bcrypt of "secret".
            try "robot:$2b$05$S7wteLig.RspOsk./8aGeOCtRAtuSGHUZO7KgVhnMm5XUTmaq53FO\n"
                .write(toFile: folder.file("users"), atomically: true, encoding: .utf8)
        }
        try configuration.write(toFile: folder.file("config.yml"), atomically: true, encoding: .utf8)
        process = try ChildProcess([Self.program, "serve", folder.file("config.yml")], log: folder.file("log"))
        try await process.waitForPort(port)
    }

    /// Ends it; images stay until the value goes.
    public func stop() { process.stop() }

    /// Puts an image under a name and tag; the digest of its manifest.
    @discardableResult
    public func push(_ image: TestImage, _ name: String, tag: String) async throws -> String {
        for blob in image.blobs + [image.configuration] { try await push(blob: blob, name) }
        try await push(manifest: image.manifest, TestImage.manifestType, name, tag)
        return LayerBuilder.digest(image.manifest)
    }

    public func push(blob: [UInt8], _ name: String) async throws {
        let digest = LayerBuilder.digest(blob)
        let begun = try await send(.POST, "/v2/\(name)/blobs/uploads/")
        guard let place = begun.headers.first(name: "location") else {
            throw ChildProcess.Failure("the registry takes no upload: \(begun.status)")
        }
        let separator = place.contains("?") ? "&" : "?"
        let path = URL(string: place).map { $0.path + "?" + ($0.query ?? "") } ?? place
        let done = try await send(
            .PUT, path + (path.hasSuffix("?") ? "" : separator) + "digest=\(digest)", blob, "application/octet-stream")
        guard done.status == .created else { throw ChildProcess.Failure("the registry refuses a blob: \(done.status)") }
    }

    public func push(manifest: [UInt8], _ type: String, _ name: String, _ reference: String) async throws {
        let done = try await send(.PUT, "/v2/\(name)/manifests/\(reference)", manifest, type)
        guard done.status == .created else {
            let text = try await done.body.collect(upTo: 1 << 20)
            throw ChildProcess.Failure("the registry refuses a manifest: \(done.status) \(String(buffer: text))")
        }
    }

    private func send(
        _ method: HTTPMethod, _ path: String, _ body: [UInt8] = [], _ type: String? = nil
    ) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: "http://\(host)\(path)")
        request.method = method
        if let type { request.headers.add(name: "Content-Type", value: type) }
        if let password { request.setBasicAuth(username: "robot", password: password) }
        request.body = .bytes(ByteBuffer(bytes: body))
        return try await HTTPClient.shared.execute(request, timeout: .seconds(60))
    }
}
