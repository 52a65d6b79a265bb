import CloudEvents
import Foundation
import Testing

/// The fixtures' own names of what happened, from an event.
enum EventVocabulary {
    /// `file.written` …; `unknown` for an event of the producer's own type.
    static func name(of event: CloudEvent) -> String {
        let prefix = "dev.weir."
        return event.type.hasPrefix(prefix) ? String(event.type.dropFirst(prefix.count)) : "unknown"
    }

    /// The same as S3 fixtures say it.
    static func objectName(of event: CloudEvent) -> String {
        switch name(of: event) {
        case "file.written": "object.created"
        case "file.deleted": "object.removed"
        case "file.staged": "object.restored"
        case let other: other
        }
    }

    static func data(of event: CloudEvent) throws -> JSONValue {
        guard case .json(let bytes)? = event.data else { return .null }
        return try JSONValue(parsing: bytes)
    }
}

/// Whether `actual` holds all that `expected` says; differences as sentences.
func differences(_ expected: JSONValue, _ actual: JSONValue?, at path: String = "$") -> [String] {
    guard let actual else { return ["\(path) is missing, \(expected.text) was expected"] }
    switch (expected, actual) {
    case (.object(let wanted), .object):
        return wanted.members.flatMap { differences($0.value, actual[$0.name], at: "\(path).\($0.name)") }
    case (.array(let wanted), .array(let got)) where wanted.count == got.count:
        return zip(wanted, got).enumerated().flatMap { differences($1.0, $1.1, at: "\(path)[\($0)]") }
    default:
        if let a = expected.double, let b = actual.double, a == b { return [] }
        return expected == actual ? [] : ["\(path) is \(actual.text), \(expected.text) was expected"]
    }
}

/// Reads a file of the fixtures.
func read(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

/// A zone of the system; UTC, with a note, where the machine has no zone files.
func systemZone(_ name: String) throws -> [UInt8] { try read("/usr/share/zoneinfo/\(name)") }
