package import Manifest

/// What of a function's description concerns its container.
package struct ContainerSpec: Sendable, Hashable {
    /// Where the image comes from.
    package enum Origin: Sendable, Hashable {
        /// A registry.
        case image(ImageReference)
        /// Built of the function's archive, by this file in it.
        case dockerfile(String)
    }

    /// When a registry is asked for the image.
    package enum Pull: String, Sendable, Hashable, CaseIterable {
        /// At each put.
        case always
        /// When nothing is known here by that name.
        case ifNotPresent = "if-not-present"
        case never
    }

    package var origin: Origin
    package var exchange: FunctionVersion.Container.Exchange
    package var port: Int
    package var pull: Pull

    /// Reads `image`, `dockerfile`, `protocol`, `port` and `pull`; `nil` when the function has no container.
    package init?(_ reader: inout DocumentReader) throws(DocumentError) {
        let image = try reader.string("image")
        let dockerfile = try reader.string("dockerfile")
        let exchange = try reader.word("protocol", of: FunctionVersion.Container.Exchange.allCases.map(\.rawValue))
        let port = try reader.integer("port", in: 1...65_535)
        let pull = try reader.word("pull", of: Pull.allCases.map(\.rawValue)).flatMap(Pull.init)
        switch (image, dockerfile) {
        case (_?, _?):
            throw DocumentError(
                path: reader.path(of: "dockerfile"), message: "a function has either an image or a dockerfile, not both"
            )
        case (let image?, nil):
            do throws(ImageReferenceError) {
                origin = .image(try ImageReference(image))
            } catch {
                throw DocumentError(path: reader.path(of: "image"), message: error.description)
            }
        case (nil, let dockerfile?):
            try Self.check(dockerfile: dockerfile, path: reader.path(of: "dockerfile"))
            origin = .dockerfile(dockerfile)
        case (nil, nil):
            let alone = exchange != nil ? "protocol" : port != nil ? "port" : pull != nil ? "pull" : nil
            guard let alone else { return nil }
            throw DocumentError(
                path: reader.path(of: alone),
                message: "this is for containers only: an image or a dockerfile is missing"
            )
        }
        self.exchange = exchange.flatMap(FunctionVersion.Container.Exchange.init) ?? .openWhisk
        self.port = port ?? 8080
        self.pull = pull ?? Self.usualPull(origin)
    }

    /// What a version holds whose image is not looked for before it runs: the name as it was given.
    var unpinned: String {
        if case .image(let image) = origin { image.description } else { "" }
    }

    /// As Kubernetes does it: what is named `latest` is meant to be the latest.
    private static func usualPull(_ origin: Origin) -> Pull {
        if case .image(let image) = origin { usualPull(image) } else { .ifNotPresent }
    }

    package static func usualPull(_ image: ImageReference) -> Pull {
        image.digest == nil && image.tag == "latest" ? .always : .ifNotPresent
    }

    private static func check(dockerfile: String, path: String) throws(DocumentError) {
        let parts = dockerfile.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard dockerfile.utf8.count <= 1024, parts.allSatisfy({ !$0.isEmpty && !$0.elementsEqual("..".utf8) }),
            !dockerfile.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F || $0 == UInt8(ascii: "\\") })
        else {
            throw DocumentError(path: path, message: "a file inside the archive, such as Dockerfile, was expected")
        }
    }
}
