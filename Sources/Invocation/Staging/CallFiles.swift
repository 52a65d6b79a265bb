internal import CloudEvents
internal import Glibc
internal import Sandboxes
internal import Staging
internal import Synchronization

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

/// What is shown to a worker while it runs.
struct Attachment: Sendable {
    enum Thing: Sendable {
        /// A file or folder of the machine, as it was opened and checked: the launcher refuses what is another when it
        /// looks.
        case shown(SandboxMount, any OpenedThing)
        /// A private folder of so many bytes; who publishes what is left in it finds it in the box.
        case folder(String, bytes: Int64, LeftBox)
    }

    var thing: Thing
    /// What is shown when the machine cannot do this: where a file system does not let the worker be its owner, for one.
    var otherwise: (@Sendable () async -> Result<Attachment, StagingError>)?

    /// Where it is inside, absolute.
    var target: String {
        switch thing {
        case .shown(let mount, _): mount.target
        case .folder(let target, _, _): target
        }
    }
}

/// Holds the folder that a worker was given for its outputs.
final class LeftBox: Sendable {
    private let folder = Mutex<Folder?>(nil)

    func put(_ new: Folder) { folder.withLock { $0 = new } }
    func take() -> Folder? {
        folder.withLock { folder in
            defer { folder = nil }
            return folder
        }
    }
}

/// A descriptor that stays open as long as its owner is held.
protocol OpenedThing: Sendable {
    var descriptor: Int32 { get }
}

extension OpenFile: OpenedThing {}
extension Folder: OpenedThing {}

extension OpenedThing {
    /// A descriptor of the same, for somebody who will close it.
    fileprivate func duplicate() -> Int32 { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }
}

extension Worker {
    /// How many files and folders an output folder holds.
    private static var outputFiles: Int { 4_096 }

    /// Shows things to the worker, in their order; the first failure ends that.
    func show(_ attachments: ArraySlice<Attachment>, then: @escaping @Sendable (StagingError?) -> Void) {
        guard let first = attachments.first else { return then(nil) }
        let next: @Sendable (SandboxError?) -> Void = { [self] error in
            guard let error else { return show(attachments.dropFirst(), then: then) }
            guard let otherwise = first.otherwise, error.code != .sourceChanged else {
                return then(StagingError(error.code == .sourceChanged ? .changed : .ioFailure, error.message))
            }
            Task {
                switch await otherwise() {
                case .success(let other): self.show([other] + attachments.dropFirst(), then: then)
                case .failure(let error): then(error)
                }
            }
        }
        switch first.thing {
        case .shown(let mount, let opened): attach(mount, verifying: opened.duplicate(), then: next)
        case .folder(let target, let bytes, let box):
            attachScratch(at: target, bytes: bytes, files: Self.outputFiles) { result in
                switch result {
                case .success(let descriptor):
                    box.put(Folder(descriptor: descriptor, path: target))
                    next(nil)
                case .failure(let error): next(error)
                }
            }
        }
    }

    /// Takes out what was shown; all of it is tried.
    func hide(_ attachments: ArraySlice<Attachment>, then: @escaping @Sendable (SandboxError?) -> Void) {
        guard let last = attachments.last else { return then(nil) }
        detach(last.target) { [self] error in
            hide(attachments.dropLast()) { then(error ?? $0) }
        }
    }
}
