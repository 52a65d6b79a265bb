package import CloudEvents

/// One change of the registry as a value: all that the change needs, time and identity included, so that it has the same
/// effect wherever and whenever it is applied.
package struct RegistryCommand: Sendable, Hashable {
    /// When it was asked for, milliseconds since 1970.
    package var time: Int64
    /// The identity of a resource that this command makes.
    package var uid: String
    package var change: Change

    package enum Change: Sendable, Hashable {
        /// Makes a resource or replaces its document.
        case put(ResourceKey, document: JSONValue, expectedGeneration: Int64?)
        /// Makes a version the current one, adding it when it is new, and keeps the newest `keep` ones.
        case putVersion(
            ResourceKey, document: JSONValue, version: VersionDocument, keep: Int, expectedGeneration: Int64?)
        case setPaused(ResourceKey, Bool)
        /// Removes a resource with its versions.
        case delete(ResourceKey, expectedGeneration: Int64?)
    }

    package init(time: Int64, uid: String, change: Change) {
        self.time = time
        self.uid = uid
        self.change = change
    }

    package var key: ResourceKey {
        switch change {
        case .put(let key, _, _), .putVersion(let key, _, _, _, _), .setPaused(let key, _), .delete(let key, _): key
        }
    }
}

/// What a command did.
package enum RegistryChange: Sendable, Hashable {
    case created(ResourceDocument)
    case updated(ResourceDocument, previous: ResourceDocument)
    case deleted(ResourceDocument)
    /// The registry was so already; no number is used and nobody is told.
    case unchanged(ResourceDocument)

    /// The resource as it is now, or was last.
    package var resource: ResourceDocument {
        switch self {
        case .created(let resource), .updated(let resource, _), .deleted(let resource), .unchanged(let resource):
            resource
        }
    }
}
