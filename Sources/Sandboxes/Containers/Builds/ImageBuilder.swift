package import Functions

/// Makes images of folders with a Dockerfile, for an engine that has no builder of its own.
package protocol ImageBuilder: Sendable {
    /// `buildah`, `podman` …
    var name: String { get }

    /// Builds and leaves the image in a folder in OCI's layout.
    ///
    /// - Parameter target: does not exist yet; absolute.
    func build(_ order: ImageBuildOrder, into target: String) async throws(ContainerError)
}
