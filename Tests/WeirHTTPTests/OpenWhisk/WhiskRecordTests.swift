import CloudEvents
import Invocation
import Testing

@testable import WeirHTTP

/// What Weir says of a run, in OpenWhisk's words.
@Suite struct WhiskRecordTests {
    private func record(
        _ status: Activation.Status, _ result: JSONValue, notes: WhiskNotes = WhiskNotes(), initial: Int64? = nil,
        logs: [Activation.LogLine] = []
    ) -> WhiskRecord {
        WhiskRecord(
            Activation(
                id: "0", function: FunctionReference(namespace: "n", name: "p/a"),
                cause: .init(notes: JSONValue.object(notes.document).encoded()), status: status,
                result: result.encoded(), logs: logs, start: 1_754_400_000_100, end: 1_754_400_000_112,
                waitMilliseconds: 60, initMilliseconds: initial))
    }

    @Test func outcomes() {
        #expect(record(.success, ["a": 1]).outcome == .success)
        #expect(record(.success, [1]).outcome == .success)
        let text = record(.success, "a text")
        #expect(text.outcome == .developerError)
        #expect(text.value["error"] == "The action did not return a dictionary or array.")
        // A function of Weir may return nothing; one of OpenWhisk may not.
        #expect(record(.success, nil).value == [:])
        var strict = WhiskNotes()
        strict.isStrict = true
        #expect(record(.success, nil, notes: strict).outcome == .developerError)
        #expect(record(.applicationError, ["error": ["a": 1], "b": 2]).value == ["error": ["a": 1]])
        var limits = WhiskNotes()
        limits.limits = ["timeout": 1500]
        let late = record(.timeout, ["error": "x"], notes: limits)
        #expect(late.outcome == .developerError)
        #expect(late.value["error"] == "The action exceeded its time limits of 1500 milliseconds.")
        #expect(record(.internalError, ["error": "x"]).outcome == .internalError)
    }

    @Test(arguments: [
        (
            "the function's process ended with status 3 before it answered",
            "The action did not produce a valid response and exited unexpectedly."
        ),
        (
            "the code could not be loaded: SyntaxError: x",
            "The action failed during initialization: SyntaxError: x"
        ),
        (
            "the code could not be loaded: the function's process ended with status 1 before it answered",
            "The action did not initialize and exited unexpectedly."
        ),
        (
            "the function's process was stopped: its answer is not valid JSON at line 1, column 1: a value was expected",
            "The action did not return a dictionary or array."
        ),
        ("out of memory: the function needs more", "The action exhausted its memory and was aborted."),
        ("something of its own", "something of its own"),
    ])
    func developerErrors(_ ours: String, _ theirs: String) {
        let found = record(.developerError, ["error": .string(ours)])
        #expect(found.outcome == .developerError && found.value["error"] == .string(theirs))
    }

    @Test func anAnswerThatIsTooLongIsTheApplicationsAffair() {
        let found = record(
            .developerError, ["error": "the answer is 2000000 bytes long, more than the 1048576 that are allowed"])
        #expect(found.outcome == .applicationError)
        #expect(
            found.value["error"]?.string?.hasPrefix(
                "The action produced a response that exceeded the allowed length: 2000000 > 1048576 bytes.") ?? false)
    }

    @Test func timesAndLogs() {
        let line = Activation.LogLine(time: 1_754_400_000_105, stream: .stderr, text: "x")
        let cold = record(.success, [:], initial: 40, logs: [line]).document()
        #expect(cold["start"] == 1_754_400_000_060 && cold["end"] == 1_754_400_000_112 && cold["duration"] == 52)
        #expect(cold["annotations"]?.whiskValue("initTime") == 40 && cold["annotations"]?.whiskValue("waitTime") == 20)
        #expect(cold["logs"] == ["2025-08-05T13:20:00.105000000Z stderr: x"])
        #expect(cold["name"] == "a" && cold["annotations"]?.whiskValue("path") == "n/p/a")
        #expect(WhiskRecord.nanoseconds(1_754_400_000_000) == "2025-08-05T13:20:00.000000000Z")
        let warm = record(.success, [:]).summary()
        #expect(warm["annotations"]?.whiskValue("initTime") == nil && warm["statusCode"] == 0)
    }

    /// Notes that say all there is to say.
    private static var full: WhiskNotes {
        var notes = WhiskNotes()
        notes.entity = .sequence
        notes.path = "n/p/a \"quoted\""
        notes.version = "1.2.3"
        notes.kind = "sequence"
        notes.limits = ["memory": 128]
        notes.binding = "n/b"
        notes.topmost = false
        notes.conductor = true
        notes.isComponent = true
        notes.logs = ["one", "two"]
        notes.duration = 5
        return notes
    }

    @Test func allThatIsToldStandsInTheText() throws {
        var notes = Self.full
        let one = record(.applicationError, ["error": "☃"], notes: notes)
        let whole = try JSONValue(parsing: one.encoded())
        #expect(whole["name"] == "a \"quoted\"" && whole["version"] == "1.2.3" && whole["duration"] == 5)
        #expect(whole["logs"] == ["one", "two"] && whole["subject"] == "n" && whole["publish"] == false)
        #expect(
            whole["response"]
                == ["status": "application error", "success": false, "result": ["error": "☃"], "size": 15])
        let annotations: JSONValue = [
            ["key": "path", "value": "n/p/a \"quoted\""], ["key": "kind", "value": "sequence"],
            ["key": "limits", "value": ["memory": 128]], ["key": "binding", "value": "n/b"],
            ["key": "causedBy", "value": "sequence"], ["key": "topmost", "value": false],
            ["key": "conductor", "value": true],
        ]
        #expect(whole["annotations"] == annotations)
        #expect(try JSONValue(parsing: one.encoded(hasLogs: false))["logs"] == [])
        let summary = try JSONValue(parsing: one.encodedSummary())
        #expect(summary["statusCode"] == 1 && summary["annotations"] == annotations && summary["response"] == nil)
        notes.entity = .trigger
        let fired = try JSONValue(parsing: record(.success, ["a": 1], notes: notes).encoded())
        #expect(fired["end"] == nil && fired["duration"] == nil && fired["response"]?["result"] == ["a": 1])
    }

    @Test func notesReadBackAsTheyWere() {
        var notes = Self.full
        notes.isStrict = true
        #expect(WhiskNotes(notes.document) == notes)
        #expect(WhiskNotes([:]) == WhiskNotes())
    }
}

extension JSONValue {
    fileprivate func whiskValue(_ key: String) -> JSONValue? {
        array?.first { $0["key"]?.string == key }?["value"]
    }
}
