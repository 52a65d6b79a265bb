import CloudEvents
import EventSources
import Foundation
import Outbound
import Synchronization
import TestSupport
import Testing

@Suite("dCache's event stream", .timeLimit(.minutes(3)))
struct DCacheEventsSourceTests {
    @Test("an upload is told once, with what the name space says of the file")
    func upload() async throws {
        let bench = try await EventsBench()
        try await bench.following {
            bench.frontend.upload("/data/a file#1%.h5", size: 3_000_000)
            try await eventually("it is told") { bench.paths("file.written").count == 1 }
            let event = try #require(bench.channel.events.first { $0.type == "dev.weir.file.written" })
            try event.validate()
            #expect(event.subject == "/data/a file#1%.h5" && event["filesize"] == .string("3000000"))
            #expect(event["filesizemib"] == .integer(3) && event["partitionkey"] == .string("/data"))
            #expect(event.source == "dcache://127.0.0.1:\(bench.frontend.port)")
            #expect(event["fileid"] != nil && event["storagesystem"] == .string("dcache"))
            guard case .json(let bytes)? = event.data else { return }
            let data = try JSONValue(parsing: bytes)
            #expect(data["checksums"]?.array?.count == 1 && data["confirmed"] == true)
            #expect(data["native"]?["event"]?["mask"] == ["IN_CLOSE_WRITE"])
        }
    }

    @Test("folders that are made are followed, however deep and fast")
    func newFolders() async throws {
        let bench = try await EventsBench()
        bench.frontend.makeFolder("/data/old")
        bench.frontend.upload("/data/old/known.h5")
        try await bench.following {
            for run in 0..<8 {
                bench.frontend.makeFolder("/data/run\(run)")
                bench.frontend.makeFolder("/data/run\(run)/raw")
                // Before anybody can have watched the folder.
                bench.frontend.upload("/data/run\(run)/raw/early.h5")
            }
            try await eventually("all early files are found") {
                Set(bench.paths("file.written")).isSuperset(of: (0..<8).map { "/data/run\($0)/raw/early.h5" })
            }
            try await eventually("all folders are watched") { bench.frontend.watched.count == 2 + 16 }
            for run in 0..<8 { bench.frontend.upload("/data/run\(run)/raw/late.h5") }
            try await eventually("all late files are told") { bench.paths("file.written").count == 16 }
            #expect(bench.paths("directory.created").count == 16)
            #expect(!bench.paths("file.written").contains("/data/old/known.h5"))
            bench.frontend.upload("/data/old/new.h5")
            try await eventually("an old folder is watched too") {
                bench.paths("file.written").contains("/data/old/new.h5")
            }
        }
    }

    @Test("files that are there are announced when that is asked for; one that is being written is not")
    func existing() async throws {
        let bench = try await EventsBench()
        bench.frontend.upload("/data/there.h5")
        bench.frontend.beginUpload("/data/growing.h5")
        try await bench.following({ $0.existing = .announce }) {
            try await eventually("the file is told") { bench.paths("file.written") == ["/data/there.h5"] }
            bench.frontend.endUpload("/data/growing.h5", size: 9)
            let folder = try #require(bench.frontend.node("/data"))
            bench.frontend.tell(folder, ["IN_CLOSE_WRITE"], name: "growing.h5")
            try await eventually("the other is told when it is closed") {
                bench.paths("file.written").contains("/data/growing.h5")
            }
        }
    }

    @Test("a stream that is cut is resumed where it was: nothing is lost and nothing told twice")
    func cut() async throws {
        let bench = try await EventsBench()
        try await bench.following {
            for number in 0..<60 {
                if number % 10 == 3 { bench.frontend.cut() }
                bench.frontend.upload("/data/f\(number)")
                if number % 7 == 0 { try await Task.sleep(for: .milliseconds(3)) }
            }
            try await eventually("all are told") { bench.paths("file.written").count == 60 }
            try await bench.settle()
            #expect(Set(bench.paths("file.written")).count == 61)
            #expect(bench.paths("source.gap").isEmpty && bench.status.counts.gaps == 0)
        }
        #expect(bench.channel.events.map(\.id).count == Set(bench.channel.events.map(\.id)).count)
    }

