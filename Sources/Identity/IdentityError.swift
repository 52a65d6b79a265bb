/// Why it could not be found out who asks.
package struct IdentityError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable {
        /// What the request brought cannot be read.
        case malformed
        /// It can be read, but nobody is known by it.
        case unknown
        /// The key's file is not as it must be.
        case keyFile
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
