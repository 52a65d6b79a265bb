public import CloudEvents
internal import Foundation

/// Images with a Python of this machine in them: what tests have in the place of a base image from outside.
public enum PythonImage {
    /// The interpreter that is packed; Debian's own has its library in one place.
    private static let interpreter = ["/usr/bin/python3", "/usr/local/bin/python3"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// Why there is none, `nil` when there is.
    public static let missing: String? = interpreter == nil ? "there is no python3 in /usr/bin" : nil

    /// The lowest layer: Python, a shell, a few tables.
    public static func base() throws -> [UInt8] { try made.get() }

    private static let made: Result<[UInt8], any Error> = Result {
        let folder = try TemporaryDirectory("weir-base")
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "python_base.py")
        let child = try ChildProcess(
            [interpreter ?? "python3", script.path, folder.file("base.tar")], log: folder.file("log"))
        child.waitForEnd()
        guard let data = FileManager.default.contents(atPath: folder.file("base.tar")) else {
            throw ChildProcess.Failure("the base image cannot be made: \(folder.file("log"))")
        }
        return Array(data)
    }

    /// The text of a server that lies beside this file: `action_server.py`, `event_server.py`.
    public static func server(_ name: String) throws -> [UInt8] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(name)
        return Array(try Data(contentsOf: file))
    }

    /// An image that runs one of the servers.
    ///
    /// - Parameter files: more files, by path.
    public static func image(
        _ server: String, files: [String: String] = [:], config: JSONObject = [:]
    ) throws -> TestImage {
        var layer = LayerBuilder()
        layer.add("server.py", try Self.server(server))
        for (name, text) in files.sorted(by: { $0.key < $1.key }) { layer.file(name, text) }
        var config = config
        config["Cmd"] = ["/usr/bin/python3", "/server.py"]
        // Not packed: that takes longer than everything else.
        return TestImage([try base(), layer.tar], config: config, isPacked: false)
    }
}
