import CloudEvents
import Foundation
import TestSupport
import Testing
import Yams

/// One case of the specification's own test kit.
struct ConformanceCase: Sendable, CustomStringConvertible {
    let file: String
    let name: String
    let expression: String
    let event: CloudEvent
    let result: CESQLValue?
    let error: CESQLError.Kind?

    var description: String { "\(file): \(name)" }
}

enum ConformanceKit {
    static let cases: [ConformanceCase] = {
        guard let directory = Fixtures.directory("cesql-tck") else { return [] }
        return Fixtures.files(under: directory) { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.flatMap(read)
    }()

    private static func read(_ path: String) -> [ConformanceCase] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8), let root = try? Yams.compose(yaml: text),
            let tests = root["tests"]?.sequence
        else {
            Issue.record("\(path) cannot be read")
            return []
        }
        let file = (path as NSString).lastPathComponent
        return tests.map { test in
            ConformanceCase(
                file: file, name: test["name"]?.string ?? "", expression: test["expression"]?.string ?? "",
                event: event(test), result: test["result"].flatMap(value),
                error: test["error"]?.string.flatMap { CESQLError.Kind(rawValue: $0) })
        }
    }

    private static func event(_ test: Node) -> CloudEvent {
        var event = Samples.event()
        if let whole = test["event"]?.mapping { lay(whole, over: &event) }
        if let overrides = test["eventOverrides"]?.mapping { lay(overrides, over: &event) }
        return event
    }

    private static func lay(_ mapping: Node.Mapping, over event: inout CloudEvent) {
        for (key, node) in mapping {
            let text = node.string ?? ""
            switch key.string ?? "" {
            case "specversion": break
            case "id": event.id = text
            case "source": event.source = text
            case "type": event.type = text
            case "subject": event.subject = text
            case "time": event.time = EventTime(text)
            case "datacontenttype": event.datacontenttype = text
            case "dataschema": event.dataschema = text
            case let name:
                switch value(node) {
                case .boolean(let value): event[name] = .boolean(value)
                case .integer(let value): event[name] = .integer(value)
                default: event[name] = .string(text)
                }
            }
        }
    }

    private static func value(_ node: Node) -> CESQLValue? {
        guard let scalar = node.scalar else { return nil }
        if scalar.style == .plain || scalar.style == .any {
            if let integer = Int32(scalar.string) { return .integer(integer) }
            switch scalar.string.lowercased() {
            case "true": return .boolean(true)
            case "false": return .boolean(false)
            default: break
            }
        }
        return .string(scalar.string)
    }
}

@Suite struct ConformanceTests {
    @Test(.enabled(if: !ConformanceKit.cases.isEmpty, "shared/fixtures/cesql-tck is absent"))
    func theKitIsRead() {
        #expect(ConformanceKit.cases.count >= 100)
        #expect(ConformanceKit.cases.allSatisfy { !$0.expression.isEmpty && ($0.result != nil || $0.error != nil) })
    }

    @Test(
        .enabled(if: !ConformanceKit.cases.isEmpty, "shared/fixtures/cesql-tck is absent"),
        arguments: ConformanceKit.cases)
    func givesTheValueAndTheErrorThatTheKitWants(_ one: ConformanceCase) throws {
        let expression: CESQLExpression
        do {
            expression = try CESQLExpression(parsing: one.expression)
        } catch {
            #expect(one.error == .parse, "\(error)")
            return
        }
        #expect(one.error != .parse, "it was parsed")
        let (value, errors) = EventRecord(one.event).withView { expression.evaluate($0) }
        if let result = one.result { #expect(value == result) }
        if let error = one.error {
            #expect(errors.contains { $0.kind == error }, "\(errors)")
        } else {
            #expect(errors.isEmpty)
        }
    }
}
