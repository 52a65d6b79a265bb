import CloudEvents
import Foundation

/// The layout of the data folder.
///
///     admin.key          the key that is made on first start, readable by its owner alone
///     server.json        address and process of the running server, for the command
///     registry.sqlite    resources, their history, small state
///     channels/          one folder a channel: the log
///     activations/       the log of what ran
///     code/              unpacked code of functions, by digest
///     layers/            what was installed and built for functions, by digest
///     secrets/           one file a secret, <namespace>/<name>, put there by the operator
///     containers/        images, unpacked, and what running containers need
///     runtimes/          what runs inside a worker, by digest
///     staging/           files on their way to and from functions, and the journal of what is being published
struct DataDirectory: Sendable {
    let path: String

    /// Makes the folder when it is not there; only its owner may look in.
    init(_ path: String) throws(StartError) {
        self.path = path
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw StartError("the data folder \(path) cannot be made: \(error.localizedDescription)")
        }
        guard FileManager.default.isWritableFile(atPath: path) else {
            throw StartError("the data folder \(path) is not writable for this user")
        }
    }

    var adminKey: String { path + "/admin.key" }
    var registry: String { path + "/registry.sqlite" }
    var channels: String { path + "/channels" }
    var activations: String { path + "/activations" }
    var code: String { path + "/code" }
    var layers: String { path + "/layers" }
    var secrets: String { path + "/secrets" }
    var runtimes: String { path + "/runtimes" }
    var staging: String { path + "/staging" }
    var containers: String { path + "/containers" }
    private var address: String { path + "/server.json" }

    /// Tells the command where this server is. Written whole and renamed, so that nobody reads half of it.
    func publish(url: String) throws(StartError) {
        let document: JSONValue = [
            "url": .string(url), "pid": .integer(Int64(ProcessInfo.processInfo.processIdentifier)),
        ]
        let partial = address + ".partial"
        guard FileManager.default.createFile(atPath: partial, contents: Data(document.prettyText().utf8)),
            rename(partial, address) == 0
        else { throw StartError("\(address) cannot be written") }
    }

    func withdraw() {
        try? FileManager.default.removeItem(atPath: address)
    }
}
