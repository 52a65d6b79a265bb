import Channels
import CloudEvents
import EventSources
import Foundation
import TestSupport
import Testing

@Suite struct BillingSourceTests {
    private let day1 = "2026/05/billing-2026.05.20"
    private let day2 = "2026/05/billing-2026.05.21"
    private let day3 = "2026/06/billing-2026.06.01"

    @Test func thePastIsReadInTheOrderOfTheDaysAndOtherFilesAreNot() async throws {
        let bench = try BillingBench()
        try bench.append(day3, numbered("c", 0..<3).asLines)
        try bench.append(day1, numbered("a", 0..<3).asLines)
        try bench.append(day2, numbered("b", 0..<3).asLines)
        try bench.append("billing-2026.05.19", numbered("flat", 0..<1).asLines)
        try bench.append("2026/05/billing-error-2026.05.20", "error\n")
        try bench.append("2026/05/index-2026.05.20", "index\n")
        try await bench.following { _ in try await bench.has(10) }
        #expect(bench.ids == ["flat-0"] + numbered("a", 0..<3) + numbered("b", 0..<3) + numbered("c", 0..<3))
    }

    @Test func latestSkipsThePastAndLineNumbersGoOn() async throws {
        let bench = try BillingBench()
        try bench.append(day1, numbered("a", 0..<5).asLines + "torn")
        try await bench.following(start: .latest) { _ in
            try bench.append(day1, "-end\n" + numbered("a", 5..<7).asLines)
            try await bench.has(3)
        }
        #expect(bench.ids == ["torn-end", "a-5", "a-6"])
        #expect(bench.channel.events.map(\.subject) == ["6", "7", "8"])
    }

    @Test func aFileThatGrowsByteByByteGivesWholeLinesOnly() async throws {
        let bench = try BillingBench()
        try await bench.following { _ in
            for byte in numbered("a", 0..<20).asLines { try bench.append(day1, String(byte)) }
            try await bench.has(20)
            try bench.append(day1, "torn")
            try bench.append(day2, "next\n")
            try await bench.has(21)
            #expect(!bench.ids.contains("torn"))
            try bench.append(day1, "-late\n")
            try await bench.has(22)
        }
        #expect(bench.ids == numbered("a", 0..<20) + ["next", "torn-late"])
    }

    @Test func aRestartAtEveryByteLosesAndRepeatsNothing() async throws {
        let lines = numbered("line", 0..<12)
        let text = lines.asLines
        for cut in 0...text.utf8.count {
            let bench = try BillingBench()
            try bench.append(day1, String(text.prefix(cut)))
            let whole = text.prefix(cut).count { $0 == "\n" }
            // Every other time the process dies between the append and the writing of the position.
            if cut % 2 == 1, whole > 0 {
                bench.store.refuseNext(1, keysWith: "/file/")
                await #expect(throws: (any Error).self) { try await bench.source().run() }
                #expect(bench.ids.count == whole)
            } else {
                try await bench.following { _ in try await bench.has(whole) }
            }
            try bench.append(day1, String(text.dropFirst(cut)))
            try await bench.following { _ in try await bench.has(lines.count) }
            #expect(bench.ids == lines, "cut at byte \(cut)")
            #expect(bench.channel.events.map(\.subject) == (1...12).map { String($0) }, "cut at byte \(cut)")
        }
    }

    @Test func aPositionThatCannotBeWrittenStopsTheSourceAndTheLinesComeOnce() async throws {
        let bench = try BillingBench()
        try bench.append(day1, numbered("a", 0..<3).asLines)
        try await bench.following { _ in try await bench.has(3) }
        bench.store.refuseNext(1, keysWith: "/file/")
        try bench.append(day1, numbered("a", 3..<6).asLines)
        await #expect(throws: (any Error).self) { try await bench.source().run() }
        try await bench.following { _ in try await bench.has(6) }
        #expect(bench.ids == numbered("a", 0..<6))
    }

    @Test func aRenameWithANewFileInItsPlaceLosesNothing() async throws {
        let bench = try BillingBench()
        try await bench.following { _ in
            try bench.append(day1, numbered("a", 0..<5).asLines)
            try await bench.has(5)
            try bench.append(day1, numbered("a", 5..<8).asLines + "last without end")
            try bench.rename(day1, to: day1 + ".1")
            try bench.append(day1, numbered("b", 0..<5).asLines)
            try await bench.has(14)
        }
        #expect(bench.ids == numbered("a", 0..<8) + ["last without end"] + numbered("b", 0..<5))
        #expect(bench.gaps == 0)
    }

    @Test func aRenameWhileNobodyWatchedIsFoundByItsInode() async throws {
        let bench = try BillingBench()
        try bench.append(day1, numbered("a", 0..<5).asLines)
        try await bench.following { _ in try await bench.has(5) }
        try bench.append(day1, numbered("a", 5..<9).asLines)
        try bench.rename(day1, to: day1 + ".old")
        try bench.append(day1, numbered("b", 0..<2).asLines)
        try await bench.following { _ in try await bench.has(11) }
        #expect(bench.ids == numbered("a", 0..<9) + numbered("b", 0..<2))
    }

