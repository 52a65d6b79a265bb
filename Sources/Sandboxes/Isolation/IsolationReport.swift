package import CloudEvents

/// What isolation this host gives: tried at start with throw-away processes, never deduced from a user or a version.
package struct IsolationReport: Sendable, Hashable {
    /// One thing that was tried.
    package struct Feature: Sendable, Hashable {
        package var name: String
        /// What the system said; `nil` when it works.
        package var failure: String?

        package init(_ name: String, failure: String? = nil) {
            self.name = name
            self.failure = failure
        }
    }

    /// 3 namespaces and control groups, 2 namespaces, 1 Landlock and seccomp, 0 none.
    package var level: Int
    /// The level that the operator allows at most.
    package var maximum: Int
    /// The level below which nothing runs.
    package var minimum: Int
    package var features: [Feature]
    /// Which control groups are in use: `v1`, `v2`, `hybrid`, `none`.
    package var controlGroups: String

    package init(
        level: Int, maximum: Int = 3, minimum: Int = 1, features: [Feature] = [], controlGroups: String = "none"
    ) {
        self.level = level
        self.maximum = maximum
        self.minimum = minimum
        self.features = features
        self.controlGroups = controlGroups
    }

    /// Whether workers have a root file system of their own, into which something can be mounted while they run.
    package var canAttach: Bool { level >= 2 }
    /// Whether workers can be forked by a process that has imported ahead.
    package var canFork: Bool { level >= 2 }
    /// Whether the memory of a worker's whole tree is limited by the kernel.
    package var limitsTrees: Bool { level >= 3 }

    /// What the level means, as a sentence.
    package var meaning: String {
        switch level {
        case 3:
            "workers have namespaces, a root file system, system call filter and limits of memory, processes and cpu "
                + "of their own"
        case 2:
            "workers have namespaces, a root file system and a system call filter of their own; memory is limited a "
                + "process, and watched for the whole"
        case 1: "workers are confined by Landlock and a system call filter; they share the host's process numbers"
        default: "workers are plain child processes: own session, limits, clean environment, no isolation"
        }
    }

    /// Why nothing may run; `nil` when the level suffices.
    package var obstacle: String? {
        guard level < minimum else { return nil }
        let failures = features.compactMap { feature in feature.failure.map { "\(feature.name): \($0)" } }
        let reasons = failures.isEmpty ? "" : " (" + failures.joined(separator: "; ") + ")"
        return "functions do not run: isolation level \(minimum) is required and this host gives \(level)\(reasons); "
            + "make the missing features available or start with --minimum-isolation \(level)"
    }

    /// What does not work here, with what the system said; `nil` when all does.
    package var missing: JSONValue? {
        let missing = features.compactMap { feature in feature.failure.map { "\(feature.name): \($0)" } }
        return missing.isEmpty ? nil : .array(missing.map { .string($0) })
    }

    package var document: JSONValue {
        [
            "level": .integer(Int64(level)), "minimum": .integer(Int64(minimum)), "maximum": .integer(Int64(maximum)),
            "meaning": .string(meaning), "controlGroups": .string(controlGroups),
            "features": .array(
                features.map { feature in
                    var document: JSONObject = [
                        "name": .string(feature.name), "works": .bool(feature.failure == nil),
                    ]
                    document["failure"] = feature.failure.map { .string($0) }
                    return .object(document)
                }),
        ]
    }
}
