package import CloudEvents
import HTTPTypes

/// The kinds of things that a person declares.
package enum ResourceKind: String, Sendable, Hashable, CaseIterable {
    case channels, sources, subscriptions, functions, packages, apis

    /// One of them, for sentences: `channel`.
    package var singular: String { String(rawValue.dropLast()) }

    /// Its schema in the OpenAPI document.
    var schema: String {
        switch self {
        case .channels: "Channel"
        case .sources: "Source"
        case .subscriptions: "Subscription"
        case .functions: "Function"
        case .packages: "Package"
        case .apis: "API"
        }
    }

    package var target: AccessTarget {
        switch self {
        case .channels: .channel
        case .sources: .source
        case .subscriptions: .subscription
        case .functions: .function
        case .packages: .package
        case .apis: .api
        }
    }
}

/// One declared thing as it is shown.
package struct Resource: Sendable, Hashable {
    package var name: String
    /// Counts its changes from 1; the `ETag`.
    package var generation: Int64
    /// What is shown: name, namespace, generation, what was declared and, beside it, `status`.
    package var document: JSONObject

    package init(name: String, generation: Int64, document: JSONObject) {
        self.name = name
        self.generation = generation
        self.document = document
    }
}

/// The wish to make a thing what a document says.
package struct PutRequest: Sendable {
    package var kind: ResourceKind
    package var namespace: String
    package var name: String
    package var document: JSONObject
    /// New code; only for functions, `nil` leaves the code as it is.
    package var code: FunctionCode?
    package var precondition: Precondition
    /// Only say what would change.
    package var dryRun: Bool
    package var caller: Caller
}

/// A function's code as it was uploaded: a source file, a program or an archive; the file name says which.
package struct FunctionCode: Sendable, Hashable {
    package var filename: String
    package var bytes: [UInt8]

    package init(filename: String, bytes: [UInt8]) {
        self.filename = filename
        self.bytes = bytes
    }
}

/// What became of a put.
package struct PutOutcome: Sendable, Hashable {
    package enum Verdict: String, Sendable, Hashable { case created, updated, unchanged }

    /// One difference between what was and what is (or, in a dry run, would be).
    package struct Change: Sendable, Hashable {
        /// The place, as a person writes it: `delivery.retry.attempts`.
        package var path: String
        package var before: JSONValue?
        package var after: JSONValue?

        package init(path: String, before: JSONValue?, after: JSONValue?) {
            self.path = path
            self.before = before
            self.after = after
        }
    }

    package var verdict: Verdict
    package var resource: Resource
    package var changes: [Change]

    package init(verdict: Verdict, resource: Resource, changes: [Change] = []) {
        self.verdict = verdict
        self.resource = resource
        self.changes = changes
    }
}

/// What must hold of the present state for a change to be made (RFC 9110 §13.1).
package enum Precondition: Sendable, Hashable {
    case none
    /// `If-Match: "3", "4"`: the thing is at one of these generations.
    case generation([Int64])
    /// `If-Match: *`: the thing exists.
    case exists
    /// `If-None-Match: *`: the thing does not exist.
    case absent

    /// Checks the present generation (`nil`: there is no such thing); the engine calls this where the change is atomic.
    package func check(_ current: Int64?) throws(Problem) {
        switch self {
        case .none: return
        case .generation(let wanted):
            if let current, wanted.contains(current) { return }
            let tags = wanted.map { "\"\($0)\"" }.joined(separator: ", ")
            throw Problem(
                .preconditionFailed, "precondition-failed",
                current.map { "If-Match asks for generation \(tags), but it is at \"\($0)\": read it again and retry" }
                    ?? "If-Match asks for generation \(tags), but it does not exist")
        case .exists:
            guard current == nil else { return }
            throw Problem(
                .preconditionFailed, "precondition-failed", "If-Match: * asks that it exists, and it does not")
        case .absent:
            guard current != nil else { return }
            throw Problem(
                .preconditionFailed, "precondition-failed", "If-None-Match: * asks that it does not exist, but it does")
        }
    }
}

/// Which part of a list is wanted.
package struct PageRequest: Sendable, Hashable {
    package var limit: Int
    /// What ``Page/next`` of the page before said; opaque to everyone but the engine.
    package var cursor: String?

    package init(limit: Int = 100, cursor: String? = nil) {
        self.limit = limit
        self.cursor = cursor
    }
}

/// A part of a list.
package struct Page<Element: Sendable>: Sendable {
    package var items: [Element]
    /// Where the next page begins; `nil` at the end.
    package var next: String?

    package init(items: [Element], next: String? = nil) {
        self.items = items
        self.next = next
    }
}
