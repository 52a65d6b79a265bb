import Foundation
import Glibc
import Logging
import Synchronization
import Testing
import TestSupport

@testable import Sandboxes

/// Nothing is left: no processes, mounts, control groups, descriptors, temporary files.
@Suite(.fewAtATime, .serialized) struct CleanUpTests {
    /// What of a launcher can be left behind, counted.
    private struct Remains: Equatable, CustomStringConvertible {
        var processes: Int
        var mounts: Int
        var groups: Int
        var descriptors: Int

        init(_ fixture: SandboxFixture) {
            processes = fixture.processes.count
            mounts = (SmallFile.read("/proc/self/mounts") ?? "").split(separator: "\n").count
            groups = Self.groups(of: fixture).count
            descriptors = fixture.launcher.processID.map { SmallFile.names(in: "/proc/\($0)/fd").count } ?? 0
        }

        static func groups(of fixture: SandboxFixture) -> [String] {
            let trees = fixture.launcher.state.withLock { $0.isolation?.groups?.trees ?? [] }
            return trees.filter { !$0.isEmpty }.flatMap { tree in
                SmallFile.names(in: tree).filter { UInt64($0) != nil }.map { tree + "/" + $0 }
            }
        }

        var description: String {
            "\(processes) processes, \(mounts) mounts, \(groups) groups, \(descriptors) descriptors"
        }
    }

    @Test(arguments: levels) func manyStartsLeaveNothing(level: Int) async throws {
        try await SandboxFixture.with(level: level) { fixture in
            for script in ["true", "exit 3"] { _ = try await fixture.lines(script) }
            let before = Remains(fixture)
            for index in 0..<240 {
                let running: Running
                switch index % 6 {
                case 0: running = try fixture.shell("true")
                case 1: running = try fixture.shell("sleep 1000 & sleep 1000 & exit 0")
                case 2: running = try fixture.shell("kill -SEGV $$")
                case 3:
                    running = try fixture.shell("(setsid sleep 1000 &) ; read line")
                    running.kill()
                case 4: running = try fixture.start(["/no/such/program"])
                default:
                    running = try fixture.shell("read line; echo x > \"$TMPDIR/file\"; mkdir -p \"$TMPDIR/a/b\"")
                    running.say("go")
                }
                _ = await running.end()
                if let folder = running.worker.withLock({ $0?.plan.privateFolder }) {
                    #expect(access(folder, F_OK) != 0)
                }
            }
            await eventually("all is as before") { Remains(fixture) == before }
            #expect(Remains(fixture) == before)
        }
    }

    @Test(arguments: levels) func stoppingLeavesNothing(level: Int) async throws {
        let mounts = (SmallFile.read("/proc/self/mounts") ?? "").split(separator: "\n").count
        var trees: [String] = []
        var processes: [Int32] = []
        var folders: [String] = []
        try await SandboxFixture.with(level: level) { fixture in
            for _ in 0..<5 {
                let running = try fixture.shell("(setsid sleep 1000 &); sleep 1000 & echo up; sleep 1000")
                #expect(await running.line(0) == "up")
                folders += running.worker.withLock { $0?.plan.privateFolder }.map { [$0] } ?? []
            }
            trees = fixture.launcher.state.withLock { $0.isolation?.groups?.trees ?? [] }.filter { !$0.isEmpty }
            processes = fixture.processes
            #expect(processes.count >= 15)
        }
        #expect(trees.filter { access($0, F_OK) == 0 } == [])
        #expect(processes.filter { isAlive($0) } == [])
        #expect((SmallFile.read("/proc/self/mounts") ?? "").split(separator: "\n").count == mounts)
        #expect(folders.filter { access($0, F_OK) == 0 } == [])
    }

