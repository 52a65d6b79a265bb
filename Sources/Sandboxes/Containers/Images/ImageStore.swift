internal import CLinux
internal import Foundation
package import Functions
internal import Glibc

/// Images unpacked on this machine's disk, for runtimes that start containers from folders.
package final class ImageStore: Sendable {
    /// Where blobs come from.
    enum Source: Sendable {
        case registry(RegistryClient, ImageReference, namespace: String)
        /// A folder as the OCI image layout specification describes it.
        case layout(ImageLayout)

        var repository: String {
            switch self {
            case .registry(_, let image, _): image.repository
            case .layout(let layout): layout.path
            }
        }
    }

    let files: ImageFiles
    let ownership: LayerOwnership
    private let registry: RegistryClient
    private let limits: LayerLimits
    private let images = Flights<ImageDigest, UnpackedImage>()
    private let layers = Flights<ImageDigest, Bool>()
    private let disk = BlockingThreads("images")

    /// Opens the store, making its folders. Blocks.
    package init(
        path: String, registry: RegistryClient, ownership: LayerOwnership, limits: LayerLimits = LayerLimits()
    ) throws(ContainerError) {
        files = try ImageFiles(path: path)
        try files.keep(ownership)
        self.registry = registry
        self.ownership = ownership
        self.limits = limits
    }

    /// The digest that a name stands for, its image unpacked and ready.
    package func pin(
        _ image: ImageReference, pull: ContainerSpec.Pull, namespace: String
    ) async throws(ContainerError) -> PinnedImage {
        guard !image.repository.hasPrefix(Self.builtPrefix) else {
            throw ContainerError(.refused, "images that were built here have no name that can be used")
        }
        let digest = try await resolve(image, pull: pull, namespace: namespace)
        let pinned = PinnedImage(repository: image.repository, digest: digest)
        _ = try await unpacked(pinned, namespace: namespace, mayFetch: pull != .never)
        return pinned
    }

    /// A pinned image as it is started; what of it is missing is fetched.
    package func unpacked(
        _ image: PinnedImage, namespace: String, mayFetch: Bool = true
    ) async throws(ContainerError) -> UnpackedImage {
        if let known = known(image.digest) { return known }
        guard mayFetch, let reference = try? ImageReference(image.repository).pinned(image.digest),
            !image.repository.hasPrefix(ImageStore.builtPrefix)
        else {
            throw ContainerError(.notFound, "the image \(image.repository)@\(image.digest) is not on this machine")
        }
        // Others may wait for this attempt, who have no right to it: each is asked by the registry on its own.
        let (registry, source) = (registry, Source.registry(registry, reference, namespace: namespace))
        _ = try await registry.manifest(reference, namespace: namespace)
        return try await images.run(image.digest) { [self] () async throws(ContainerError) in
            try await fetch(image.digest, source)
        }
    }

    /// Takes an image out of a folder that a builder has written.
    func load(_ layout: ImageLayout, repository: String) async throws(ContainerError) -> PinnedImage {
        let digest = layout.root
        _ = try await images.run(digest) { [self] () async throws(ContainerError) in
            try await fetch(digest, .layout(layout))
        }
        return PinnedImage(repository: repository, digest: digest)
    }

    /// Names of images that were built here begin so; no registry is called that.
    package static let builtPrefix = "weir.invalid/"

    static func repository(ofBuilt order: ImageBuildOrder) -> String {
        // Names of functions may have what names of images may not.
        func part(_ text: String) -> String {
            let plain = text.lowercased().utf8.map { byte in
                (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) ? byte : 0x2D
            }
            return String(decoding: [0x78] + plain + [0x78], as: UTF8.self)
        }
        let name = order.name.split(separator: "/").map { part(String($0)) }.joined(separator: "/")
        return "\(builtPrefix)\(part(order.namespace))/\(name)"
    }

    /// Removes all images but those with these digests, and their names. Only while no container runs.
    package func collect(keeping digests: Set<ImageDigest>) async {
        let kept = digests.compactMap { known($0) }
        let manifests = Set(kept.flatMap(\.manifests))
        let (configurations, layers) = (Set(kept.map(\.configurationDigest)), Set(kept.flatMap(\.configuration.layers)))
        try? await disk.run { [files] () throws(ContainerError) in
            files.collect(manifests: manifests, configurations: configurations, layers: layers)
        }
    }

    func keepName(_ name: String, _ digest: ImageDigest) throws(ContainerError) { try files.keepName(name, digest) }

    /// What a name stands for here, if its image is whole.
    func named(_ name: String) -> ImageDigest? { files.named(name).flatMap { known($0) == nil ? nil : $0 } }

    // MARK: Fetching

    private func resolve(
        _ image: ImageReference, pull: ContainerSpec.Pull, namespace: String
    ) async throws(ContainerError) -> ImageDigest {
        // A digest needs nobody to say what it stands for.
        // Nor does a name that was asked for before, unless it was with credentials that are not everybody's.
        if registry.settings.isOpen(image, to: namespace) {
            if let digest = image.digest {
                if known(digest) != nil { return digest }
            } else if pull != .always, let known = named(image.description) {
                return known
            }
        }
        guard pull != .never else {
            throw ContainerError(
                .notFound, "the image \(image) is not on this machine, and pull: never forbids to fetch it")
        }
        let found = try await registry.manifest(image, namespace: namespace)
        // Read before it is kept, so that what is no image is refused here.
        _ = try ImageManifest(found.bytes)
        try files.keepManifest(found.bytes, found.digest)
        if image.digest == nil { try files.keepName(image.description, found.digest) }
        return found.digest
    }

    /// The image when all of it is there.
    private func known(_ digest: ImageDigest) -> UnpackedImage? {
        var chain = [digest]
        guard let bytes = files.manifest(digest), var manifest = try? ImageManifest(bytes) else { return nil }
        if case .index(let entries) = manifest {
            guard let chosen = try? ImagePlatform.choose(entries), let bytes = files.manifest(chosen.digest),
                let inner = try? ImageManifest(bytes)
            else { return nil }
            chain.append(chosen.digest)
            manifest = inner
        }
        guard case .image(let descriptor, _) = manifest, let bytes = files.configuration(descriptor.digest),
            let configuration = try? ImageConfiguration(bytes), configuration.layers.allSatisfy(files.hasLayer)
        else { return nil }
        return UnpackedImage(
            manifests: chain, configurationDigest: descriptor.digest, configuration: configuration,
            layers: configuration.layers.map(files.layer))
    }

    private func fetch(_ digest: ImageDigest, _ source: Source) async throws(ContainerError) -> UnpackedImage {
        if let known = known(digest) { return known }
        var chain = [digest]
        var bytes = try await manifest(digest, source)
        var manifest = try ImageManifest(bytes)
        try files.keepManifest(bytes, digest)
        if case .index(let entries) = manifest {
            let chosen = try ImagePlatform.choose(entries)
            chain.append(chosen.digest)
            bytes = try await self.manifest(chosen.digest, source)
            manifest = try ImageManifest(bytes)
            try files.keepManifest(bytes, chosen.digest)
        }
        guard case .image(let descriptor, let packed) = manifest else {
            throw ContainerError(.invalidImage, "the index of \(source.repository) leads to another index")
        }
        let total = packed.reduce(Int64(0)) { $0.addingReportingOverflow($1.size).overflow ? .max : $0 + $1.size }
        guard total <= limits.packedSize else {
            throw ContainerError(
                .tooLarge, "the layers of \(source.repository) have \(total) bytes, \(limits.packedSize) are allowed")
        }
        let configurationBytes = try await blob(descriptor, source)
        let configuration = try ImageConfiguration(configurationBytes)
        guard configuration.layers.count == packed.count else {
            throw ContainerError(
                .invalidImage,
                "\(source.repository) has \(packed.count) layers and describes \(configuration.layers.count)")
        }
        let host = ImagePlatform.host
        guard configuration.platform.system == host.system, configuration.platform.architecture == host.architecture
        else {
            throw ContainerError(
                .invalidImage, "the image \(source.repository) is for \(configuration.platform), this is \(host)")
        }
        try await unpack(Array(zip(configuration.layers, packed)), source)
        try files.keepConfiguration(configurationBytes, descriptor.digest)
        return UnpackedImage(
            manifests: chain, configurationDigest: descriptor.digest, configuration: configuration,
            layers: configuration.layers.map(files.layer))
    }

    /// Three at a time: more gain nothing at the other end, and each takes a thread for unpacking.
    private func unpack(
        _ wanted: [(layer: ImageDigest, packed: ImageDescriptor)], _ source: Source
    ) async throws(ContainerError) {
        let allowance = ImageAllowance(limits)
        let outcome: Result<Void, ContainerError> = await withTaskGroup(of: ContainerError?.self) { group in
            var failure: ContainerError?
            var running = 0
            for (layer, packed) in wanted {
                if running == 3 {
                    let ended = await group.next() ?? nil
                    failure = failure ?? ended
                    running -= 1
                }
                if failure != nil { break }
                running += 1
                group.addTask { [self] in
                    do throws(ContainerError) {
                        _ = try await layers.run(layer) { () async throws(ContainerError) in
                            try await self.fetchLayer(layer, packed, source, allowance)
                        }
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            for await error in group { failure = failure ?? error }
            return failure.map { .failure($0) } ?? .success(())
        }
        try outcome.get()
    }

    private func fetchLayer(
        _ layer: ImageDigest, _ packed: ImageDescriptor, _ source: Source, _ allowance: ImageAllowance
    ) async throws(ContainerError) -> Bool {
        if files.hasLayer(layer) { return false }
        let path: String
        switch source {
        case .registry(let registry, let image, let namespace):
            path = files.incoming(packed.digest.hexadecimal)
            if access(path, F_OK) != 0 {
                try await registry.download(packed, of: image, namespace: namespace, to: path)
            }
        case .layout(let layout): path = layout.blob(packed.digest)
        }
        let (files, ownership) = (files, ownership)
        try await disk.run { () throws(ContainerError) in
            defer { if case .registry = source { unlink(path) } }
            try Self.unpack(path, layer, files, ownership, allowance)
        }
        return true
    }

    private static func unpack(
        _ path: String, _ layer: ImageDigest, _ files: ImageFiles, _ ownership: LayerOwnership,
        _ allowance: ImageAllowance
    ) throws(ContainerError) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw PartialBlob.failure("cannot open the layer \(path)") }
        defer { close(file) }
        var status = stat()
        fstat(file, &status)
        let budget = LayerBudget(allowance, packed: Int64(status.st_size))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var tar = LayerTar(try LayerInput(file: file, buffer: buffer), budget)
        let name = "." + UUID().uuidString
        do throws(ContainerError) {
            var folder = try LayerFolder(creating: files.path + "/layers/" + name, ownership)
            try folder.unpack(&tar)
            guard try tar.finish() == layer.hexadecimal else {
                throw ContainerError(.invalidImage, "the layer is not what the image's configuration says (\(layer))")
            }
            // Once for the whole layer: a sync of each file would take minutes.
            guard weir_sync_file_system(file) == 0 else { throw PartialBlob.failure("cannot write the layer") }
            guard rename(files.path + "/layers/" + name, files.layer(layer)) == 0 else {
                throw PartialBlob.failure("cannot name the layer \(layer)")
            }
        } catch {
            try? ImageFiles.remove(files.path + "/layers", name)
            throw error
        }
    }

    private func manifest(_ digest: ImageDigest, _ source: Source) async throws(ContainerError) -> [UInt8] {
        if let known = files.manifest(digest) { return known }
        switch source {
        case .registry(let registry, let image, let namespace):
            return try await registry.manifest(image.pinned(digest), namespace: namespace).bytes
        case .layout(let layout): return try layout.read(digest, upTo: ImageManifest.maximumSize)
        }
    }

    private func blob(_ descriptor: ImageDescriptor, _ source: Source) async throws(ContainerError) -> [UInt8] {
        if let known = files.configuration(descriptor.digest) { return known }
        switch source {
        case .registry(let registry, let image, let namespace):
            return try await registry.blob(
                descriptor, of: image, namespace: namespace, upTo: ImageConfiguration.maximumSize)
        case .layout(let layout):
            return try layout.read(descriptor.digest, upTo: Int(ImageConfiguration.maximumSize))
        }
    }
}

/// An image that can be started.
package struct UnpackedImage: Sendable, Hashable {
    /// The digests on the way to it: of the index if there is one, of the image.
    package var manifests: [ImageDigest]
    package var configurationDigest: ImageDigest
    package var configuration: ImageConfiguration
    /// The folders of its layers, absolute, lowest first.
    package var layers: [String]
}