    @Test("a restart of the source goes on where it was")
    func restart() async throws {
        let bench = try await EventsBench()
        try await bench.following {
            bench.frontend.makeFolder("/data/deep")
            try await eventually("watched") { bench.frontend.watched.count == 2 }
            try await bench.settle("/data/deep")
        }
        let posts = bench.frontend.state.withLock { $0.requests.count { $0.contains("subscriptions") } }
        bench.frontend.upload("/data/deep/meanwhile.h5")
        try await bench.following {
            try await eventually("what came meanwhile") {
                bench.paths("file.written").contains("/data/deep/meanwhile.h5")
            }
            try await bench.settle("/data/deep")
        }
        #expect(bench.frontend.state.withLock { $0.requests.count { $0.contains("subscriptions") } } == posts)
        #expect(bench.paths("source.gap").isEmpty)
        #expect(bench.frontend.state.withLock { $0.channels.count } == 1)
    }

    @Test("lost events are reported, and repaired by listing")
    func eventLoss() async throws {
        let bench = try await EventsBench()
        bench.frontend.makeFolder("/data/sub")
        bench.frontend.upload("/data/sub/stays.h5")
        bench.frontend.upload("/data/sub/goes.h5")
        bench.frontend.upload("/data/sub/moves.h5")
        try await bench.following {
            bench.frontend.state.withLock { $0.isDeaf = true }
            bench.frontend.upload("/data/sub/missed.h5")
            bench.frontend.makeFolder("/data/new")
            bench.frontend.upload("/data/new/inside.h5")
            bench.frontend.delete("/data/sub/goes.h5")
            bench.frontend.rename("/data/sub/moves.h5", to: "/data/new/moved.h5")
            bench.frontend.loseBacklog()
            bench.frontend.state.withLock { $0.isDeaf = false }
            bench.frontend.cut()
            try await eventually("it is repaired") { bench.paths("source.repaired").count == 1 }
            #expect(bench.paths("source.gap").count == 1 && bench.status.counts.gaps == 1)
            #expect(Set(bench.paths("file.written")) == ["/data/sub/missed.h5", "/data/new/inside.h5"])
            #expect(bench.paths("file.deleted") == ["/data/sub/goes.h5"])
            #expect(bench.paths("file.moved") == ["/data/new/moved.h5"])
            #expect(bench.paths("directory.created") == ["/data/new"])
            try await bench.settle("/data/new")
            #expect(bench.paths("source.gap").count == 1)
        }
        let types = bench.channel.events.map(\.type)
        let gap = try #require(types.firstIndex(of: "dev.weir.source.gap"))
        let repaired = try #require(types.firstIndex(of: "dev.weir.source.repaired"))
        #expect(types[gap..<repaired].contains("dev.weir.file.written"))
    }

    @Test(
        "a frontend that starts anew has forgotten all: a new channel, all watches, a search", arguments: [true, false])
    func frontendRestart(_ politely: Bool) async throws {
        let bench = try await EventsBench()
        bench.frontend.makeFolder("/data/sub")
        try await bench.following {
            bench.frontend.restart(politely: politely)
            bench.frontend.upload("/data/sub/meanwhile.h5")
            try await eventually("it is repaired") { bench.paths("source.repaired").count == 1 }
            #expect(bench.paths("file.written") == ["/data/sub/meanwhile.h5"])
            #expect(bench.frontend.watched == ["/data", "/data/sub"])
            try await bench.settle("/data/sub")
        }
    }

