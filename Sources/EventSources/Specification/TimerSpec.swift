package import CloudEvents
import Manifest

/// A timer, as a person specifies it.
package struct TimerSpec: Sendable, Hashable {
    package enum Missed: String, Sendable, Hashable, CaseIterable {
        /// What was missed while the server was down is passed over.
        case skip
        /// One event stands for all that were missed: the last of them.
        case once
        /// Each comes, late.
        case all
    }

    package var schedule: CronSchedule
    package var timezone: String
    package var missed = Missed.skip
    package var type: String
    package var subject: String?
    /// The events' data.
    package var data: JSONValue?

    static let usualType = "dev.weir.timer"

    init(_ reader: inout DocumentReader) throws(DocumentError) {
        let text = try reader.requiredString("schedule")
        do throws(CronError) {
            schedule = try CronSchedule(text)
        } catch {
            throw DocumentError(path: reader.path(of: "schedule"), message: error.message)
        }
        timezone = try reader.zone("timezone")
        missed =
            try reader.word("missed", of: Missed.allCases.map(\.rawValue)).flatMap { Missed(rawValue: $0) } ?? .skip
        type = try reader.string("type") ?? Self.usualType
        subject = try reader.string("subject")
        data = reader.value("data")
        let event = CloudEvent(id: "1", source: "weir://n/timer", type: type, subject: subject)
        do {
            try event.validate()
        } catch {
            throw DocumentError(path: reader.path, message: error.message)
        }
    }

    func write(into object: inout JSONObject) {
        object["schedule"] = .string(schedule.text)
        object["timezone"] = .string(timezone)
        object["missed"] = .string(missed.rawValue)
        if type != Self.usualType { object["type"] = .string(type) }
        if let subject { object["subject"] = .string(subject) }
        if let data { object["data"] = data }
    }
}
