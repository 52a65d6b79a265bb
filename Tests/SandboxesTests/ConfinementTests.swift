import Glibc
import Testing

@testable import Sandboxes

/// What a worker cannot see or do, at whatever level this host gives.
struct ConfinementTests {
    @Test func theReportSaysWhatWasTried() async throws {
        try await SandboxFixture.with { fixture in
            print("isolation level \(fixture.report.level): \(fixture.report.features)")
            #expect(!fixture.report.features.isEmpty)
        }
    }

    @Test func aShellRunsInARootOfItsOwn() async throws {
        try await SandboxFixture.with { fixture in
            let (lines, errors, end) = try await fixture.run(
                "ls /; id; cat /proc/self/status | grep -E '^(Cap|NoNew|Seccomp:)'; ls /proc; hostname; mount; ls /root; echo x > /tmp/x && cat /tmp/x"
            )
            print(lines.joined(separator: "\n"), errors, end)
        }
    }
}
