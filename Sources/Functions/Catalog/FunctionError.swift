package import Manifest
package import Persistence

/// Why a function could not be made, found or removed.
package struct FunctionError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable {
        /// The specification is not acceptable; the message begins with the place in it.
        case invalidSpecification
        /// The code is not acceptable.
        case invalidCode
        case tooLarge
        case notFound
        /// Changed by someone else meanwhile, or an ambiguous digest.
        case conflict
        /// What the code depends on could not be installed, or its program not be built.
        case preparation
        /// No room on the disk: again when there is.
        case diskFull
        /// The disk did not do it.
        case storage
        /// An image that cannot be had: the registry's or the builder's reason is in the message.
        case image
        /// What it needs is not there or does not answer: a container engine, a registry.
        case unavailable
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package init(_ error: DocumentError) {
        self.init(.invalidSpecification, error.description)
    }

    package init(_ error: ArchiveError) {
        switch error.code {
        case .corrupt, .unsupported, .unsafe: self.init(.invalidCode, error.message)
        case .tooLarge: self.init(.tooLarge, error.message)
        case .diskFull: self.init(.diskFull, error.message)
        case .storage: self.init(.storage, error.message)
        }
    }

    package init(_ error: PersistenceError) {
        switch error.code {
        case .notFound: self.init(.notFound, error.message)
        case .conflict: self.init(.conflict, error.message)
        case .invalid: self.init(.invalidSpecification, error.message)
        case .diskFull: self.init(.diskFull, error.message)
        case .ioFailure, .corrupt, .closed: self.init(.storage, error.message)
        }
    }

    package var description: String { message }
}
