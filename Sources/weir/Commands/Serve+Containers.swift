import ArgumentParser
import CloudEvents
import Foundation
import Manifest
import Sandboxes
import WeirServer

extension Serve {
    /// The options about containers, read and checked.
    func containerSettings() throws -> ContainerSettings {
        var settings = ContainerSettings()
        do {
            settings.engine = try EngineChoice(containerEngine)
        } catch {
            throw ValidationError(error.message)
        }
        guard let network = BuildNetwork(rawValue: buildNetwork) else {
            throw ValidationError("--build-network is none or host, not \"\(buildNetwork)\"")
        }
        settings.buildNetwork = network
        if let registries { settings.registries = try Self.registries(registries) }
        return settings
    }

    private static func registries(_ path: String) throws -> RegistrySettings {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path),
            let data = FileManager.default.contents(atPath: path)
        else { throw ValidationError("--registries: \(path) cannot be read") }
        // It holds passwords.
        let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0
        guard mode & 0o077 == 0 else {
            throw ValidationError("--registries: others can read \(path): run chmod 600 \(path)")
        }
        do {
            let document = try YAMLDocument.read(String(decoding: data, as: UTF8.self), file: path)
            return try RegistrySettings(document) { (file) throws(DocumentError) in
                guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
                    throw DocumentError(path: "passwordFile", message: "\(file) cannot be read")
                }
                return text
            }
        } catch {
            throw ValidationError("--registries: \(path): \(error)")
        }
    }
}