    @Test("a channel that expired while the source was down")
    func expired() async throws {
        let bench = try await EventsBench()
        try await bench.following { try await bench.settle() }
        bench.frontend.restart(politely: false)
        bench.frontend.upload("/data/missed.h5")
        try await bench.following {
            try await eventually("it is repaired") { bench.paths("source.repaired").count == 1 }
            #expect(bench.paths("file.written").contains("/data/missed.h5"))
        }
        guard case .json(let bytes)? = bench.channel.events.first(where: { $0.type == "dev.weir.source.gap" })?.data
        else {
            Issue.record("the gap has no data")
            return
        }
        let data = try JSONValue(parsing: bytes)
        #expect(data["from"]?.string != nil && data["to"]?.string != nil)
        #expect(data["reason"]?.string?.contains("gone") == true)
    }

    @Test("a queue that ran over is repaired by one listing")
    func overflow() async throws {
        let bench = try await EventsBench()
        bench.frontend.makeFolder("/data/a")
        bench.frontend.makeFolder("/data/b")
        try await bench.following {
            let listings = bench.frontend.state.withLock { $0.listings }
            bench.frontend.upload("/data/a/missed.h5", isQuiet: true)
            bench.frontend.upload("/data/b/unseen.h5", isQuiet: true)
            bench.frontend.overflow("/data/a")
            try await eventually("it is repaired") { bench.paths("source.repaired") == ["/data/a"] }
            #expect(bench.paths("file.written") == ["/data/a/missed.h5"] && bench.paths("source.gap") == ["/data/a"])
            #expect(bench.frontend.state.withLock { $0.listings } == listings + 1)
        }
    }

    @Test("a search that is broken off is made again after a restart")
    func searchBrokenOff() async throws {
        let bench = try await EventsBench()
        for number in 0..<5 { bench.frontend.makeFolder("/data/d\(number)") }
        try await bench.following {
            for number in 0..<5 { bench.frontend.upload("/data/d\(number)/missed", isQuiet: true) }
            bench.frontend.loseBacklog()
            // Its own first sign of life is no longer in the backlog, so the stream cannot be resumed.
            bench.frontend.state.withLock { $0.failures = 0 }
            bench.frontend.cut()
            try await eventually("the gap is known") {
                bench.store.value(of: "gap") != nil || !bench.paths("source.repaired").isEmpty
            }
        }
        try await bench.following(waiting: false) {
            try await eventually("it is repaired") { !bench.paths("source.repaired").isEmpty }
            #expect(Set(bench.paths("file.written")) == Set((0..<5).map { "/data/d\($0)/missed" }))
            #expect(bench.paths("file.written").count == 5)
        }
    }

    @Test("renames are one event, whichever half comes first; watches go along", arguments: [true, false])
    func renames(_ isReversed: Bool) async throws {
        let bench = try await EventsBench()
        bench.frontend.makeFolder("/data/a")
        bench.frontend.makeFolder("/data/a/deep")
        bench.frontend.makeFolder("/data/b")
        try await bench.following {
            bench.frontend.upload("/data/a/x")
            try await eventually("told") { bench.paths("file.written").count == 1 }
            bench.frontend.rename("/data/a/x", to: "/data/b/y", isReversed: isReversed)
            try await eventually("moved") { bench.paths("file.moved") == ["/data/b/y"] }
            bench.frontend.rename("/data/a", to: "/data/b/a", isReversed: isReversed)
            try await eventually("moved") { bench.paths("directory.moved") == ["/data/b/a"] }
            bench.frontend.upload("/data/b/a/deep/z")
            try await eventually("the new path is known") { bench.paths("file.written").contains("/data/b/a/deep/z") }
            try await bench.settle("/data/b/a")
        }
        // And so after a restart.
        try await bench.following { try await bench.settle("/data/b/a/deep") }
        #expect(bench.paths("source.gap").isEmpty && bench.deadLetters.count == 0)
    }

