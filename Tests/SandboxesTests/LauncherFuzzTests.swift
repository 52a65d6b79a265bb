import CSandbox
import Glibc
import TestSupport
import Testing

@testable import Sandboxes

/// The launcher believes nothing that it is sent. (An empty message is the end: a server that is gone
/// reads the same.)
struct LauncherFuzzTests {
    @Test func rubbishIsRefusedAndChangesNothing() throws {
        let path = try #require(LauncherLocation.beside())
        var pid: pid_t = 0
        var control: Int32 = -1
        try #require(weir_launcher_spawn(path, &pid, &control) == 0)
        let seed = UInt64.random(in: 0 ... .max)
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        var plan = StartPlan()
        plan.entries = RootFileSystem.system()
        plan.set(weir_start_dry)
        let specification = WorkerSpecification(
            arguments: ["/bin/sh", "-c", "true"], environment: ["A=B"], directory: "/", limits: [], framing: .lines,
            maximumMessage: 1)
        let whole = try StartRequest.encode(slot: 1, specification, plan)
        let attach = try StartRequest.attach(weir_request_attach, slot: 1, token: 1, strings: ["/usr", "/code"])
        let setup = try StartRequest.setup(nil, token: 1)
        for round in 0..<3_000 {
            var bytes = [whole, attach, setup][Int.random(in: 0..<3, using: &random)]
            switch round % 3 {
            case 0: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
            case 1:
                for _ in 0..<Int.random(in: 1...8, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            default:
                let limit = min(bytes.count, 80)
                for index in 0..<limit where Int.random(in: 0..<4, using: &random) == 0 {
                    bytes[index] = [0, 1, 127, 128, 255][Int.random(in: 0..<5, using: &random)]
                }
            }
            // A start that is still well-formed must stay without effect.
            if bytes.count >= 8, bytes[0] == 2 {
                bytes.withUnsafeMutableBytes { $0[5] = $0[5] | UInt8(weir_start_dry >> 8) }
            }
            var result: Int32 = -EAGAIN
            while result == -EAGAIN {
                result = bytes.withUnsafeBytes { weir_launcher_send(control, $0.baseAddress, $0.count, -1) }
                drain(control)
            }
            try #require(result == 0, "the launcher ended in round \(round), seed \(seed)")
        }
        // It still does its work: everything before is answered, and a fresh start is refused or done.
        let fresh = try StartRequest.encode(slot: 987_654, specification, plan)
        _ = fresh.withUnsafeBytes { weir_launcher_send(control, $0.baseAddress, $0.count, -1) }
        var hasAnswered = false
        while !hasAnswered {
            var reply = weir_reply()
            var descriptors: [Int32] = [-1, -1, -1]
            let result = weir_launcher_receive(control, &reply, &descriptors)
            for one in descriptors where one >= 0 { close(one) }
            if result == 1 {
                hasAnswered = reply.slot == 987_654
            } else {
                try #require(result == -EAGAIN, "the launcher ended, seed \(seed)")
                var poll = pollfd(fd: control, events: Int16(POLLIN), revents: 0)
                _ = Glibc.poll(&poll, 1, 1_000)
            }
        }
        close(control)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        #expect(status == 0)
    }

    private func drain(_ control: Int32) {
        while true {
            var reply = weir_reply()
            var descriptors: [Int32] = [-1, -1, -1]
            guard weir_launcher_receive(control, &reply, &descriptors) == 1 else { return }
            for one in descriptors where one >= 0 { close(one) }
        }
    }
}
