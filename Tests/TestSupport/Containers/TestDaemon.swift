internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import Glibc

/// A daemon with Docker's API, on folders and a socket of its own: dockerd, or Podman's service.
public final class TestDaemon: Sendable {
    public enum Kind: String, CaseIterable, Sendable {
        case docker, podman

        private var program: String { self == .docker ? "/usr/sbin/dockerd" : "/usr/bin/podman" }

        /// Why it cannot be had; `nil` when it can.
        public var missing: String? {
            guard FileManager.default.isExecutableFile(atPath: program) else {
                return "there is no \(program) (Debian: \(self == .docker ? "docker.io" : "podman"))"
            }
            return geteuid() == 0 ? nil : "\(rawValue) needs root here"
        }

        fileprivate func arguments(_ folder: TemporaryDirectory, run: String) -> [String] {
            switch self {
            case .docker:
                // Without a bridge and rules of a firewall: the containers in question have no network.
                [
                    program, "--iptables=false", "--ip-masq=false", "--bridge=none", "--data-root", folder.file("data"),
                    "--exec-root", folder.file("exec"), "--pidfile", folder.file("pid"), "--group", "root", "--host",
                    "unix://" + folder.file("socket"),
                ]
            case .podman:
                [
                    "/usr/bin/env", "CONTAINERS_CONF=" + folder.file("containers.conf"),
                    "CONTAINERS_REGISTRIES_CONF=" + folder.file("registries.conf"), program, "--root",
                    folder.file("data"), "--runroot", run, "--storage-driver", "overlay", "system",
                    "service", "--time=0", "unix://" + folder.file("socket"),
                ]
            }
        }
    }

    public var socket: String { folder.file("socket") }
    private let folder: TemporaryDirectory
    /// What Podman keeps while it runs: it takes no path of more than 50 characters for that.
    private let run: String
    private let process: ChildProcess

    /// Starts one and returns when its socket answers.
    public init(_ kind: Kind) async throws {
        folder = try TemporaryDirectory("weir-\(kind.rawValue)")
        var template = Array("/tmp/weir-run-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw ChildProcess.Failure("no folder can be made in /tmp") }
        run = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // A host without systemd, whose default limits may be above what root may set.
        try """
        [engine]
        cgroup_manager = "cgroupfs"
        events_logger = "file"
        runtime = "runc"
        [containers]
        default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]

        """.write(toFile: folder.file("containers.conf"), atomically: true, encoding: .utf8)
        // Docker's daemon speaks without TLS to this machine by itself.
        try "[[registry]]\nlocation = \"127.0.0.1\"\ninsecure = true\n"
            .write(toFile: folder.file("registries.conf"), atomically: true, encoding: .utf8)
        // What it mounts is seen by nobody else, and goes with it.
        process = try ChildProcess(
            ["/usr/bin/unshare", "--mount", "--propagation", "private"] + kind.arguments(folder, run: run),
            log: folder.file("log"))
        let deadline = ContinuousClock.now + .seconds(60)
        while !answers {
            guard ContinuousClock.now < deadline, kill(process.pid, 0) == 0 else {
                let log = (try? String(contentsOfFile: folder.file("log"), encoding: .utf8)) ?? ""
                throw ChildProcess.Failure("\(kind.rawValue) does not start: \(log.suffix(2_000))")
            }
            // Its socket is all that it says.
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    public func stop() {
        process.stop()
        try? FileManager.default.removeItem(atPath: run)
    }

    deinit { stop() }

    /// How many containers it has, those that have ended included.
    public func containers() async throws -> Int {
        let answer = try await get("http://daemon/v1.40/containers/json?all=1")
        return (try JSONSerialization.jsonObject(with: answer) as? [Any])?.count ?? -1
    }

    private func get(_ url: String) async throws -> Data {
        var request = HTTPClientRequest(
            url: url.replacingOccurrences(of: "http://daemon", with: "http+unix://" + encoded))
        // Docker's daemon takes no encoded path for a host's name.
        request.headers.add(name: "Host", value: "daemon")
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
        return Data(Array(try await response.body.collect(upTo: 1 << 24).readableBytesView))
    }

    private var encoded: String { socket.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? socket }

    private var answers: Bool {
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(socket.utf8).prefix($0.count - 1)) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }
}