    @Test("what leaves and what comes in is told as such; watches follow")
    func comingAndGoing() async throws {
        let bench = try await EventsBench()
        bench.frontend.makeFolder("/else")
        bench.frontend.makeFolder("/else/in")
        bench.frontend.upload("/else/in/old.h5")
        bench.frontend.upload("/else/f")
        bench.frontend.makeFolder("/data/out")
        try await bench.following {
            bench.frontend.rename("/else/f", to: "/data/f")
            bench.frontend.rename("/else/in", to: "/data/in")
            bench.frontend.rename("/data/out", to: "/else/out")
            try await eventually("the file came") { bench.paths("file.appeared").contains("/data/f") }
            try await eventually("the folder came, with what is in it") {
                bench.paths("directory.appeared") == ["/data/in"]
                    && bench.paths("file.appeared").contains("/data/in/old.h5")
            }
            try await eventually("the folder went") { bench.paths("directory.disappeared") == ["/data/out"] }
            try await bench.settle("/data/in")
            try await eventually("watches are right") { bench.frontend.watched.count == 2 }
            bench.frontend.upload("/else/out/no")
            try await bench.settle()
            #expect(bench.deadLetters.count == 0)
        }
    }

    @Test("an upload that is put in place by a rename is a written file")
    func hiddenNames() async throws {
        let bench = try await EventsBench()
        try await bench.following({ $0.filter = NameFilter(exclude: [Glob("*.part"), Glob("tmp")]) }) {
            bench.frontend.upload("/data/a.part")
            bench.frontend.rename("/data/a.part", to: "/data/a")
            bench.frontend.makeFolder("/data/tmp")
            bench.frontend.upload("/data/tmp/no")
            try await eventually("told") { bench.paths("file.written") == ["/data/a"] }
            try await bench.settle()
            #expect(bench.paths("file.moved").isEmpty && bench.paths("directory.created").isEmpty)
            #expect(bench.frontend.watched == ["/data"])
        }
    }

    @Test("a failed upload is not called written")
    func failedUpload() async throws {
        let bench = try await EventsBench()
        try await bench.following {
            let folder = try #require(bench.frontend.node("/data"))
            bench.frontend.tell(folder, ["IN_CREATE"], name: "failed")
            bench.frontend.tell(folder, ["IN_CLOSE_WRITE"], name: "failed")
            bench.frontend.tell(folder, ["IN_DELETE"], name: "failed")
            try await eventually("told") { bench.paths("file.write-failed") == ["/data/failed"] }
            try await bench.settle()
            #expect(!bench.paths("file.written").contains("/data/failed") && bench.paths("file.deleted").isEmpty)
        }
    }

    @Test("an upload that is renamed before it was looked at is a written file under its new name")
    func overtaken() async throws {
        let bench = try await EventsBench()
        try await bench.following {
            bench.frontend.state.withLock { $0.isDeaf = true }
            bench.frontend.upload("/data/a")
            bench.frontend.rename("/data/a", to: "/data/b")
            bench.frontend.state.withLock { $0.isDeaf = false }
            bench.frontend.cut()
            try await eventually("told") { bench.paths("file.written") == ["/data/b"] }
        }
    }

    @Test("deletions by the thousand, and of whole folders")
    func deletions() async throws {
        let bench = try await EventsBench()
        bench.frontend.makeFolder("/data/d")
        for number in 0..<300 { bench.frontend.upload("/data/d/\(number)") }
        try await bench.following {
            for number in 0..<300 { bench.frontend.delete("/data/d/\(number)") }
            bench.frontend.delete("/data/d")
            try await eventually("all told") { bench.paths("file.deleted").count == 300 }
            try await eventually("the folder too") { bench.paths("directory.deleted") == ["/data/d"] }
            #expect(bench.frontend.watched == ["/data"])
        }
    }

