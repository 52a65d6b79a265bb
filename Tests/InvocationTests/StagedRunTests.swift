import CloudEvents
import Foundation
import Glibc
import Functions
import Staging
import Testing
import TestSupport

@testable import Invocation

/// Functions that are given files and leave some.
@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
struct StagedRunTests {
    private static let mounts: @Sendable (TemporaryDirectory) -> [StorageMount] = { directory in
        for name in ["raw", "results"] {
            try? FileManager.default.createDirectory(atPath: directory.file(name), withIntermediateDirectories: true)
        }
        return [
            StorageMount(name: "raw", path: directory.file("raw"), subject: "/data"),
            StorageMount(name: "results", path: directory.file("results"), isWritable: true),
        ]
    }

    private func staging(_ to: String?, input: FunctionStaging.Input = .file) throws -> FunctionStaging {
        FunctionStaging(
            input: input, output: try to.map { OutputRequest(mount: "results", template: try OutputTemplate($0)) })
    }

    @Test func everyCallOfABatchHasItsOwnFiles() async throws {
        try await withInvoker(mounts: Self.mounts) { fixture in
            let function = try fixture.python(
                "copy",
                """
                import os
                def handle(event, context):
                    left = os.listdir(context.output)
                    with open(context.input) as file: text = file.read()
                    with open(os.path.join(context.output, "copy"), "w") as file: file.write(text)
                    if text == "b": raise ValueError("not b")
                    return [text, left]
                """, staging: try staging("{subject.name}.copy"))
            for name in ["a", "b", "d"] { try write(name, to: fixture.directory.file("raw/" + name)) }
            let runs = await fixture.call(function, events: ["a", "b", "c", "d"].map { sized($0, 1) })
            #expect(runs.map(\.status) == [.success, .applicationError, .stagingError, .success])
            #expect(runs[0].json == ["a", []] && runs[3].json == ["d", []], "nothing of one call is seen by the next")
            #expect(runs[2].errorText.hasSuffix("is not there (any more)"))
            #expect(runs.map { $0.outputs.map(\.path) } == [["a.copy"], [], [], ["d.copy"]])
            #expect(runs[0].inputs.first?.path == "a" && runs[0].inputs.first?.mount == "raw")
            #expect(Set(runs.map(\.id)).count == 4)
            let results = try FileManager.default.contentsOfDirectory(atPath: fixture.directory.file("results"))
                .sorted()
            #expect(results == ["a.copy", "a.copy.weir.json", "d.copy", "d.copy.weir.json"])
        }
    }

