import CloudEvents
import Functions
import Staging

/// What this server's operator lets functions have, asked when one is made.
struct Grants: Sendable {
    let staging: Staging
    let allowsHostNetwork: Bool

    func review(_ spec: FunctionSpec, _ namespace: String) throws(FunctionError) {
        do throws(StagingError) {
            try staging.review(spec.staging, namespace: namespace)
        } catch {
            throw FunctionError(.invalidSpecification, error.message)
        }
        guard spec.network != .host || allowsHostNetwork else {
            throw FunctionError(
                .invalidSpecification,
                "network: the operator does not let functions into the machine's own network (--allow-host-network); "
                    + "a list of what may be reached is { mode: proxy, allow: [\"example.org:443\"] }")
        }
    }

    /// As the status shows it.
    var document: JSONObject {
        [
            "mounts": .array(
                staging.mounts.all.map { mount in
                    var members: JSONObject = [
                        "name": .string(mount.name), "path": .string(mount.path), "writable": .bool(mount.isWritable),
                    ]
                    members["subject"] = mount.subject.map { .string($0) }
                    members["namespaces"] = mount.namespaces.map { .array($0.sorted().map { .string($0) }) }
                    return .object(members)
                }), "hostNetwork": .bool(allowsHostNetwork),
        ]
    }
}
