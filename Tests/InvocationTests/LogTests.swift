import CloudEvents
import Functions
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

@Suite(.enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
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