    @Test("another client that takes the channel is not fought")
    func competition() async throws {
        let bench = try await EventsBench()
        try await bench.following {
            bench.frontend.compete()
            try await eventually("it says so") {
                if case .failing(let why, _) = bench.status.state { why.contains("another client") } else { false }
            }
            try await eventually("it comes back") { bench.frontend.isFollowed }
            try await bench.settle()
        }
    }

    @Test("what is wrong is said: a wrong token, a folder that is not there, too many channels")
    func refusals() async throws {
        let bench = try await EventsBench()
        func why() -> String {
            if case .failing(let why, _) = bench.status.state { why } else { "" }
        }
        try await bench.following({ $0.credential = .none }, waiting: false) {
            try await eventually("it says so") { why().contains("401") }
        }
        try await bench.following({ $0.credential = .bearer(.init("gone")) }, waiting: false) {
            try await eventually("it says so") { why().contains("there is no secret \"gone\"") }
        }
        try await bench.following({ $0.paths = ["/nowhere"] }, waiting: false) {
            try await eventually("it says so") { why().contains("/nowhere is not there") }
            #expect(bench.frontend.state.withLock { $0.channels.count } <= 1)
        }
        bench.frontend.state.withLock {
            $0.limit = 0; $0.channels = [:]
        }
        try await bench.following(waiting: false) {
            try await eventually("it says so") { why().contains("as many channels as dCache allows") }
            bench.frontend.state.withLock { $0.limit = 1 }
            try await eventually("and goes on") { bench.isSettled }
        }
    }

    @Test("a watched folder that goes away is waited for")
    func rootGone() async throws {
        let bench = try await EventsBench()
        try await bench.following {
            bench.frontend.upload("/data/last")
            try await eventually("told") { bench.paths("file.written") == ["/data/last"] }
            bench.frontend.delete("/data/last")
            bench.frontend.delete("/data")
            try await eventually("it says so") {
                if case .failing(let why, _) = bench.status.state { why.contains("/data") } else { false }
            }
            #expect(bench.paths("file.deleted") == ["/data/last"])
            bench.frontend.makeFolder("/data")
            try await eventually("it is there again") { bench.isSettled && bench.frontend.watched == ["/data"] }
            try await bench.settle()
        }
    }

    @Test("a folder that may not be watched is noted, the others go on")
    func forbiddenFolder() async throws {
        let bench = try await EventsBench()
        bench.frontend.makeFolder("/data/secret")
        bench.frontend.makeFolder("/data/open")
        bench.frontend.state.withLock { $0.forbidden = ["/data/secret"] }
        try await bench.following {
            try await bench.settle("/data/open")
            #expect(bench.status.notes.contains { $0.contains("/data/secret") && $0.contains("Not allowed") })
        }
    }

    @Test("answers that fail for a while are asked for again")
    func failures() async throws {
        let bench = try await EventsBench()
        try await bench.following {
            bench.frontend.state.withLock { $0.failures = 4 }
            bench.frontend.upload("/data/a")
            try await eventually("told") { bench.paths("file.written") == ["/data/a"] }
        }
    }

    @Test("a state that could not be kept repeats events with the same ids")
    func refusedState() async throws {
        let bench = try await EventsBench()
        try await bench.following {
            bench.store.refuseNext(2, keysWith: "at/data/a")
            bench.frontend.upload("/data/a")
            try await eventually("told") { bench.paths("file.written") == ["/data/a"] }
            try await bench.settle()
            #expect(bench.paths("file.written").count == 2)
        }
    }

    @Test("more of dCache's events on request")
    func more() async throws {
        let bench = try await EventsBench()
        try await bench.following({ $0.publish = ["IN_OPEN"] }) {
            bench.frontend.upload("/data/a")
            try await eventually("told") { bench.paths("file.written") == ["/data/a"] }
            try await bench.settle()
            let own = bench.channel.events.filter { $0.type.hasPrefix("org.dcache.") }
            #expect(Set(own.map(\.type)) == ["org.dcache.inotify.in_open"])
        }
    }
}