    @Test func aHandlerOfBatchesGetsAllFilesOfOne() async throws {
        try await withInvoker(mounts: Self.mounts) { fixture in
            let function = try fixture.python(
                "join",
                """
                import os
                def handle_batch(events, context):
                    with open(os.path.join(context.output, "joined"), "w") as out:
                        for path in context.inputs: out.write(open(path).read())
                    return len(events)
                """, staging: try staging("{activation}"))
            let names = ["a", "b", "c", "d"]
            for name in names { try write(name, to: fixture.directory.file("raw/" + name)) }
            // How the handler takes its events is known when it has run once.
            let first = await fixture.call(function, events: [sized("a", 1)])
            let runs = await fixture.call(function, events: names.map { sized($0, 1) })
            #expect(
                first[0].json == 1 && runs.allSatisfy { $0.json == 4 && $0.id == runs[0].id },
                "\(runs.map(\.errorText))")
            #expect(runs[0].outputs.first?.size == 4 && runs[0].inputs.count == 4)
            let joined = try String(contentsOfFile: fixture.directory.file("results/\(runs[0].id)"), encoding: .utf8)
            #expect(joined == "abcd")
        }
    }

    @Test func aFileThatChangesDuringTheRunMakesItFail() async throws {
        // In a sandbox the function could not do that itself.
        try await withInvoker(isolation: 0, mounts: Self.mounts) { fixture in
            let path = fixture.directory.file("raw/a")
            let function = try fixture.python(
                "touch",
                """
                import os
                def handle(event, context):
                    with open(os.path.join(context.output, "x"), "w") as file: file.write("x")
                    with open(\(path.debugDescription), "a") as file: file.write("more")
                    context.publish(type="x")
                    return 1
                """, staging: try staging("x"))
            try write("a", to: path)
            let run = await fixture.call(function, events: [sized("a", 1)])[0]
            #expect(run.status == .stagingError && run.errorText.hasSuffix("was changed while the function read it"))
            #expect(run.published.isEmpty && run.outputs.isEmpty)
            #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.directory.file("results")).isEmpty)
        }
    }

    @Test func aRunWithoutAnEventHasNoInputAndMayHaveOutputs() async throws {
        try await withInvoker(mounts: Self.mounts) { fixture in
            let function = try fixture.python(
                "make",
                """
                import os
                def handle(event, context):
                    with open(os.path.join(context.output, "a.txt"), "w") as file: file.write("made")
                    return [context.input, context.inputs]
                """, staging: try staging("made/"))
            let run = await fixture.call(function)
            #expect(run.status == .success && run.json == [nil, [nil]], "\(run.errorText)")
            #expect(run.outputs.first?.path == "made/a.txt")
            #expect((await fixture.call(function)).errorText.contains("made/a.txt is there already"))
        }
    }

    @Test func aWorkerSeesItsFileAndNothingBesideIt() async throws {
        try await withInvoker(mounts: Self.mounts, configure: { $0.visible = { _ in [] } }) { fixture in
            guard fixture.invoker.isolationLevel >= 2 else {
                print("skipped: this needs isolation level 2, here is \(fixture.invoker.isolationLevel)")
                return
            }
            let function = try fixture.python(
                "look",
                """
                import os
                def handle(event, context):
                    def attempt(what):
                        try: return str(what())
                        except OSError as error: return error.strerror
                    big = os.path.join(context.output, "big")
                    def fill():
                        with open(big, "wb") as file:
                            for _ in range(40): file.write(bytes(1 << 20))
                    seen = {"text": open(context.input).read(), "beside": os.listdir(os.path.dirname(context.input)),
                            "write": attempt(lambda: open(context.input, "a")), "fill": attempt(fill),
                            "host": attempt(lambda: os.listdir(\(fixture.directory.path.debugDescription)))}
                    os.unlink(big)
                    return seen
                """,
                staging: FunctionStaging(
                    input: .file,
                    output: OutputRequest(mount: "results", template: try OutputTemplate("x/"), limit: 1 << 20)))
            for name in ["a", "b"] { try write(name, to: fixture.directory.file("raw/" + name)) }
            // Nobody but its owner, who is nobody here, may read this one.
            chmod(fixture.directory.file("raw/b"), 0o400)
            if geteuid() == 0 { chown(fixture.directory.file("raw/b"), 4_242, 4_242) }
            for name in ["a", "b"] {
                let run = await fixture.call(function, events: [sized(name, 1)])[0]
                #expect(run.status == .success, "\(run.errorText) \(run.logText)")
                #expect(run.json["text"]?.string == name && run.json["beside"] == [.string(name)], "\(run.json.text)")
                // Whose permissions already say no is not told that the mount would, too.
                let refusals: [JSONValue?] = ["Read-only file system", "Permission denied"]
                #expect(refusals.contains(run.json["write"]), "\(run.json.text)")
                #expect(run.json["fill"] == "No space left on device")
                #expect(run.json["host"] == "No such file or directory")
                #expect(run.outputs.isEmpty)
            }
        }
    }

    @Test func programsReadTheirPathsFromTheLine() async throws {
        try await withInvoker(mounts: Self.mounts) { fixture in
            let function = try fixture.program(
                "up",
                """
                #!/bin/sh
                read -r line
                input=$(printf %s "$line" | sed 's/.*"input":"\\([^"]*\\)".*/\\1/')
                output=$(printf %s "$line" | sed 's/.*"output":"\\([^"]*\\)".*/\\1/')
                tr a-z A-Z <"$input" >"$output/up"
                echo 1
                """, staging: try staging("{subject.name}"))
            try write("abc", to: fixture.directory.file("raw/a"))
            let run = await fixture.call(function, events: [sized("a", 3)])[0]
            #expect(run.status == .success && run.outputs.first?.size == 3, "\(run.errorText)")
            #expect(try String(contentsOfFile: fixture.directory.file("results/a"), encoding: .utf8) == "ABC")
        }
    }

    @Test func whoDidNotAskForFilesIsToldToDoSo() async throws {
        try await withInvoker(mounts: Self.mounts) { fixture in
            let function = try fixture.python("read", "def handle(event, context): return open(context.input).read()")
            let run = await fixture.call(function, events: [event("a")])[0]
            #expect(run.errorText == "LookupError: this function is not given files: declare \"input: file\" for it")
        }
    }

    @Test func theRecordOfARunKeepsItsFiles() async throws {
        var activation = Activation(
            id: "0190", function: .init(namespace: "n", name: "f"), cause: .init(), status: .stagingError,
            result: Array("1".utf8),
            start: 1_000, end: 2_000)
        activation.inputs = [
            InputRecord(mount: "raw", path: "a", size: 1 << 40, modified: 1_790_000_000_123_456_789, fileID: .max)
        ]
        activation.outputs = [OutputRecord(mount: "r", path: "b", size: 3, sha256: "ab", isEarlier: true)]
        var encoder = ActivationEncoder()
        let record = encoder.encode(activation)
        let read = record.withView { ActivationDecoder.activation($0) }
        #expect(
            read?.inputs == activation.inputs && read?.outputs == activation.outputs && read?.status == .stagingError)
    }

    /// An event of the storage whose files are on the mount `raw`.
    private func sized(_ name: String, _ size: Int) -> CloudEvent {
        CloudEvent(
            id: name, source: "dcache://a@b", type: "dev.weir.file.written", subject: "/data/" + name,
            extensions: [.init(name: "filesize", value: .string(String(size)))])
    }
}
