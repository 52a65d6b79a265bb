internal import CloudEvents
internal import Sandboxes
internal import Staging

/// The files of one call as its worker finds them.
struct CallFiles: Sendable {
    /// The path of the event's file, for the worker; `nil` when the function is given none.
    var input: String?
    /// The folder whose files are published when the call succeeds; `nil` when the function has none.
    var output: String?
    /// What is shown to the worker for this call, where it has a root of its own.
    var attachments: [Attachment] = []

    /// As the worker is told: an object with what there is; `nil` when there is nothing.
    var document: JSONObject? {
        guard input != nil || output != nil else { return nil }
        var members = JSONObject()
        members["input"] = input.map { .string($0) }
        members["output"] = output.map { .string($0) }
        return members
    }
}

/// A file or folder of the machine that is shown to a worker while it runs.
struct Attachment: Sendable {
    var mount: SandboxMount
    /// What was opened and checked: the launcher refuses what is another when it looks.
    var opened: any OpenedThing
}

/// A descriptor that stays open as long as its owner is held.
protocol OpenedThing: Sendable {
    var descriptor: Int32 { get }
}

extension OpenFile: OpenedThing {}
extension Folder: OpenedThing {}

extension Worker {
    /// Shows things to the worker, in their order; the first failure ends that.
    func show(_ attachments: ArraySlice<Attachment>, then: @escaping @Sendable (SandboxError?) -> Void) {
        guard let first = attachments.first else { return then(nil) }
        attach(first.mount, verifying: first.opened.duplicate()) { [self] error in
            if let error { then(error) } else { show(attachments.dropFirst(), then: then) }
        }
    }

    /// Takes out what was shown; all of it is tried.
    func hide(_ attachments: ArraySlice<Attachment>, then: @escaping @Sendable (SandboxError?) -> Void) {
        guard let last = attachments.last else { return then(nil) }
        detach(last.mount.target) { [self] error in
            hide(attachments.dropLast()) { then(error ?? $0) }
        }
    }
}
