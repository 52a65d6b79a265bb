/// Finds and makes the images of functions. The catalogue asks for them when a function is put, so that a version names
/// its image by digest and never changes when a tag moves.
package protocol ContainerImages: Sendable {
    /// The digest of an image that can be run here now.
    func pin(
        _ image: ImageReference, pull: ContainerSpec.Pull, namespace: String
    ) async throws(FunctionError) -> PinnedImage

    /// Builds an image, or finds that it was built of the same before.
    func build(_ order: ImageBuildOrder) async throws(FunctionError) -> PinnedImage

    /// The image that was built of the same before; `nil` when it would have to be built.
    func built(_ order: ImageBuildOrder) async -> PinnedImage?
}

/// An image as a version holds it.
package struct PinnedImage: Sendable, Hashable {
    /// Host and path, without tag and digest; for an image built here a name that no registry has.
    package var repository: String
    package var digest: ImageDigest

    package init(repository: String, digest: ImageDigest) {
        self.repository = repository
        self.digest = digest
    }
}

/// What an image is to be built of.
package struct ImageBuildOrder: Sendable, Hashable {
    package var namespace: String
    package var name: String
    /// The digest of the code, which is the context of the build.
    package var content: String
    /// The folder of the code, absolute.
    package var directory: String
    /// Inside the folder.
    package var dockerfile: String
    package var pull: ContainerSpec.Pull

    package init(
        namespace: String, name: String, content: String, directory: String, dockerfile: String,
        pull: ContainerSpec.Pull
    ) {
        self.namespace = namespace
        self.name = name
        self.content = content
        self.directory = directory
        self.dockerfile = dockerfile
        self.pull = pull
    }
}
