import CloudEvents
import Functions
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
struct LogTests {
    @Test func linesBelongToTheirCalls() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "talk",
                """
                import os, sys
                def handle(event, context):
                    n = int(event.id)
                    if n % 3 == 0: return
                    print("out", n)
                    if n % 3 == 1: sys.stderr.write("half a line " + event.id)
                    sys.stdout.buffer.write(b"bytes \\xff\\n")
                    context.log("said", n)
                """)
            let activations = await fixture.call(function, events: (0..<100).map { event("\($0)") })
            for (n, activation) in activations.enumerated() {
                let out = activation.logs.filter { $0.stream == .stdout }.map(\.text)
                let error = activation.logs.filter { $0.stream == .stderr }.map(\.text)
                #expect(out == (n % 3 == 0 ? [] : ["out \(n)", "bytes \u{FFFD}"]))
                #expect(error == (n % 3 == 0 ? [] : n % 3 == 1 ? ["half a line \(n)said \(n)"] : ["said \(n)"]))
            }
        }
    }

    @Test func outputBeyondTheLimitIsCutAndSaysSo() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "loud",
                """
                import os
                def main(args):
                    block = b"y" * 99 + b"\\n"
                    for _ in range(args["blocks"]): os.write(1, block * 1000)
                    os.write(2, b"z" * 300000)
                """
            ) { $0.logs = 10_000 }
            let activation = await fixture.call(function, ["blocks": 300])
            #expect(activation.status == .success)
            #expect(activation.logsTruncated)
            #expect(activation.logs.reduce(0) { $0 + $1.text.utf8.count } <= 10_000)
            let quiet = await fixture.call(function, ["blocks": 0])
            #expect(quiet.logsTruncated)
        }
    }

    @Test func followersSeeLinesWhileTheCallRuns() async throws {
        try await withInvoker { fixture in
            let flag = fixture.directory.file("go")
            let function = try fixture.python(
                "slow",
                """
                import os, time
                def main(args):
                    print("started")
                    while not os.path.exists("\(flag)"): time.sleep(0.01)
                """)
            async let running = fixture.call(function)
            await eventually("the line is seen") { fixture.notices.all.map(\.line.text) == ["started"] }
            try write("", to: flag)
            let activation = await running
            #expect(activation.logText == ["started"])
            #expect(fixture.notices.all.map(\.activationID) == [activation.id])
        }
    }
}

struct LogCollectorTests {
    private func add(_ collector: inout LogCollector, _ text: String, toError: Bool = false) {
        Array(text.utf8).withUnsafeBytes { collector.add($0, toError: toError, time: 0, observe: nil) }
    }

    /// The pipes are read one after the other while the worker writes: one may be a call ahead.
    @Test func aPipeThatWasReadLessFarTakesNoLinesOfTheOther() {
        var collector = LogCollector(token: "T", limit: 1_000)
        collector.begin(frame: 1)
        add(&collector, "\0T 1 3\nfirst of 3\n")
        add(&collector, "\0T 1 2\nerror of 2\n", toError: true)
        add(&collector, "second of 3\n")
        add(&collector, "\0T 1 4\nerror of 4\n", toError: true)
        add(&collector, "third of 3\n")
        #expect(texts(&collector, 3) == ["first of 3", "second of 3", "third of 3"])
        #expect(texts(&collector, 2) == ["error of 2"] && texts(&collector, 4) == ["error of 4"])
    }

    private func texts(_ collector: inout LogCollector, _ call: Int) -> [String]? {
        collector.take(call: call)?.lines.map(\.text)
    }

    @Test func piecesOfALineBecomeOneLineWhereverTheyWereCut() {
        let whole = "first\n\0T 1 2\nsecond\n\0T 1 5\nthird\nrest"
        for cut in 0...whole.utf8.count {
            var collector = LogCollector(token: "T", limit: 1_000)
            collector.begin(frame: 1)
            add(&collector, String(decoding: whole.utf8.prefix(cut), as: UTF8.self))
            add(&collector, String(decoding: whole.utf8.dropFirst(cut), as: UTF8.self))
            collector.endLines(time: 0, observe: nil)
            #expect(texts(&collector, 0) == ["first"])
            #expect(texts(&collector, 2) == ["second"])
            #expect(texts(&collector, 5) == ["third", "rest"])
            #expect(collector.isEmpty)
        }
    }

    @Test func aMarkerOfAnotherFrameOrTokenChangesNothing() {
        var collector = LogCollector(token: "T", limit: 1_000)
        collector.begin(frame: 2)
        add(&collector, "\0T 1 7\na\n\0U 2 3\nb\n\0T 2 x\nc\n")
        #expect(texts(&collector, 0) == ["a", "\0U 2 3", "b", "c"])
    }

    @Test func memoryIsBoundedWhateverIsWritten() {
        var collector = LogCollector(token: "T", limit: 1_000)
        collector.begin(frame: 1)
        let block = String(repeating: "x", count: 10_000)
        for _ in 0..<100 { add(&collector, block) }
        add(&collector, "\n")
        for _ in 0..<10_000 { add(&collector, "\n") }
        let lines = collector.take(call: 0)
        #expect(lines?.isTruncated == true)
        #expect(lines?.lines.count ?? 0 <= 1_000)
        #expect(lines?.lines.reduce(0) { $0 + $1.text.utf8.count } == 1_000)
    }
}