    @Test(arguments: levelsWithNamespaces) func aKilledLauncherLeavesNothingAndIsReplaced(level: Int) async throws {
        try await SandboxFixture.with(level: level) { fixture in
            var all: [Running] = []
            for _ in 0..<5 {
                let running = try fixture.shell("(setsid sleep 1000 &); echo up; sleep 1000")
                #expect(await running.line(0) == "up")
                all.append(running)
            }
            let processes = fixture.processes
            let launcher = try #require(fixture.launcher.processID)
            kill(launcher, SIGKILL)
            for running in all { #expect(await running.end() == .launcherLost) }
            await eventually("all processes are gone") { processes.allSatisfy { !isAlive($0) } }
            await eventually("all groups are gone") { Remains.groups(of: fixture).isEmpty }
            #expect(try await fixture.lines("echo again") == ["again"])
            #expect(fixture.launcher.processID != launcher)
        }
    }

    /// A server that was killed together with its launcher leaves its trees; the next one finds them.
    @Test func treesOfADeadServerAreSwept() async throws {
        let parents = Hierarchy.all().compactMap { hierarchy -> String? in
            let isOurs = hierarchy.isUnified || hierarchy.controllers.contains("memory")
            return isOurs ? hierarchy.candidates.first : nil
        }
        var made: [(tree: String, slot: String)] = []
        for parent in parents {
            let tree = parent + "/weir-999999999-1-1"
            if mkdir(tree, 0o755) == 0, mkdir(tree + "/7", 0o755) == 0 { made.append((tree, tree + "/7")) }
        }
        guard !made.isEmpty else { return print("skipped: control groups cannot be made here") }
        let left = Process()
        left.executableURL = URL(fileURLWithPath: "/bin/sleep")
        left.arguments = ["1000"]
        try left.run()
        for one in made {
            // Launchers of tests beside this one sweep too, and may be first: then it is gone.
            let code = SmallFile.write(String(left.processIdentifier), to: one.slot + "/cgroup.procs")
            if code != 0 { await eventually("error \(code) of one that was swept") { !left.isRunning } }
        }
        let living = ControlGroups()
        #expect(living.trees.contains { !$0.isEmpty })
        await eventually("what was left is ended") { !left.isRunning }
        #expect(made.filter { access($0.tree, F_OK) == 0 }.isEmpty)
        // Another of this process is not taken for dead.
        let second = ControlGroups()
        #expect(living.trees.allSatisfy { $0.isEmpty || access($0, F_OK) == 0 })
        // What a launcher has left is cleared; workers that the next one has started by then are not.
        let slots = living.trees.filter { !$0.isEmpty }.map { (left: $0 + "/7", new: $0 + "/8") }
        for slot in slots { #expect(mkdir(slot.left, 0o755) == 0 && mkdir(slot.new, 0o755) == 0) }
        living.clear(before: 8)
        #expect(slots.allSatisfy { access($0.left, F_OK) != 0 && access($0.new, F_OK) == 0 })
        second.remove()
        living.remove()
        #expect((living.trees + second.trees).allSatisfy { $0.isEmpty || access($0, F_OK) != 0 })
    }

    @Test func aPrivateFolderIsRemovedHoweverItLooks() throws {
        let path = try PrivateFolder.make()
        let outside = try TemporaryDirectory("outside")
        try write("kept", to: outside.file("kept"))
        symlink(outside.path, path + "/link")
        symlink(outside.file("kept"), path + "/file")
        mkdir(path + "/closed", 0o700)
        try write("x", to: path + "/closed/x")
        chmod(path + "/closed", 0)
        // Deeper than a path may be long.
        var folder = open(path, O_RDONLY | O_DIRECTORY)
        for _ in 0..<400 {
            mkdirat(folder, String(repeating: "d", count: 100), 0o700)
            let next = openat(folder, String(repeating: "d", count: 100), O_RDONLY | O_DIRECTORY)
            close(folder)
            folder = next
        }
        close(folder)
        PrivateFolder.remove(path)
        #expect(access(path, F_OK) != 0)
        #expect(access(outside.file("kept"), F_OK) == 0)
    }
}
