internal import AsyncHTTPClient
internal import CloudEvents
internal import Foundation
package import Functions
internal import Glibc
internal import Identity
internal import NIOCore
internal import NIOHTTP1

/// Building: the daemon does it, of a tar of the function's folder.
extension DockerEngine {
    /// How long one build may take, milliseconds.
    static var buildTime: Int64 { 1_800_000 }

    package func built(_ order: ImageBuildOrder) async -> PinnedImage? {
        guard let digest = files.named(buildKey(order)) else { return nil }
        guard let answer = try? await docker.call(.GET, "\(api)/images/\(digest)/json"), answer.status == 200 else {
            return nil
        }
        return PinnedImage(repository: repository(order), digest: digest)
    }

    package func build(_ order: ImageBuildOrder) async throws(ContainerError) -> PinnedImage {
        if order.pull != .always, let known = await built(order) { return known }
        let sources = try await sources(of: order)
        let context = files.incoming(UUID().uuidString + ".tar")
        defer { unlink(context) }
        try await disk.run { () throws(ContainerError) in try BuildContext.write(order.directory, to: context) }
        // The tag of the content: two builds of one function side by side do not take each other's.
        let name = "\(repository(order)):\(order.content.prefix(16))"
        var query = [
            ("t", name), ("dockerfile", order.dockerfile), ("rm", "true"), ("forcerm", "true"),
            ("networkmode", buildNetwork.rawValue), ("pull", order.pull == .always ? "true" : "false"),
            ("memory", "\(Int64(2) << 30)"), ("memswap", "\(Int64(2) << 30)"),
        ]
        if isPodman {
            query.append(("tlsVerify", sources.contains(where: registry.settings.isPlain) ? "false" : "true"))
        }
        let path = isPodman ? "/v4.0.0/libpod/build" : "\(api)/build"
        let response = try await docker.open(
            .POST, path, query,
            headers: [
                ("Content-Type", "application/x-tar"), ("X-Registry-Config", accounts(for: sources, order.namespace)),
            ],
            body: try BuildContext.body(of: context), deadline: .now() + .milliseconds(Self.buildTime))
        var failure: String?
        var lines: [String] = []
        try await docker.readLines(response) { line in
            if let text = line["stream"]?.string?.trimmingCharacters(in: .whitespacesAndNewlines), !text.isEmpty {
                lines.append(text)
                if lines.count > 40 { lines.removeFirst() }
            }
            if let text = line["error"]?.string ?? line["message"]?.string { failure = text }
        }
        guard response.status == .ok, failure == nil else {
            throw ContainerError(
                .buildFailed, BuildContext.failure(failure ?? "the daemon answered \(response.status.code)", lines))
        }
        let inspected = try await docker.call(.GET, "\(api)/images/\(name)/json")
        guard let digest = inspected.json["Id"]?.string.flatMap({ ImageDigest($0) }) else {
            throw ContainerError(
                .buildFailed, BuildContext.failure("the daemon does not know the image it built", lines))
        }
        try files.keepName(buildKey(order), digest)
        return PinnedImage(repository: repository(order), digest: digest)
    }

    private func repository(_ order: ImageBuildOrder) -> String { ImageStore.repository(ofBuilt: order) }

    private func buildKey(_ order: ImageBuildOrder) -> String {
        "built:\(order.namespace)/\(order.content)/\(buildNetwork.rawValue)/\(order.dockerfile)"
    }

    /// The images that the Dockerfile names, all of which may be used.
    private func sources(of order: ImageBuildOrder) async throws(ContainerError) -> [ImageReference] {
        try await disk.run { [settings = registry.settings] () throws(ContainerError) in
            try Dockerfile.sources(order, settings)
        }
    }

    /// Credentials for the registries of the images that are built on.
    private func accounts(for sources: [ImageReference], _ namespace: String) -> String {
        var accounts = JSONObject()
        for image in sources {
            guard let account = registry.settings.credentials(image.host, namespace: namespace) else { continue }
            let host = image.host == ImageReference.dockerHost ? "https://index.docker.io/v1/" : image.host
            accounts[host] = [
                "username": .string(account.username), "password": .string(account.password.reveal()),
            ]
        }
        return Self.encoded(.object(accounts))
    }
}
