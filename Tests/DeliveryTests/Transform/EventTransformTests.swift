import CloudEvents
import Manifest
import TestSupport
import Testing

@testable import Delivery

@Suite("Reshaping events without a function")
struct EventTransformTests {
    private func transform(_ document: JSONValue) throws(DocumentError) -> EventTransform {
        try EventTransform(DocumentReader(document, path: "transform"))
    }

    private func event() -> CloudEvent {
        var event = CloudEvent(
            id: "1", source: "dcache://d", type: "dev.weir.file.written", subject: "/a/b.h5",
            time: EventTime("2026-05-20T12:00:00Z"),
            data: .json(Array(#"{"path": "/a/b.h5", "size": 5000000000, "native": {"x": [1, 2]}, "a/b": "~"}"#.utf8)))
        event["pool"] = .string("p1")
        event["filesizemib"] = .integer(4_769)
        event["weirdepth"] = .integer(2)
        return event
    }

    private func apply(_ document: JSONValue, to event: CloudEvent? = nil) throws -> CloudEvent {
        try transform(document).apply(EventRecord(event ?? self.event())).event
    }

    private func data(_ event: CloudEvent) throws -> JSONValue {
        guard case .json(let bytes)? = event.data else { return .null }
        return try JSONValue(parsing: bytes)
    }

    @Test("keep, remove and rename attributes")
    func attributes() throws {
        let kept = try apply(["keep": ["subject"]])
        #expect(kept.subject == "/a/b.h5" && kept.time == nil && kept["pool"] == nil && kept.id == "1")
        // What the guard against loops counts on stays.
        #expect(kept["weirdepth"] == .integer(2))
        let removed = try apply(["remove": ["pool", "time", "nothere"]])
        #expect(removed["pool"] == nil && removed.time == nil && removed["filesizemib"] != nil)
        let renamed = try apply(["rename": ["pool": "disk", "nothere": "else", "time": "happened"]])
        #expect(renamed["disk"] == .string("p1") && renamed["pool"] == nil && renamed.time == nil)
        let time = try #require(EventTime("2026-05-20T12:00:00Z"))
        #expect(renamed["happened"] == .timestamp(time))
        let swapped = try apply(["rename": ["pool": "filesizemib", "filesizemib": "pool"]])
        #expect(swapped["pool"] == .integer(4_769) && swapped["filesizemib"] == .string("p1"))
        let both = try apply(["keep": ["subject"], "rename": ["pool": "disk"]])
        #expect(both["disk"] == .string("p1"))
    }

    @Test("attributes are set by CESQL over the event as it came, with their types")
    func set() throws {
        let set = try apply([
            "remove": ["pool"],
            "set": [
                "large": "INT(filesizemib) > 100", "run": "LEFT(subject, 2)", "pool": "CONCAT(pool, '-x')",
                "mib": "filesizemib + 1", "type": "'org.example.raw'", "subject": "UPPER(subject)",
            ],
        ])
        #expect(set["large"] == .boolean(true) && set["run"] == .string("/a") && set["pool"] == .string("p1-x"))
        #expect(set["mib"] == .integer(4_770) && set.type == "org.example.raw" && set.subject == "/A/B.H5")
    }

    @Test("data is picked by pointer, attribute and value")
    func pick() throws {
        #expect(try data(apply(["data": "/native"])) == ["x": [1, 2]])
        #expect(try data(apply(["data": ""]))["path"] == "/a/b.h5")
        let picked = try data(
            apply([
                "data": [
                    "path": "/path", "bytes": ["pointer": "/size"], "second": "/native/x/1", "odd": "/a~1b",
                    "pool": ["attribute": "pool"], "mib": ["attribute": "filesizemib"], "site": ["value": "DESY"],
                    "none": ["pointer": "/nothing", "default": nil], "owner": ["attribute": "owner", "default": "?"],
                    "in": ["object": ["first": "/native/x/0"]],
                ]
            ]))
        #expect(
            picked == [
                "path": "/a/b.h5", "bytes": 5_000_000_000, "second": 2, "odd": "~", "pool": "p1", "mib": 4_769,
                "site": "DESY", "none": nil, "owner": "?", "in": ["first": 1],
            ])
        #expect(try apply(["data": "none"]).data == nil)
    }

    @Test("what the event lacks, and what would be no event, is an error and not a guess")
    func failures() {
        func reason(_ document: JSONValue, _ event: CloudEvent? = nil) -> String {
            do {
                _ = try apply(document, to: event)
                return "applied"
            } catch { return "\(error)" }
        }
        #expect(reason(["data": "/nothing"]) == "the data has nothing at \"/nothing\"")
        #expect(reason(["data": ["x": ["attribute": "owner"]]]).contains("no attribute \"owner\""))
        #expect(reason(["set": ["x": "missing + 1"]]).contains("\"x\" cannot be set"))
        #expect(reason(["set": ["time": "'yesterday'"]]).contains("no time of RFC 3339"))
        #expect(reason(["set": ["source": "''"]]).contains("no event"))
        let bytes = CloudEvent(id: "1", source: "s", type: "t", datacontenttype: "image/png", data: .bytes([1]))
        #expect(reason(["data": "/x"], bytes).contains("no data in JSON"))
    }

    @Test(
        "mistakes are named with their place",
        arguments: [
            (#"{"kep": []}"#, "transform.kep", "did you mean \"keep\"?"),
            (#"{"keep": ["Subject"]}"#, "transform.keep[0]", "no name of an attribute"),
            (#"{"remove": ["id"]}"#, "transform.remove[0]", "every event has \"id\""),
            (#"{"rename": {"pool": "type"}}"#, "transform.rename.pool", "every event has \"type\""),
            (#"{"rename": {"a": "x", "b": "x"}}"#, "transform.rename", "two attributes"),
            (#"{"set": {"x": "1 +"}}"#, "transform.set.x", "not a CESQL expression"),
            (#"{"set": {"specversion": "'2'"}}"#, "transform.set.specversion", "stays so"),
            (#"{"set": {"x": 1}}"#, "transform.set.x", "a CESQL expression was expected"),
            (#"{"data": "path"}"#, "transform.data", "begins with /"),
            (#"{"data": {"x": {"pointer": "/a", "value": 1}}}"#, "transform.data.x", "one of pointer"),
            (#"{"data": {"x": {"value": 1, "default": 2}}}"#, "transform.data.x.default", "goes with pointer"),
            (#"{"data": {"x": 5}}"#, "transform.data.x", "a JSON Pointer"),
        ])
    func documents(_ text: String, _ path: String, _ part: String) throws {
        let document = try JSONValue(parsing: text)
        do throws(DocumentError) {
            _ = try transform(document)
            Issue.record("it was accepted")
        } catch {
            #expect(error.path == path && error.message.contains(part), "\(error)")
        }
    }

    @Test("any transform of any event is an event or an error, reads back the same, and leaves the event's name alone")
    func properties() throws {
        var random = SeededGenerator()
        print("transforms with seed \(random.seed)")
        let names = ["subject", "time", "pool", "a", "b", "dataschema", "datacontenttype"]
        func name() -> String { names.randomElement(using: &random) ?? "a" }
        func pick(_ depth: Int) -> JSONValue {
            switch Int.random(in: 0..<(depth > 2 ? 4 : 5), using: &random) {
            case 0: "/x"
            case 1: ["pointer": .string("/x/\(Int.random(in: 0...3, using: &random))"), "default": [1]]
            case 2: ["attribute": .string(name()), "default": nil]
            case 3: ["value": .string("v")]
            default: ["object": ["k": pick(depth + 1), "l": pick(depth + 1)]]
            }
        }
        let expressions = ["'x'", "1", "TRUE", "pool", "CONCAT(subject, 'x')", "'2026-01-01T00:00:00Z'", "''", "nope"]
        for _ in 0..<3_000 {
            var document = JSONObject()
            if Bool.random(using: &random) { document["keep"] = .array((0..<3).map { _ in .string(name()) }) }
            if Bool.random(using: &random) { document["remove"] = [.string(name())] }
            if Bool.random(using: &random) { document["rename"] = .object([name(): .string(name())]) }
            if Bool.random(using: &random) {
                document["set"] = .object([name(): .string(expressions.randomElement(using: &random) ?? "1")])
            }
            if Bool.random(using: &random) { document["data"] = ["m": pick(0)] }
            let made = try transform(.object(document))
            #expect(try transform(.object(made.document)) == made)
            var event = CloudEvent(id: "1", source: "s", type: "t")
            if Bool.random(using: &random) { event.subject = "/s" }
            if Bool.random(using: &random) { event["pool"] = .string("p") }
            if Bool.random(using: &random) { event["a"] = .integer(1) }
            if Bool.random(using: &random) { event.data = .json(Array(#"{"x": [1, {"y": 2}]}"#.utf8)) }
            do throws(TransformError) {
                let after = try made.apply(EventRecord(event)).event
                #expect(after.id == "1" && after.source == "s" && after.type == "t")
                #expect(throws: Never.self) { try after.validate() }
                // The same again gives the same: a second delivery is the same event.
                let again = try made.apply(EventRecord(event)).event
                #expect(again == after)
            } catch {
                #expect(!error.message.isEmpty)
            }
        }
    }

    @Test("a sink gets what could be reshaped, the rest is rejected, each in its place")
    func sink() async throws {
        let inner = RecordingSink()
        let sink = TransformSink(try transform(["data": "/size"]), before: inner)
        var other = event()
        other.id = "2"
        other.data = nil
        let parcels = [event(), other, event()].enumerated().map {
            Parcel(event: EventRecord($1), partition: 0, offset: UInt64($0), attempt: 1)
        }
        let answers = await sink.deliver(parcels)
        #expect(answers.map { $0.outcome == .delivered } == [true, false, true])
        #expect(await inner.parcels.map(\.offset) == [0, 2])
        guard case .rejected(let why) = answers[1].outcome else { return }
        #expect(why.contains("no data in JSON"))
    }
}

/// Keeps what it is given and says that all went well.
private actor RecordingSink: Sink {
    var parcels: [Parcel] = []
    func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        self.parcels += parcels
        return parcels.map { _ in SinkAnswer(.delivered) }
    }
}
