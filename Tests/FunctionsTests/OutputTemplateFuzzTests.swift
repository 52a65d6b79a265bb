import CloudEvents
import Foundation
import Testing
import TestSupport

@testable import Functions

/// Templates and their values with any text. `WEIR_FUZZ_ITERATIONS` says how many, `WEIR_SEED` which.
@Suite struct OutputTemplateFuzzTests {
    private let iterations =
        ProcessInfo.processInfo.environment["WEIR_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? 20_000

    private func render(
        _ template: String, _ attributes: [String: String] = [:], input: String? = nil, output: String = "out.txt"
    ) throws -> String {
        let values = OutputTemplate.Values(
            time: EventTime("2026-05-20T23:30:00+02:00") ?? EventTime(nanoseconds: 0), input: input,
            activation: "0190", function: "imaging/thumb", namespace: "default", attribute: { attributes[$0] })
        return try OutputTemplate(template).render(values, output: output)
    }

    @Test func noValueLeadsOutOfTheMount() throws {
        var generator = SeededGenerator()
        print("seed \(generator.seed)")
        var mutator = Mutator(seed: generator.next())
        let corpus = [
            "/exfel/raw/r1/a.h5", "../../etc/passwd", "/a//b/./c", "a", "\u{202E}x/..", ".", "a/..", "%2e%2e/",
        ]
        .map { Array($0.utf8) }
        let templates = [
            "{subject.path}", "{subject.directory}/{subject.stem}.json", "a{event.id}/b", "{event.id}/{event.id}",
            "{event.id}{subject.name}", "{output.path}", "x/{output.directory}{output.name}", ".{event.id}",
        ]
        for round in 0..<iterations {
            let one = String(decoding: mutator.mutate(corpus[round % corpus.count], corpus: corpus), as: UTF8.self)
            let two = String(
                decoding: mutator.mutate(corpus[(round + 3) % corpus.count], corpus: corpus), as: UTF8.self)
            let template = templates[round % templates.count]
            guard let path = try? render(template, ["subject": one, "id": two], output: one) else { continue }
            let parts = path.utf8.split(separator: 0x2F, omittingEmptySubsequences: false)
            #expect(
                !parts.contains { $0.isEmpty || $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) }, "\(path)")
            #expect(!path.utf8.contains { $0 < 0x20 || $0 == 0x7F } && path.utf8.count < 4096)
        }
    }

    @Test func templatesOfAnyShapeAreReadOrRefused() {
        var generator = SeededGenerator()
        print("seed \(generator.seed)")
        var mutator = Mutator(seed: generator.next())
        let corpus = [
            "results/{subject.directory}/{subject.stem}.json", "{time.year}/{event.id}", "a/", "{output.path}",
        ]
        .map { Array($0.utf8) }
        for round in 0..<iterations {
            let text = String(decoding: mutator.mutate(corpus[round % corpus.count], corpus: corpus), as: UTF8.self)
            guard let path = try? render(text, ["subject": "/a/b.c", "id": "1"], input: "i/j") else { continue }
            #expect(StagingPath.normalised(path) == path)
        }
    }
}