    @Test func packingAndUnlinkingLosesAndRepeatsNothing() async throws {
        let bench = try BillingBench()
        try #require(FileManager.default.isExecutableFile(atPath: "/usr/bin/bzip2"), "bzip2 is not installed")
        try bench.append(day1, numbered("past", 0..<4).asLines)
        #expect(try await run("/usr/bin/bzip2", [bench.root + "/" + day1]) == 0)
        try await bench.following { _ in
            try await bench.has(4)
            try bench.append(day2, numbered("b", 0..<5).asLines)
            try await bench.has(9)
            try bench.append(day2, numbered("b", 5..<8).asLines)
            #expect(try await run("/usr/bin/bzip2", [bench.root + "/" + day2]) == 0)
            try await bench.has(12)
            try bench.append(day3, numbered("c", 0..<5).asLines)
            try await bench.has(17)
        }
        // And while nobody watched: the rest is in the packed file only.
        try bench.append(day3, numbered("c", 5..<9).asLines)
        #expect(try await run("/usr/bin/bzip2", [bench.root + "/" + day3]) == 0)
        try await bench.following { _ in try await bench.has(21) }
        let after = bench.ids.count
        try await bench.following { report in
            try bench.append("2026/06/billing-2026.06.02", "end\n")
            try await bench.has(22)
            #expect(report.snapshot.counts.duplicates == 0, "what was read is not unpacked again")
        }
        #expect(after == 21)
        #expect(
            bench.ids == numbered("past", 0..<4) + numbered("b", 0..<8) + numbered("c", 0..<9) + ["end"])
        #expect(bench.gaps == 0)
    }

    @Test func aMissingUnpackerIsNotedAndNothingElseStops() async throws {
        let bench = try BillingBench()
        try bench.append(day1 + ".bz2", "whatever")
        try bench.append(day2, "b\n")
        try await bench.following({ $0.unpacker = "no-such-program" }) { report in
            try await bench.has(1)
            #expect(report.snapshot.notes.contains { $0.contains("no-such-program") })
        }
    }

    @Test func truncationIsToldAndWhatComesAfterIsRead() async throws {
        let bench = try BillingBench()
        try await bench.following { _ in
            try bench.append(day1, numbered("a", 0..<5).asLines)
            try await bench.has(5)
            try bench.truncate(day1)
            try await eventually("the gap is told") { bench.gaps == 1 }
            try bench.append(day1, numbered("b", 0..<3).asLines)
            try await bench.has(8)
        }
        // Truncated to a part and grown while nobody watched: the part is known, the rest is new.
        let keep = numbered("b", 0..<2).asLines.utf8.count
        try bench.truncate(day1, to: keep)
        try bench.append(day1, numbered("c", 0..<9).asLines)
        try await bench.following { _ in try await bench.has(17) }
        #expect(bench.ids == numbered("a", 0..<5) + numbered("b", 0..<3) + numbered("c", 0..<9))
        #expect(bench.gaps == 2)
    }

    @Test func aCopyInPlaceOfTheFileIsReadOnWhereItWas() async throws {
        let bench = try BillingBench()
        try bench.append(day1, numbered("a", 0..<5).asLines)
        try await bench.following { report in
            try await bench.has(5)
            try FileManager.default.copyItem(
                atPath: bench.root + "/" + day1, toPath: bench.root + "/" + day1 + ".copy")
            try bench.rename(day1 + ".copy", to: day1)
            try bench.append(day1, numbered("a", 5..<6).asLines)
            try await bench.has(6)
            #expect(report.snapshot.counts.duplicates == 0)
        }
        #expect(bench.ids == numbered("a", 0..<6))
        #expect(bench.gaps == 0)
    }

    @Test func whatCannotBeReadGoesToTheDeadLettersWithItsPlace() async throws {
        let bench = try BillingBench()
        try bench.append(day1, "good-1\nbad thing\ngood-2\n")
        try await bench.following { report in
            try await bench.has(2)
            #expect(report.snapshot.counts.unreadable == 1)
        }
        let event = try #require(bench.deadLetters.events.first)
        #expect(event.type == "dev.weir.source.unreadable")
        #expect(event.data == .bytes(Array("bad thing".utf8)))
        #expect(event["line"] == .string("2"))
        #expect(event["reason"] == .string("it is bad"))
        #expect(event.subject == bench.root + "/" + day1)
    }

    @Test func batchesAreBoundedAndLagIsToldInBytes() async throws {
        let bench = try BillingBench()
        try bench.append(day1, numbered("a", 0..<5_000).asLines)
        try await bench.following { report in
            try await bench.has(5_000)
            try await eventually("nothing is behind") { report.snapshot.lag.bytes == 0 }
            #expect(report.snapshot.counts.events == 5_000)
            try await eventually("the position is told") { report.snapshot.position?.hasPrefix(day1) == true }
        }
        #expect(bench.channel.largestAppend <= 1024)
    }

    @Test func aFullDiskIsWaitedOut() async throws {
        let bench = try BillingBench()
        bench.channel.fail(with: .init(.diskFull, "no space left"))
        try bench.append(day1, numbered("a", 0..<3).asLines)
        let report = SourceReport()
        let output = SourceOutput(
            channel: bench.channel, deadLetters: bench.deadLetters, report: report, fullDiskPause: .milliseconds(1))
        try await output.publish([EventRecord(CloudEvent(id: "x", source: "s", type: "t"))])
        #expect(bench.channel.count == 1)
    }

    @Test func aMissingDirectoryIsAFailureThatNamesIt() async throws {
        let bench = try BillingBench()
        try FileManager.default.removeItem(atPath: bench.root)
        await #expect {
            try await bench.source().run()
        } throws: { error in
            (error as? SourceError)?.code == .missing && "\(error)".contains(bench.root)
        }
    }
}
