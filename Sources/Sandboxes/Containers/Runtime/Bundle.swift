internal import CloudEvents
internal import Foundation
internal import Glibc

/// What a runtime is started with: the folder whose files go into the bundle, and the command.
struct Bundle: Sendable {
    let arguments: [String]
    let folder: String
    let pidFile: String

    /// Writes the files. Blocks.
    init(
        engine: RuntimeEngine, id: String, _ specification: ContainerSpecification, _ image: UnpackedImage
    ) throws(ContainerError) {
        let runtime = engine.runtime
        let own = engine.folder + "/" + id
        folder = own + "/bundle"
        pidFile = own + "/pid"
        let place = try Self.place(avoiding: [engine.folder, engine.helper, runtime.path] + image.layers)
        let configuration = image.configuration
        guard !configuration.arguments.isEmpty else {
            throw ContainerError(.invalidImage, "the image says neither an entry point nor a command")
        }
        let user = try image.user()
        var document = BundleConfiguration(
            arguments: configuration.arguments,
            environment: Self.environment(configuration.environment, user, specification.environment),
            workingDirectory: configuration.workingDirectory.hasPrefix("/") ? configuration.workingDirectory : "/",
            user: user, hasNetwork: runtime.makesNetwork, files: place)
        var owner: UInt32 = 0
        if case .shifted(let base, let count) = engine.images.ownership {
            owner = base
            if runtime.makesIdentities { document.identities = (base, count) }
        }
        // gVisor does not let a call through to the kernel as it is.
        if runtime.kind != .runsc { document.systemCalls = ContainerCalls.document }
        let group = runtime.kind == .runc && runtime.isPrivileged ? id : nil
        document.cgroup = group
        if group != nil { document.limits = (specification.memory, specification.processes) }
        if !runtime.isPrivileged { document.addressSpace = specification.memory }
        for path in [own, folder] {
            guard mkdir(path, 0o700) == 0 else { throw PartialBlob.failure("cannot make the folder \(path)") }
        }
        try Self.write(document.document.encoded(), folder + "/config.json")
        try Self.write(Array("127.0.0.1\tlocalhost container\n::1\tlocalhost\n".utf8), folder + "/hosts")
        try Self.write([], folder + "/resolv.conf")
        // What a container writes to its root lies in memory and counts as its own: half of it is left for its program.
        let size = max(specification.memory / 2, 8 << 20)
        // Where no layer is, an empty one: overlayfs wants one at least.
        let layers = image.layers.isEmpty ? [try Self.emptyLayer(own)] : image.layers
        arguments =
            [
                engine.helper, "container", place, "\(size)", "\(max(size >> 12, 4096))", folder, "\(owner)",
                runtime.flags,
            ]
            + layers + ["--"] + runtime.arguments(folder: place, pidFile: pidFile, id: id, group: group)
    }

    /// A folder that is there on every machine and above nothing that is needed: what is mounted over it is seen by the
    /// container's runtime only.
    static func place(avoiding paths: [String]) throws(ContainerError) -> String {
        for place in ["/mnt", "/srv", "/media", "/opt", "/home"] {
            var status = stat()
            guard lstat(place, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
            if !paths.contains(where: { $0 == place || $0.hasPrefix(place + "/") }) { return place }
        }
        throw ContainerError(
            .storage, "there is no folder to mount a container's root over: make one of /mnt, /srv, /media, /opt")
    }

    /// The image's variables, then what is usual and missing, then the function's over them.
    static func environment(_ image: [String], _ user: ImageUser, _ own: [String]) -> [String] {
        var environment: [String] = []
        func name(_ variable: String) -> Substring { variable.prefix { $0 != "=" } }
        for variable in ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=\(user.home)"]
            + image + own
        {
            environment.removeAll { name($0) == name(variable) }
            environment.append(variable)
        }
        return environment
    }

    private static func emptyLayer(_ folder: String) throws(ContainerError) -> String {
        let path = folder + "/empty"
        guard mkdir(path, 0o755) == 0 else { throw PartialBlob.failure("cannot make the folder \(path)") }
        return path
    }

    private static func write(_ bytes: [UInt8], _ path: String) throws(ContainerError) {
        guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else {
            throw PartialBlob.failure("cannot write \(path)")
        }
    }
}
