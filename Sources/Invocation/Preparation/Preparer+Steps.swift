internal import Foundation
internal import Functions
internal import Glibc
internal import Sandboxes

extension Preparer {
    /// Lays what the steps begin with into the work folder, where any user may change it.
    func lay(_ plan: PreparationPlan, _ order: PreparationOrder, into work: WorkFolder) throws(FunctionError) {
        do {
            for file in plan.files {
                try write(Data(file.content), to: work.scratch + "/" + file.name, mode: 0o666)
            }
            let target: String
            switch plan.copiesCode {
            case .none: return
            case .toOutput: target = work.output
            case .toScratch: target = work.scratch + "/code"
            }
            for file in order.files {
                let source = order.directory + "/" + file
                let isProgram = FileManager.default.isExecutableFile(atPath: source)
                guard let content = FileManager.default.contents(atPath: source) else {
                    throw FunctionError(.storage, "the code's file \(file) cannot be read back")
                }
                try write(content, to: target + "/" + file, mode: isProgram ? 0o777 : 0o666)
            }
        } catch let error as FunctionError {
            throw error
        } catch {
            throw FunctionError(.storage, "the work folder cannot be filled: \(error.localizedDescription)")
        }
    }

    /// Each step runs as another user; what one makes is the next one's when the folders are not root's.
    func giveToWorkers(_ work: WorkFolder) throws(FunctionError) {
        guard let owner = launcher.ownerOfWork else { return }
        for folder in [work.output, work.scratch] where chown(folder, owner, owner) != 0 {
            throw FunctionError(
                .storage, "cannot give the folder \(folder) to workers: \(String(cString: strerror(errno)))")
        }
    }

    private func write(_ content: Data, to path: String, mode: Int) throws {
        try makeFolder(FolderPath.parent(path))
        try content.write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    private func makeFolder(_ path: String) throws {
        guard !FileManager.default.fileExists(atPath: path) else { return }
        try makeFolder(FolderPath.parent(path))
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        // Not by the attributes of its making, which the process's mask would cut.
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: path)
    }

    /// Runs one program in a sandbox that sees the code and the work folder.
    func run(_ step: PreparationPlan.Step, _ order: PreparationOrder, in work: WorkFolder) async throws(FunctionError) {
        let outcome = await launcher.run(specification(step, order, work), within: configuration.timeout)
        guard step.isRequired, !outcome.isSuccess else { return }
        var said = outcome.lines.filter { !$0.allSatisfy(\.isWhitespace) }.suffix(15)
        let reason: String
        switch outcome.end {
        case .exited(let record) where record.outOfMemory:
            reason = "needed more memory than the \(configuration.memory >> 20) MiB that are allowed"
        case .exited where outcome.isTimeout: reason = "did not end within \(configuration.timeout / 1_000) s"
        case .exited(let record):
            reason = record.status.map { "ended with status \($0)" } ?? "was killed by signal \(record.signal)"
        case .notStarted(let error): throw FunctionError(.unavailable, "\(step.name) cannot be run: \(error.message)")
        case .launcherLost: reason = "was ended with the launcher"
        }
        if case .install = order.work, configuration.installs == .none {
            said.append(
                "this server installs only what lies in the archive; its operator can allow more with --allow-installs")
        }
        throw FunctionError(
            .preparation, "\(step.name) \(reason)" + (said.isEmpty ? "" : ":\n" + said.joined(separator: "\n")))
    }

    private func specification(
        _ step: PreparationPlan.Step, _ order: PreparationOrder, _ work: WorkFolder
    ) -> WorkerSpecification {
        let isContained = launcher.isolation?.canAttach == true
        let scratch = isContained ? SandboxPath.input : work.scratch
        var environment = [
            "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=\(scratch)", "TMPDIR=\(scratch)",
        ]
        if step.usesNetwork { environment += PreparationConfiguration.networkEnvironment }
        environment += step.environment
        func folder(_ source: String, _ target: String) -> SandboxMount {
            var mount = SandboxMount(source: source, target: target, isReadOnly: false)
            mount.isOwnedByWorker = launcher.ownerOfWork != nil
            return mount
        }
        let sandbox = SandboxSpecification(
            memory: configuration.memory, processes: 512, network: step.usesNetwork ? .host : .none,
            mounts: [
                SandboxMount(source: order.directory, target: SandboxPath.code),
                folder(work.output, SandboxPath.output), folder(work.scratch, SandboxPath.input),
                SandboxMount(source: invocation.runners.directory, target: SandboxPath.runtimes),
            ],
            rootFolders: step.folders + (step.usesNetwork ? ["/etc/pip.conf", "/etc/npmrc"] : []))
        return WorkerSpecification(
            arguments: step.arguments, environment: environment,
            directory: isContained ? SandboxPath.code : order.directory,
            limits: [
                .init(.memory, UInt64(configuration.memory)), .init(.openFiles, 4096), .init(.coreSize, 0),
                .init(.fileSize, invocation.fileSizeLimit),
            ],
            framing: .lines, maximumMessage: 1 << 20,
            sandbox: launcher.isolation == nil ? nil : sandbox)
    }
}
