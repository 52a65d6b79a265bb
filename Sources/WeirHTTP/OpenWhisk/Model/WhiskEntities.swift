package import CloudEvents

/// The limits of an action, in OpenWhisk's units.
package struct WhiskLimits: Sendable, Hashable {
    /// Milliseconds.
    package var timeout: Int64 = 60_000
    /// Megabytes.
    package var memory: Int64 = 256
    package var logs: Int64 = 10
    /// Runs at once in one container.
    package var concurrency: Int64 = 1
    /// Containers at once; `nil`: as many as the namespace may have.
    package var instances: Int64?

    package init() {}

    package var document: JSONValue {
        var members: JSONObject = [
            "timeout": .integer(timeout), "memory": .integer(memory), "logs": .integer(logs),
            "concurrency": .integer(concurrency),
        ]
        members["instances"] = instances.map { .integer($0) }
        return .object(members)
    }
}

/// What an action is made of.
package struct WhiskExec: Sendable, Hashable {
    package var kind: String
    package var main: String?
    package var image: String?
    /// Of a sequence: full names with a leading slash.
    package var components: [String]?
    package var isBinary: Bool
    /// Whether there is code to be shown.
    package var hasCode: Bool

    package init(
        kind: String, main: String? = nil, image: String? = nil, components: [String]? = nil, isBinary: Bool = false,
        hasCode: Bool = false
    ) {
        self.kind = kind
        self.main = main
        self.image = image
        self.components = components
        self.isBinary = isBinary
        self.hasCode = hasCode
    }
}

/// An action: a function of Weir as OpenWhisk sees it. Its code is asked for by itself.
package struct WhiskAction: Sendable, Hashable {
    package var path: WhiskPath
    package var version: String
    package var publish: Bool
    package var exec: WhiskExec
    package var parameters: [WhiskParameter]
    package var annotations: JSONObject
    package var limits: WhiskLimits
    /// Milliseconds since 1970.
    package var updated: Int64
    /// The registry's count of its changes; 0 for one that is yet to be made.
    package var generation: Int64
    /// Whether it was made by Weir's own API: then its handler need not keep to the rules of this one.
    package var isNative: Bool

    package init(
        path: WhiskPath, version: String = "0.0.1", publish: Bool = false, exec: WhiskExec,
        parameters: [WhiskParameter] = [], annotations: JSONObject = [:], limits: WhiskLimits = WhiskLimits(),
        updated: Int64 = 0, generation: Int64 = 0, isNative: Bool = true
    ) {
        self.path = path
        self.version = version
        self.publish = publish
        self.exec = exec
        self.parameters = parameters
        self.annotations = annotations
        self.limits = limits
        self.updated = updated
        self.generation = generation
        self.isNative = isNative
    }

    /// The parameters that a call is given, as an object.
    package var arguments: JSONObject {
        JSONObject(members: parameters.filter { !$0.isInitial }.map { .init(name: $0.key, value: $0.value) })
    }

    package var isFinal: Bool { annotations["final"] == .bool(true) }
    package var isFeed: Bool { annotations["feed"] != nil }
}

/// A package, or a binding to one.
package struct WhiskPackage: Sendable, Hashable {
    package struct Binding: Sendable, Hashable {
        package var namespace: String
        package var name: String

        package init(namespace: String, name: String) {
            self.namespace = namespace
            self.name = name
        }
    }

    package var namespace: String
    package var name: String
    package var version: String
    package var publish: Bool
    package var parameters: [WhiskParameter]
    package var annotations: JSONObject
    package var binding: Binding?
    package var updated: Int64
    package var generation: Int64

    package init(
        namespace: String, name: String, version: String = "0.0.1", publish: Bool = false,
        parameters: [WhiskParameter] = [], annotations: JSONObject = [:], binding: Binding? = nil, updated: Int64 = 0,
        generation: Int64 = 0
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
        self.publish = publish
        self.parameters = parameters
        self.annotations = annotations
        self.binding = binding
        self.updated = updated
        self.generation = generation
    }

    package var arguments: JSONObject {
        JSONObject(members: parameters.filter { !$0.isInitial }.map { .init(name: $0.key, value: $0.value) })
    }
}

/// A trigger: a channel of Weir as OpenWhisk sees it.
package struct WhiskTrigger: Sendable, Hashable {
    package var namespace: String
    package var name: String
    package var version: String
    package var publish: Bool
    package var parameters: [WhiskParameter]
    package var annotations: JSONObject
    package var updated: Int64
    /// Of what OpenWhisk adds to the channel; 0 when that is nothing yet.
    package var generation: Int64
    package var rules: [WhiskRule]

    package init(
        namespace: String, name: String, version: String = "0.0.1", publish: Bool = false,
        parameters: [WhiskParameter] = [], annotations: JSONObject = [:], updated: Int64 = 0, generation: Int64 = 0,
        rules: [WhiskRule] = []
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
        self.publish = publish
        self.parameters = parameters
        self.annotations = annotations
        self.updated = updated
        self.generation = generation
        self.rules = rules
    }

    package var arguments: JSONObject {
        JSONObject(members: parameters.map { .init(name: $0.key, value: $0.value) })
    }
}

/// A rule: a subscription of Weir with a function as its sink, as OpenWhisk sees it.
package struct WhiskRule: Sendable, Hashable {
    package var namespace: String
    package var name: String
    package var version: String
    package var publish: Bool
    package var annotations: JSONObject
    package var trigger: WhiskPath
    package var action: WhiskPath
    package var isActive: Bool
    package var updated: Int64
    package var generation: Int64

    package init(
        namespace: String, name: String, version: String = "0.0.1", publish: Bool = false,
        annotations: JSONObject = [:], trigger: WhiskPath, action: WhiskPath, isActive: Bool = true, updated: Int64 = 0,
        generation: Int64 = 0
    ) {
        self.namespace = namespace
        self.name = name
        self.version = version
        self.publish = publish
        self.annotations = annotations
        self.trigger = trigger
        self.action = action
        self.isActive = isActive
        self.updated = updated
        self.generation = generation
    }
}
