package import CloudEvents
import Manifest
package import Persistence
import Synchronization

/// Code with its description, as a request brings it.
package struct FunctionUpload: Sendable {
    /// As in a manifest (``FunctionSpec``).
    package var spec: JSONValue
    /// Empty when the specification holds the code itself.
    package var code: [UInt8]
    /// Decides between archive and single file.
    package var filename: String

    package init(spec: JSONValue, code: [UInt8], filename: String) {
        self.spec = spec
        self.code = code
        self.filename = filename
    }
}

/// All functions of the server: documents in the registry, code in the code store.
package final class FunctionRepository: FunctionCatalog {
    let registry: Registry
    private let writer: RegistryWriter
    let store: CodeStore
    let layers: LayerStore?
    let preparation: (any CodePreparation)?
    /// Archives as they came, by the digest of what they hold.
    let uploads: UploadStore
    private let images: (any ContainerImages)?
    private let versionsKept: Int
    private let review: Review
    private let cache: Mutex<VersionCache>
    private let observation = Mutex<RegistryObservation?>(nil)

    /// Refuses a specification that is well-formed and yet asks for what this server does not grant.
    package typealias Review = @Sendable (_ spec: FunctionSpec, _ namespace: String) throws(FunctionError) -> Void

    /// - Parameters:
    ///   - layers: what was installed or built for versions.
    ///   - preparation: `nil`: nothing is installed or built here.
    ///   - images: `nil`: functions in containers are refused.
    ///   - versionsKept: of one function; older ones go with the change that exceeds it.
    ///   - cached: how many versions are held in memory.
    ///   - review: asked before a version is made.
    package init(
        _ registry: Registry, _ writer: RegistryWriter, _ store: CodeStore, layers: LayerStore? = nil,
        preparation: (any CodePreparation)? = nil, images: (any ContainerImages)? = nil,
        versionsKept: Int = 20, cached: Int = 4096, review: @escaping Review = { _, _ throws(FunctionError) in }
    ) {
        self.registry = registry
        self.writer = writer
        self.store = store
        self.layers = layers
        self.preparation = preparation
        self.review = review
        self.images = images
        uploads = UploadStore(beside: store)
        self.versionsKept = max(1, versionsKept)
        cache = Mutex(VersionCache(capacity: cached))
        let (_, observation) = registry.observe { [weak self] change in
            let resource = change.resource
            guard resource.kind == .function, let self else { return }
            cache.withLock { $0.forget(namespace: resource.namespace, name: resource.name) }
        }
        self.observation.withLock { $0 = observation }
    }

    deinit { observation.withLock { $0?.cancel() } }

    // MARK: Changing

    /// Makes a function or a new version of it; the same again changes nothing.
    @discardableResult
    package func put(
        namespace: String, name: String, _ upload: FunctionUpload, expectedGeneration: Int64? = nil
    ) async throws(FunctionError) -> (change: RegistryChange, version: FunctionVersion) {
        do throws(DocumentError) {
            try ResourceName.check(name, path: "name", inPackage: true)
            try ResourceName.checkNamespace(namespace, path: "namespace")
        } catch {
            throw FunctionError(error)
        }
        let spec: FunctionSpec
        do throws(DocumentError) {
            spec = try FunctionSpec(upload.spec, filename: upload.filename.isEmpty ? nil : upload.filename)
        } catch {
            throw FunctionError(error)
        }
        try review(spec, namespace)
        guard spec.source != .none else {
            return try await commit(
                namespace, name, spec, content: "", entry: "", handler: nil, expectedGeneration: expectedGeneration)
        }
        let stored = try await store(spec, upload)
        defer { store.release(stored) }
        try spec.checkShared(stored, at: store.folder(stored.digest))
        let (entry, handler) = try FunctionEntry.find(
            spec, in: stored, at: store.folder(stored.digest))
        let image = try await image(of: spec, stored, namespace, name)
        let dependencies = try await dependencies(of: spec, stored)
        return try await commit(
            namespace, name, spec, content: stored.digest, entry: entry, handler: handler, image: image,
            dependencies: dependencies, expectedGeneration: expectedGeneration)
    }

    /// Makes a version out of code that is in the store (or of none) and a specification the current one.
    func commit(
        _ namespace: String, _ name: String, _ spec: FunctionSpec, content: String, entry: String, handler: String?,
        image: PinnedImage? = nil, dependencies: FunctionVersion.Dependencies = FunctionVersion.Dependencies(),
        expectedGeneration: Int64?
    ) async throws(FunctionError) -> (change: RegistryChange, version: FunctionVersion) {
        try await commit(
            namespace, name, spec, content: content,
            version: {
                FunctionVersion.document(
                    $0, entry: entry, handler: handler, image: image, dependencies: dependencies)
            }, expectedGeneration: expectedGeneration)
    }

    func commit(
        _ namespace: String, _ name: String, _ spec: FunctionSpec, content: String,
        version makeDocument: (FunctionSpec) -> JSONValue, expectedGeneration: Int64?
    ) async throws(FunctionError) -> (change: RegistryChange, version: FunctionVersion) {
        let document = makeDocument(spec)
        let digest = FunctionVersion.digest(content: content, document: document)
        let record = VersionDocument(digest: digest, content: content, document: document)
        let change: RegistryChange
        do throws(PersistenceError) {
            change = try await writer.apply(
                .putVersion(
                    ResourceKey(.function, namespace, name), document: spec.document, version: record,
                    keep: versionsKept, expectedGeneration: expectedGeneration))
        } catch {
            throw FunctionError(error)
        }
        guard let version = decode(record, namespace, name) else {
            throw FunctionError(.storage, "the version \(digest) cannot be read back")
        }
        return (change, version)
    }

    /// What a put would make, without making it: the document and the digest of the version.
    ///
    /// What would have to be built or installed is not: then the digest is one that no version has.
    package func preview(
        namespace: String, name: String, _ upload: FunctionUpload
    ) async throws(FunctionError) -> (document: JSONValue, digest: String) {
        let spec: FunctionSpec
        do throws(DocumentError) {
            spec = try FunctionSpec(upload.spec, filename: upload.filename.isEmpty ? nil : upload.filename)
        } catch {
            throw FunctionError(error)
        }
        try review(spec, namespace)
        guard spec.source != .none else {
            let version = FunctionVersion.document(spec, entry: "", handler: nil, image: nil)
            return (spec.document, FunctionVersion.digest(content: "", document: version))
        }
        // The code is unpacked to be looked at; nothing refers to it, so the next collection takes it.
        let stored = try await store(spec, upload)
        defer { store.release(stored) }
        try spec.checkShared(stored, at: store.folder(stored.digest))
        let (entry, handler) = try FunctionEntry.find(
            spec, in: stored, at: store.folder(stored.digest))
        let image = try await image(of: spec, stored, namespace, name, mayBuild: false)
        let dependencies = try await dependencies(of: spec, stored, mayPrepare: false)
        let version = FunctionVersion.document(
            spec, entry: entry, handler: handler, image: image, dependencies: dependencies)
        return (spec.document, FunctionVersion.digest(content: stored.digest, document: version))
    }

    /// Removes a function with all its versions; its code goes with the next collection.
    @discardableResult
    package func delete(
        namespace: String, name: String, expectedGeneration: Int64? = nil
    ) async throws(FunctionError) -> RegistryChange {
        do {
            return try await writer.delete(.function, namespace, name, expectedGeneration: expectedGeneration)
        } catch {
            throw FunctionError(error)
        }
    }

    /// Removes code and layers that no version of any function uses; see ``CodeStore/collect(referenced:)`` for when.
    @discardableResult
    package func collectGarbage() async throws(FunctionError) -> [String] {
        do throws(PersistenceError) {
            let code = try await store.collect { () async throws(PersistenceError) -> Set<String> in
                try await registry.contents(of: .function)
            }
            for digest in code { uploads.forget(digest) }
            let layers = try await layers?.collect { () async throws(PersistenceError) -> Set<String> in
                let documents = try await registry.versionDocuments(of: .function, holding: "\"layers\"")
                return Set(documents.flatMap(FunctionVersion.Dependencies.layerDigests))
            }
            return code + (layers ?? [])
        } catch {
            throw FunctionError(error)
        }
    }

    /// The images that versions of functions hold.
    package static func imageDigests(_ registry: Registry) async throws(FunctionError) -> Set<ImageDigest> {
        do throws(PersistenceError) {
            let documents = try await registry.versionDocuments(of: .function, holding: "\"container\"")
            return Set(documents.compactMap { $0["container"]?["digest"]?.string.flatMap { ImageDigest($0) } })
        } catch {
            throw FunctionError(error)
        }
    }

    // MARK: Finding

    /// The current version, or the one with exactly this digest. From memory; the first time since it changed or was
    /// last used a row is read from the file on the caller's thread (some 100 µs).
    public func version(namespace: String, name: String, digest: String?) -> FunctionVersion? {
        let key = VersionCache.Key(namespace: namespace, name: name, digest: digest)
        let (found, epoch) = cache.withLock { ($0.find(key), $0.epoch) }
        if let found { return found }
        guard let read = try? read(key) else { return nil }
        cache.withLock { $0.keep(key, read, readAt: epoch) }
        return read
    }

    /// The history of a function, newest first; empty when there is none.
    package func versions(namespace: String, name: String) async throws(FunctionError) -> [VersionDocument] {
        do {
            return try await registry.versions(ResourceKey(.function, namespace, name))
        } catch {
            throw FunctionError(error)
        }
    }

    /// The one version whose digest begins so (four digits at least).
    package func version(
        namespace: String, name: String, prefix: String
    ) async throws(FunctionError) -> FunctionVersion {
        let what = ResourceKey(.function, namespace, name)
        let all = try await versions(namespace: namespace, name: name)
        guard !all.isEmpty else { throw FunctionError(.notFound, "there is no \(what)") }
        guard prefix.utf8.count >= 4 else {
            throw FunctionError(.invalidSpecification, "a version is named by at least four digits of its digest")
        }
        let matching = all.filter { $0.digest.hasPrefix(prefix.lowercased()) }
        guard let first = matching.first else {
            throw FunctionError(.notFound, "\(what) has no version \"\(prefix)\"; it keeps the last \(all.count)")
        }
        guard matching.count == 1 else {
            throw FunctionError(.conflict, "\(what) has \(matching.count) versions that begin with \"\(prefix)\"")
        }
        guard let version = decode(first, namespace, name) else {
            throw FunctionError(.storage, "the version \(first.digest) of \(what) cannot be read")
        }
        return version
    }

    private func read(_ key: VersionCache.Key) throws(PersistenceError) -> FunctionVersion? {
        let resource = ResourceKey(.function, key.namespace, key.name)
        let version =
            if let digest = key.digest {
                try registry.version(resource, digest: digest)
            } else {
                try registry.currentVersion(resource)
            }
        return version.flatMap { decode($0, key.namespace, key.name) }
    }

    private func decode(_ version: VersionDocument, _ namespace: String, _ name: String) -> FunctionVersion? {
        FunctionVersion(
            version, namespace: namespace, name: name,
            codeDirectory: version.content.isEmpty ? "" : store.folder(version.content),
            layer: { layers?.folder($0) ?? "" })
    }

    /// The image of a function's container, as its version is to hold it.
    private func image(
        of spec: FunctionSpec, _ code: StoredCode, _ namespace: String, _ name: String, mayBuild: Bool = true
    ) async throws(FunctionError) -> PinnedImage? {
        guard let container = spec.container else { return nil }
        guard let images else {
            throw FunctionError(
                .unavailable, "this server has no container engine: it runs no images (see weir status)")
        }
        switch container.origin {
        case .image(let image):
            return try await images.pin(image, pull: container.pull, namespace: namespace)
        case .dockerfile(let dockerfile):
            let order = ImageBuildOrder(
                namespace: namespace, name: name, content: code.digest, directory: store.folder(code.digest),
                dockerfile: dockerfile, pull: container.pull)
            return mayBuild ? try await images.build(order) : await images.built(order)
        }
    }

    private func store(_ spec: FunctionSpec, _ upload: FunctionUpload) async throws(FunctionError) -> StoredCode {
        let bytes: [UInt8]
        let filename: String
        switch spec.source {
        case .code(let text):
            (bytes, filename) = (Array(text.utf8), spec.runtime.singleFileName)
        case .file(let name):
            (bytes, filename) = (upload.code, upload.filename.isEmpty ? name : upload.filename)
        case .image, .none:
            return StoredCode(digest: "", files: [], programs: [])
        }
        guard !bytes.isEmpty else { throw FunctionError(.invalidCode, "the code is empty") }
        let isProgram =
            spec.runtime == .executable || spec.runtime == .swift && !filename.lowercased().hasSuffix(".swift")
        do {
            let stored = try await store.put(bytes, filename: filename, isProgram: isProgram)
            if Archive.Format(filename: filename) != nil { try await uploads.keep(bytes, of: stored.digest) }
            return stored
        } catch {
            throw FunctionError(error)
        }
    }
}

extension FunctionVersion.Runtime {
    /// What code is called that came without a file.
    var singleFileName: String {
        switch self {
        case .python: "main.py"
        case .nodejs: "main.js"
        case .swift: "main.swift"
        case .executable, .container, .sequence: "main"
        }
    }
}
