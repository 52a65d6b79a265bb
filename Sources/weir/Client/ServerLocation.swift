import CloudEvents
import Foundation

/// Address and key of the server that a command speaks to.
struct ServerLocation: Sendable {
    let url: String
    let key: String?

    /// Finds both: options first, then the environment, then what the server wrote into its data folder.
    static func find(_ options: ServerOptions) throws -> ServerLocation {
        let environment = ProcessInfo.processInfo.environment
        let address: String
        if let given = options.server ?? environment["WEIR_SERVER"] {
            address = given
        } else {
            let file = options.dataFolder + "/server.json"
            guard let url = written(in: file) else {
                throw CommandFailure(
                    .unreachable,
                    "no server is known: start one with `weir serve`, or name one with --server (looked for \(file))")
            }
            address = url
        }
        let explicit = options.keyFile ?? environment["WEIR_KEY_FILE"]
        let keyFile = explicit ?? options.dataFolder + "/admin.key"
        guard let bytes = FileManager.default.contents(atPath: keyFile) else {
            if let explicit { throw CommandFailure(.denied, "the key file \(explicit) cannot be read") }
            return ServerLocation(url: trimmed(address), key: nil)
        }
        let key = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return ServerLocation(url: trimmed(address), key: key)
    }

    /// What a server writes when it is ready. One that was started the moment before (`weir serve &`) is waited for:
    /// another process, of which nothing is known yet.
    private static func written(in file: String) -> String? {
        for attempt in 0..<20 {
            if attempt > 0 { usleep(100_000) }
            guard let bytes = FileManager.default.contents(atPath: file) else { continue }
            return try? JSONValue(parsing: bytes)["url"]?.string
        }
        return nil
    }

    private static func trimmed(_ url: String) -> String {
        url.hasSuffix("/") ? String(url.dropLast()) : url
    }
}
