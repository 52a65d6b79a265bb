import CKafka
import Foundation
import Synchronization

/// A real broker (Tansu, an implementation of the Kafka protocol) as a process on a free port of loopback.
public final class KafkaBroker: Sendable {
    /// Where its records are kept.
    public enum Storage: Sendable {
        /// Gone with the process.
        case memory
        /// A bucket that outlives it, by the environment that names the S3 server.
        case s3(bucket: String, environment: [String: String])
    }

    public let port: Int
    public var bootstrap: String { "127.0.0.1:\(port)" }
    private let storage: Storage
    private let process: Mutex<ChildProcess?>
    private let folder: TemporaryDirectory

    /// Starts one and returns when it answers.
    public init(_ storage: Storage = .memory) async throws {
        guard let program = KafkaBroker.program else { throw ChildProcess.Failure("there is no broker to start") }
        _ = program
        port = try FreePort.take()
        self.storage = storage
        folder = try TemporaryDirectory("kafka")
        process = Mutex(nil)
        try await start()
    }

    deinit { kill9() }

    /// Starts it again after ``kill9()``, on the same port.
    public func start() async throws {
        guard let program = KafkaBroker.program else { throw ChildProcess.Failure("there is no broker to start") }
        var engine = "memory://tansu/"
        var environment: [String: String] = [:]
        if case .s3(let bucket, let extra) = storage {
            engine = "s3://\(bucket)/"
            environment = extra
        }
        let child = try ChildProcess(
            [
                program, "broker", "--cluster-id", "test", "--listener-url", "tcp://\(bootstrap)",
                "--advertised-listener-url", "tcp://\(bootstrap)", "--storage-engine", engine,
            ], environment: environment, log: folder.file("broker.log"))
        process.withLock { $0 = child }
        try await child.waitForPort(port)
    }

    /// Ends it as a crash would.
    public func kill9() {
        process.withLock { process in
            process?.kill9()
            process = nil
        }
    }

    /// The program, when ``unavailable`` is `nil`.
    static var program: String? {
        let path = TestServers.folder + "/kafka/broker"
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }

    /// The folder with a librdkafka that can talk to it, for `LD_LIBRARY_PATH` of a program under test.
    public static var library: String { TestServers.folder + "/kafka/library" }

    /// Why no broker can be started; `nil` when one can.
    public static let unavailable: String? = {
        TestServers.fetch("kafka")
        return program == nil ? "the broker of script/setup-tests could not be fetched" : nil
    }()

    /// Why this process cannot talk to it; `nil` when it can. The broker needs librdkafka 2.2 or newer.
    public static let unreachable: String? = {
        if let unavailable { return unavailable }
        guard rd_kafka_version() < 0x0202_00ff else { return nil }
        return "librdkafka \(String(cString: rd_kafka_version_str())) cannot talk to the broker: "
            + "run with LD_LIBRARY_PATH=\(library)"
    }()
}
