package import CloudEvents
import Foundation
import Manifest
package import Persistence

/// Code as the OpenWhisk API brings it.
package enum UploadedCode: Sendable {
    /// A source text, kept in the document when it is short enough to stand there.
    case text(String)
    /// A program, a script or an archive that came as Base64.
    case bytes([UInt8])
    /// As it is now.
    case kept
    /// There is none: a sequence, an image.
    case none

    package var isKept: Bool { if case .kept = self { true } else { false } }
}

/// What the OpenWhisk API asks of functions beyond what the native one does: changes that leave the code, code that
/// cannot be loaded (which is told when it is run, as there), and the code back as it came.
extension FunctionRepository {
    /// The longest text that stands in the document itself.
    package static var longestText: Int { 256 << 10 }

    /// Makes a function what the document says; names are the caller's to check.
    ///
    /// - Parameter document: as in a manifest, without `file` and `code`.
    package func put(
        namespace: String, name: String, document: JSONObject, code: UploadedCode, expectedGeneration: Int64?
    ) async throws(FunctionError) -> (change: RegistryChange, version: FunctionVersion) {
        var document = document
        switch code {
        case .none:
            return try await commit(
                namespace, name, try spec(document), content: "", entry: "", handler: nil,
                expectedGeneration: expectedGeneration)
        case .kept:
            return try await keep(namespace, name, document, expectedGeneration)
        case .text(let text):
            let isShort = text.utf8.count <= Self.longestText
            if isShort { document["code"] = .string(text) } else { document["file"] = "main" }
            let bytes = Array(text.utf8)
            return try await put(namespace, name, try spec(document), bytes, "main", expectedGeneration)
        case .bytes(let bytes):
            document["file"] = .string(Self.isZip(bytes) ? "action.zip" : "exec")
            return try await put(
                namespace, name, try spec(document), bytes, Self.isZip(bytes) ? "action.zip" : "exec",
                expectedGeneration)
        }
    }

    /// The code of the current version in the form in which it came: the text, or Base64 of the bytes.
    package func code(of resource: ResourceDocument) async -> (text: String, isBinary: Bool)? {
        if let text = resource.document["code"]?.string { return (text, false) }
        guard let digest = resource.version, let version = try? registry.version(resource.key, digest: digest),
            !version.content.isEmpty
        else { return nil }
        let isBinary = resource.document["openwhisk"]?["binary"]?.bool ?? false
        if let archive = await uploads.bytes(version.content) { return (Base64.encode(archive), true) }
        let folder = store.folder(version.content)
        guard let name = version.document["entry"]?.string,
            let bytes = FileManager.default.contents(atPath: folder + "/" + name)
        else { return nil }
        if !isBinary, let text = String(validating: bytes, as: UTF8.self) { return (text, false) }
        return (Base64.encode([UInt8](bytes)), true)
    }

    /// Whether bytes are a zip archive (APPNOTE 4.3.7: the signature of a local file header, or of an empty archive).
    private static func isZip(_ bytes: [UInt8]) -> Bool {
        bytes.starts(with: [0x50, 0x4B, 3, 4]) || bytes.starts(with: [0x50, 0x4B, 5, 6])
    }

    private func spec(_ document: JSONObject) throws(FunctionError) -> FunctionSpec {
        do throws(DocumentError) {
            return try FunctionSpec(.object(document))
        } catch {
            throw FunctionError(error)
        }
    }

    private func keep(
        _ namespace: String, _ name: String, _ document: JSONObject, _ expectedGeneration: Int64?
    ) async throws(FunctionError) -> (change: RegistryChange, version: FunctionVersion) {
        let key = ResourceKey(.function, namespace, name)
        let current: ResourceDocument?
        let version: VersionDocument?
        do throws(PersistenceError) {
            current = try registry.resource(key)
            version = try current?.version.flatMap { (digest) throws(PersistenceError) in
                try registry.version(key, digest: digest)
            }
        } catch {
            throw FunctionError(error)
        }
        guard let current, let version else { throw FunctionError(.notFound, "there is no \(key)") }
        var document = document
        for name in ["file", "code", "components", "image", "dockerfile", "protocol", "port", "pull"] {
            document[name] = current.document[name]
        }
        return try await commit(
            namespace, name, try spec(document), content: version.content,
            version: { (spec) in
                // What was found in the code, installed for it or pinned stays as it is.
                var kept = FunctionVersion.document(
                    spec, entry: version.document["entry"]?.string ?? "", handler: version.document["handler"]?.string,
                    image: nil, dependencies: FunctionVersion.Dependencies())
                guard case .object(var members) = kept else { return kept }
                for name in ["dependencies", "container"] { members[name] = version.document[name] }
                kept = .object(members)
                return kept
            }, expectedGeneration: expectedGeneration)
    }

    private func put(
        _ namespace: String, _ name: String, _ spec: FunctionSpec, _ bytes: [UInt8], _ filename: String,
        _ expectedGeneration: Int64?
    ) async throws(FunctionError) -> (change: RegistryChange, version: FunctionVersion) {
        let isProgram = spec.runtime == .executable
        let filename = filename == "main" ? spec.runtime.singleFileName : filename
        var stored: StoredCode
        do throws(ArchiveError) {
            stored = try await store.put(bytes, filename: filename, isProgram: isProgram)
            if Archive.Format(filename: filename) != nil { try await uploads.keep(bytes, of: stored.digest) }
        } catch {
            guard ![.storage, .diskFull, .tooLarge].contains(error.code) else { throw FunctionError(error) }
            // An archive that cannot be unpacked is kept as it is: whoever runs it is told that it cannot be loaded.
            do throws(ArchiveError) {
                stored = try await store.put(bytes, filename: "unreadable", isProgram: false)
            } catch {
                throw FunctionError(error)
            }
        }
        defer { store.release(stored) }
        try spec.checkShared(stored, at: store.folder(stored.digest))
        var entry: (entry: String, handler: String?) = (spec.runtime.singleFileName, spec.handler)
        var dependencies = FunctionVersion.Dependencies()
        do throws(FunctionError) {
            entry = try FunctionEntry.find(spec, in: stored, at: store.folder(stored.digest))
            dependencies = try await self.dependencies(of: spec, stored)
        } catch {
            // The same: what is missing in it is told when it is run.
            guard error.code == .invalidCode else { throw error }
        }
        return try await commit(
            namespace, name, spec, content: stored.digest, entry: entry.entry, handler: entry.handler,
            dependencies: dependencies, expectedGeneration: expectedGeneration)
    }
}
