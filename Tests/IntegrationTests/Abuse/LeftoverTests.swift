import CloudEvents
import Foundation
import TestSupport
import Testing

/// What is left of functions that leave what they can, however they, the launcher or the server end.
@Suite(.fewAtATime, .serialized, .timeLimit(.minutes(10))) struct LeftoverTests {
    typealias Place = FurtherAbuseTests.Place

    /// A server with one function under way that has left daemons in sessions of their own.
    private struct Scene {
        let host: AbuseHost
        let marker = "weir-marker-\(UUID().uuidString)"

        init?(_ place: Place) async throws {
            guard let host = try await AbuseHost.start(place.account, ["--maximum-isolation", "\(place.maximum)"])
            else {
                return nil
            }
            self.host = host
            try await host.deploy("leave_everything", ["timeout": "10m"])
        }

        /// Begins a run and returns when its daemons are there.
        func begin() async throws {
            let body: JSONValue = ["marker": .string(marker)]
            let answer = try await host.client.call(
                "POST", "/v1/functions/leave-everything/invoke", body: body.encoded())
            try #require((200..<300).contains(answer.status), "\(answer.text)")
            let isUp = try await eventually { Traces.processes(naming: marker).count >= 3 }
            try #require(isUp, "the daemons were not seen: \(host.server.log.suffix(2_000))")
        }

        func expectGone(_ what: String, at location: SourceLocation = #_sourceLocation) async throws {
            let isGone = try await eventually { Traces.processes(naming: marker).isEmpty }
            #expect(isGone, "\(what): \(Traces.processes(naming: marker))", sourceLocation: location)
        }

        var launchers: [pid_t] {
            Traces.children(of: host.server.pid).filter { Traces.name(of: $0) == "weir-launcher" }
        }

        /// The next server has ended, and nothing of either is there.
        func expectNothing(
            after next: AbuseHost, at location: SourceLocation = #_sourceLocation
        ) async throws {
            try await next.finish()
            let left = try await host.left()
            #expect(left.isEmpty, "left behind: \(left)", sourceLocation: location)
            #expect(folders.isEmpty, sourceLocation: location)
        }

        /// Folders of this server's workers below the folder of temporary files.
        var folders: [String] {
            let parent = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
            return ((try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? [])
                .filter { $0.hasPrefix("weir-\(host.server.pid)-") }
        }
    }

    @Test("A stop ends all and leaves nothing", arguments: Place.all) func stopped(_ place: Place) async throws {
        guard let scene = try await Scene(place) else { return }
        try await scene.begin()
        try await scene.host.finish()
        try await scene.expectGone("after a stop")
        #expect(scene.folders.isEmpty)
    }

    @Test("When the server is killed, all ends; the next one removes the rest", arguments: Place.all)
    func serverKilled(_ place: Place) async throws {
        guard let scene = try await Scene(place) else { return }
        try await scene.begin()
        scene.host.server.kill9()
        try await scene.expectGone("after the server was killed")
        let processes = try await eventually { Traces.processes(naming: scene.host.folder.path).isEmpty }
        #expect(processes, "\(Traces.processes(naming: scene.host.folder.path))")
        let next = try await scene.host.again()
        try await scene.expectNothing(after: next)
    }

    @Test("When the launcher is killed, all that it had started ends; the server goes on", arguments: Place.all)
    func launcherKilled(_ place: Place) async throws {
        guard let scene = try await Scene(place) else { return }
        try await scene.begin()
        let launchers = scene.launchers
        #expect(!launchers.isEmpty)
        for launcher in launchers { kill(launcher, SIGKILL) }
        try await scene.expectGone("after the launcher was killed")
        // A call that was sent while its worker was ending is told just that; the next is served by a new launcher.
        let isServed = try await eventually {
            let run = try await scene.host.invoke("neighbour")
            let said = run["result"]?["error"]?.string ?? ""
            #expect(run["status"] == "success" || said.contains("the process that starts workers ended"), "\(run.text)")
            return run["status"] == "success"
        }
        #expect(isServed)
        let zombies = Traces.children(of: scene.host.server.pid).filter { !Traces.isRunning($0) }
        #expect(zombies.isEmpty, "not waited for: \(zombies)")
        try await scene.host.finish()
        #expect(scene.folders.isEmpty)
    }

    @Test("When server and launcher are killed at once, the next server ends what they left", arguments: Place.all)
    func bothKilled(_ place: Place) async throws {
        guard let scene = try await Scene(place) else { return }
        try await scene.begin()
        let launchers = scene.launchers
        kill(scene.host.server.pid, SIGSTOP)
        for launcher in launchers { kill(launcher, SIGKILL) }
        scene.host.server.kill9()
        let next = try await scene.host.again()
        try await scene.expectGone("after server and launcher were killed")
        try await scene.expectNothing(after: next)
    }

    @Test("What is ended for want of memory leaves nothing while the server goes on", arguments: Place.all)
    func outOfMemory(_ place: Place) async throws {
        guard let scene = try await Scene(place) else { return }
        let run = try await scene.host.invoke(
            "leave-everything", ["marker": .string(scene.marker), "memory": .integer(1 << 30), "seconds": 1])
        #expect(run["status"] == "developer error" || run["status"] == "application error", "\(run.text)")
        #expect(run["result"]?["error"]?.string?.lowercased().contains("memory") == true, "\(run.text)")
        try await scene.expectGone("after the memory was used up")
        let isOver = try await eventually { scene.host.emptyGroups.isEmpty }
        #expect(isOver, "control groups of nobody: \(scene.host.emptyGroups)")
        try await scene.host.finish()
        #expect(scene.folders.isEmpty)
    }
}
