internal import CloudEvents
internal import Staging
internal import Synchronization

/// The files of one call as its worker finds them.
struct CallFiles: Sendable {
    /// The path of the event's file, for the worker; `nil` when the function is given none.
    var input: String?
    /// The folder whose files are published when the call succeeds; `nil` when the function has none.
    var output: String?

    /// As the worker is told: an object with what there is; `nil` when there is nothing.
    var document: JSONObject? {
        guard input != nil || output != nil else { return nil }
        var members = JSONObject()
        members["input"] = input.map { .string($0) }
        members["output"] = output.map { .string($0) }
        return members
    }
}
