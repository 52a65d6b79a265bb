/// Why an image or a container could not be had, as a sentence for the person who must act.
package struct ContainerError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable {
        /// There is no such image.
        case notFound
        /// The registry wants other credentials.
        case unauthorized
        /// The registry or engine does not answer, or not as it should.
        case unavailable
        /// The image is not what its digest or the specification says, or holds what is not unpacked.
        case invalidImage
        case tooLarge
        /// The operator's configuration does not allow it.
        case refused
        case buildFailed
        /// The container was not started.
        case startFailed
        /// No room on the disk.
        case diskFull
        /// The disk did not do it.
        case storage
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    /// The same with the place in front.
    func at(_ place: String) -> ContainerError { ContainerError(code, "\(place): \(message)") }
}
