import Foundation

/// A real search server that speaks OpenSearch's API (osmem), in memory, on loopback.
public final class SearchServer: Sendable {
    public static let unavailable: String? = {
        TestServers.fetch("search")
        return FileManager.default.fileExists(atPath: TestServers.folder + "/search/ready")
            ? nil : "the search server cannot be had (see script/setup-tests search)"
    }()

    private let folder: TemporaryDirectory
    private let process: ChildProcess
    public let port: Int
    public var url: String { "http://127.0.0.1:\(port)" }

    public init() async throws {
        folder = try TemporaryDirectory("weir-search")
        port = try FreePort.take()
        process = try ChildProcess(
            [TestServers.folder + "/search/server", "--addr", "127.0.0.1:\(port)", "--no-stdin-watch"],
            log: folder.file("log"))
        try await process.waitForPort(port)
    }

    public func stop() { process.stop() }
}

/// A real object store that speaks S3's API (moto), in memory, on loopback.
public final class ObjectStoreServer: Sendable {
    public static let unavailable: String? = {
        TestServers.fetch("s3")
        return FileManager.default.fileExists(atPath: TestServers.folder + "/s3/ready")
            ? nil : "the object store cannot be had (see script/setup-tests s3)"
    }()

    private let folder: TemporaryDirectory
    private let process: ChildProcess
    public let port: Int
    public var url: String { "http://127.0.0.1:\(port)" }

    public init() async throws {
        folder = try TemporaryDirectory("weir-s3")
        port = try FreePort.take()
        process = try ChildProcess(
            [TestServers.folder + "/s3/bin/moto_server", "-H", "127.0.0.1", "-p", String(port)],
            log: folder.file("log"))
        try await process.waitForPort(port)
    }

    public func stop() { process.stop() }
}
