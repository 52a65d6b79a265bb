internal import CSandbox
internal import Glibc

/// What the launcher says of a failure, as a sentence.
enum LauncherFailure {
    /// Of a start.
    static func start(_ reply: weir_reply, _ specification: WorkerSpecification, _ plan: StartPlan) -> SandboxError {
        let reason = String(cString: strerror(reply.error))
        let program = specification.arguments.first ?? ""
        switch UInt32(bitPattern: reply.stage) {
        case weir_stage_exec.rawValue:
            return SandboxError(.startFailed, "the program \(program) cannot be started: \(reason)")
        case weir_stage_zygote.rawValue:
            return SandboxError(.stemLost, "the process that forks workers did not: \(reason)")
        case weir_stage_directory.rawValue:
            return SandboxError(.startFailed, "the folder \(specification.directory) cannot be entered: \(reason)")
        case weir_stage_limits.rawValue:
            return SandboxError(.startFailed, "the limits of the worker cannot be set: \(reason)")
        case weir_stage_entry.rawValue:
            let index = Int(reply.detail)
            let entry = plan.entries.indices.contains(index) ? plan.entries[index] : nil
            let isBind = entry?.kind == weir_entry_bind
            let what = isBind ? "\(entry?.source ?? "") cannot be shown at" : "the sandbox cannot have"
            return SandboxError(.sandboxFailed, "\(what) /\(entry?.target ?? ""): \(reason)")
        case let stage:
            return SandboxError(
                stage == weir_stage_fork.rawValue || stage == weir_stage_descriptors.rawValue
                    ? .resources : .sandboxFailed, "the system refused a new worker: \(name(stage)): \(reason)")
        }
    }

    /// Of something done to a running worker.
    static func action(_ reply: weir_reply, _ what: String) -> SandboxError? {
        guard reply.error != 0 else { return nil }
        let reason = String(cString: strerror(reply.error))
        let stage = UInt32(bitPattern: reply.stage)
        if stage == weir_stage_slot.rawValue {
            return SandboxError(
                .sandboxFailed,
                reply.error == ESRCH
                    ? "\(what): the worker has ended" : "\(what): the worker has no root file system of its own")
        }
        if stage == weir_stage_source.rawValue, reply.error == ESTALE {
            return SandboxError(.sourceChanged, "\(what): something else was put in its place")
        }
        return SandboxError(.sandboxFailed, "\(what): \(name(stage)): \(reason)")
    }

    static func name(_ stage: UInt32) -> String {
        switch stage {
        case weir_stage_descriptors.rawValue: "descriptors"
        case weir_stage_fork.rawValue: "a process with its namespaces"
        case weir_stage_session.rawValue: "a session"
        case weir_stage_identity.rawValue: "user and capabilities"
        case weir_stage_groups.rawValue: "control groups"
        case weir_stage_network.rawValue: "the network"
        case weir_stage_root.rawValue: "the root file system"
        case weir_stage_landlock.rawValue: "Landlock"
        case weir_stage_filter.rawValue: "the system call filter"
        case weir_stage_namespace.rawValue: "entering the sandbox"
        case weir_stage_source.rawValue: "the source"
        case weir_stage_target.rawValue: "the place inside"
        default: "the request"
        }
    }
}
