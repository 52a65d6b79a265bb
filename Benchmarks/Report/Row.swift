import CloudEvents
import Foundation

/// One figure of a run, beside what it is measured against.
struct Row {
    /// What is compared with what.
    enum Budget {
        /// The value must be at least this.
        case atLeast(Double)
        /// The value must be at most this.
        case atMost(Double)
        /// value ÷ floor must be at least this.
        case ratioAtLeast(Double)
        /// value ÷ floor must be at most this.
        case ratioAtMost(Double)
    }

    let name: String
    let value: Double
    let unit: String
    /// The same work done the plainest way, in the same run and unit.
    var floor: Double?
    /// What the floor is, in words.
    var floorName: String?
    var budget: Budget?

    var ratio: Double? { floor.flatMap { $0 > 0 ? value / $0 : nil } }

    var isMet: Bool? {
        switch budget {
        case .atLeast(let bound): value >= bound
        case .atMost(let bound): value <= bound
        case .ratioAtLeast(let bound): ratio.map { $0 >= bound }
        case .ratioAtMost(let bound): ratio.map { $0 <= bound }
        case nil: nil
        }
    }

    var budgetText: String {
        switch budget {
        case .atLeast(let bound): "≥ \(Report.short(bound))"
        case .atMost(let bound): "≤ \(Report.short(bound))"
        case .ratioAtLeast(let bound): "≥ \(Report.short(bound)) ×"
        case .ratioAtMost(let bound): "≤ \(Report.short(bound)) ×"
        case nil: ""
        }
    }

    var json: JSONValue {
        .object([
            "name": .string(name), "value": .number(value), "unit": .string(unit),
            "floor": floor.map { .number($0) } ?? .null, "floorName": floorName.map { .string($0) } ?? .null,
            "ratio": ratio.map { .number($0) } ?? .null,
            "budget": budget == nil ? .null : .string(budgetText), "met": isMet.map { .bool($0) } ?? .null,
        ])
    }
}

/// The rows of a run, printed as they come or as JSON at the end.
final class Report {
    private let asJSON: Bool
    private(set) var rows: [Row] = []

    init(asJSON: Bool) {
        self.asJSON = asJSON
    }

    func section(_ title: String) {
        if !asJSON { Report.write("\n\(title)") }
    }

    func add(_ row: Row) {
        rows.append(row)
        guard !asJSON else { return }
        var line =
            "  " + Report.padded(row.name, 46) + Report.padded(left: Report.short(row.value), 10) + " "
            + Report.padded(row.unit, 12)
        if let floor = row.floor {
            line += Report.padded(left: Report.short(floor), 10) + " " + Report.padded(row.floorName ?? "floor", 34)
            line += Report.padded(left: row.ratio.map { Report.short($0) + " ×" } ?? "", 9)
        } else {
            line += String(repeating: " ", count: 54)
        }
        line += "  " + Report.padded(row.budgetText, 10) + (row.isMet.map { $0 ? "met" : "NOT MET" } ?? "")
        Report.write(line)
    }

    func finish() {
        if asJSON { Report.write(JSONValue.array(rows.map(\.json)).prettyText()) }
    }

    /// A line at once, also into a file.
    private static func write(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }

    static func short(_ value: Double) -> String {
        switch abs(value) {
        case 1e9...: "\(rounded(value / 1e9)) G"
        case 1e6...: "\(rounded(value / 1e6)) M"
        case 1e4...: "\(rounded(value / 1e3)) k"
        default: "\(rounded(value))"
        }
    }

    private static func rounded(_ value: Double) -> String {
        let scale = abs(value) >= 100 ? 1.0 : abs(value) >= 10 ? 10 : abs(value) >= 1 ? 100 : 1000
        let result = (value * scale).rounded() / scale
        return result == result.rounded() && abs(result) < 1e9 ? String(Int(result)) : "\(result)"
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func padded(left text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
