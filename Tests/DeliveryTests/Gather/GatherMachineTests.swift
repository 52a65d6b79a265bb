import CloudEvents
import Manifest
import TestSupport
import Testing

@testable import Delivery

@Suite("Groups of events")
struct GatherMachineTests {
    private func spec(_ document: JSONValue) throws -> GatherSpec {
        try GatherSpec(DocumentReader(document, path: "gather"))
    }

    private func key(_ name: String) -> GatherMachine.Key { .init(text: name, parts: ["directory": .string(name)]) }

    private func member(
        _ offset: UInt64, at: Int64 = 0, subject: String? = nil, isMarker: Bool = false, announced: Int? = nil
    ) -> GatherMachine.Member {
        GatherMachine.Member(
            place: .init(partition: 0, offset: offset), appended: at, isMarker: isMarker,
            facts: ["id": .string("e\(offset)"), "subject": .string(subject ?? "/d/\(offset)")], announced: announced)
    }

    /// Takes members and answers to what fires; the reasons in their order.
    private func fires(
        _ machine: inout GatherMachine, _ members: [GatherMachine.Member], _ name: String = "d"
    ) -> [GatherMachine.Reason] {
        var actions: [GatherMachine.Action] = []
        for one in members { machine.take(key(name), one, into: &actions) }
        return settle(&machine, &actions)
    }

    private func advance(_ machine: inout GatherMachine, _ time: Int64) -> [GatherMachine.Reason] {
        var actions: [GatherMachine.Action] = []
        machine.advance(to: time, into: &actions)
        return settle(&machine, &actions)
    }

    private func settle(
        _ machine: inout GatherMachine, _ actions: inout [GatherMachine.Action]
    ) -> [GatherMachine.Reason] {
        var reasons: [GatherMachine.Reason] = []
        var index = 0
        while index < actions.count {
            if case .fire(let key, let reason) = actions[index] {
                reasons.append(reason)
                machine.fired(key, at: 1_000, into: &actions)
            }
            index += 1
        }
        return reasons
    }

    @Test("a count, of different files")
    func count() throws {
        var machine = GatherMachine(try spec(["count": 3]))
        #expect(fires(&machine, [member(0, subject: "/a"), member(1, subject: "/a"), member(2, subject: "/b")]) == [])
        #expect(machine.groups["d"]?.members["/a"]?.place.offset == 1)
        #expect(fires(&machine, [member(3, subject: "/c")]) == [.count])
        // Delivered again: nothing.
        #expect(fires(&machine, [member(3, subject: "/c"), member(0, subject: "/a")]) == [] && machine.late == 0)
    }

    @Test("a marker, at once or when it is quiet behind it")
    func marker() throws {
        let filters: JSONValue = [["suffix": ["subject": "DONE"]]]
        var machine = GatherMachine(try spec(["marker": ["filters": filters]]))
        #expect(fires(&machine, [member(0), member(1, isMarker: true)]) == [.marker])
        machine = GatherMachine(try spec(["marker": ["filters": filters, "settle": "10ms"]]))
        #expect(fires(&machine, [member(0, at: 1), member(1, at: 5, isMarker: true), member(2, at: 9)]) == [])
        #expect(advance(&machine, 18) == [] && machine.nextDue == 19)
        #expect(advance(&machine, 19) == [.marker])
    }

    @Test("a marker that says how many there are")
    func announced() throws {
        var machine = GatherMachine(
            try spec(["count": ["pointer": "/n"], "marker": ["filters": [["suffix": ["subject": "DONE"]]]]]))
        #expect(fires(&machine, [member(0), member(1, isMarker: true, announced: 3), member(2)]) == [])
        #expect(fires(&machine, [member(3)]) == [.count])
    }

    @Test("a quiet time, and a deadline counted from the first")
    func time() throws {
        var machine = GatherMachine(try spec(["quiet": "10ms", "deadline": "25ms"]))
        #expect(fires(&machine, [member(0, at: 0), member(1, at: 8)]) == [])
        #expect(advance(&machine, 17) == [])
        #expect(fires(&machine, [member(2, at: 17)]) == [])
        #expect(machine.nextDue == 25 && advance(&machine, 25) == [.deadline])
        #expect(fires(&machine, [member(10, at: 30)], "other") == [])
        #expect(advance(&machine, 40) == [.quiet])
    }

    @Test("late members: passed over, once more with all, or a group of their own")
    func late() throws {
        var machine = GatherMachine(try spec(["count": 2]))
        #expect(fires(&machine, [member(0), member(1), member(2)]) == [.count])
        #expect(machine.late == 1 && machine.groups["d"]?.generation == 1)
        machine = GatherMachine(try spec(["count": 2, "late": "again"]))
        #expect(fires(&machine, [member(0), member(1)]) == [.count])
        #expect(fires(&machine, [member(2)]) == [.late])
        #expect(machine.groups["d"]?.members.count == 3 && machine.groups["d"]?.generation == 2)
        machine = GatherMachine(try spec(["count": 2, "late": "new"]))
        #expect(fires(&machine, [member(0), member(1), member(2)]) == [.count])
        #expect(fires(&machine, [member(3)]) == [.count] && machine.groups["d"]?.generation == 2)
    }

    @Test("what will not come again is not remembered")
    func memory() throws {
        var machine = GatherMachine(try spec(["quiet": "10ms", "late": "new"]))
        for round in 0..<100 {
            let at = UInt64(round * 10)
            machine.settled(partition: 0, below: at)
            let members = (0..<10).map { member(at + $0, at: Int64(at) * 10, subject: "/d/\($0 % 5)") }
            #expect(fires(&machine, members) == [])
            #expect(advance(&machine, Int64(at) * 10 + 10) == [.quiet])
        }
        #expect(machine.groups["d"]?.generation == 100)
        #expect((machine.groups["d"]?.places.count ?? 0) <= 10)
    }

    @Test("a limit, and forgetting")
    func limit() throws {
        var machine = GatherMachine(try spec(["quiet": "1h", "limit": 3, "remember": "5s"]))
        #expect(fires(&machine, (0..<3).map { member($0) }) == [.limit])
        #expect(advance(&machine, 5_999) == [] && machine.groups.count == 1)
        #expect(advance(&machine, 6_000) == [] && machine.groups.isEmpty)
    }

    @Test(
        "patterns",
        arguments: [
            ("/raw/{run}/**", "/raw/r1/a/b.h5", "r1"), ("/raw/{run}/**", "/raw/r1", "r1"),
            ("/raw/{run}/*", "/raw/r1/a/b", nil),
            ("/**/{run}/raw/*.h5", "/a/b/r2/raw/x.h5", "r2"), ("/p/run-{n}_*.h5", "/p/run-12_a_b.h5", "12_a"),
            ("/{a}/{b}", "/x/y", "x/y"), ("/{a}", "/", nil), ("/d/{n}.h5", "/d/.h5", nil), ("/d/{n}", "/e/1", nil),
        ] as [(String, String, String?)])
    func patterns(_ pattern: String, _ subject: String, _ wanted: String?) throws {
        let made = try GroupPattern(pattern, path: "")
        #expect(made.match(subject)?.map(\.value).joined(separator: "/") == wanted)
    }

    @Test(
        "mistakes are named",
        arguments: [
            ("{}", "gather", "needs an end"), (#"{"count": 0}"#, "gather.count", "from 1 on"),
            (#"{"count": 3, "by": "folder"}"#, "gather.by", "directory"),
            (#"{"count": 3, "by": {"path": "/a/*"}}"#, "gather.by.path", "names nothing"),
            (#"{"count": 3, "by": {"path": "/{a}/{a}"}}"#, "gather.by.path", "name of its own"),
            (#"{"marker": {"settle": "1s"}}"#, "gather.marker.filters", "required"),
            (#"{"count": 3, "late": "drop"}"#, "gather.late", "is not one of"),
            (#"{"count": 30, "limit": 3}"#, "gather.count", "more than the limit"),
        ])
    func mistakes(_ text: String, _ path: String, _ part: String) {
        let document = JSONValue.reading(text)
        do throws(DocumentError) {
            _ = try GatherSpec(DocumentReader(document, path: "gather"))
            Issue.record("it was accepted")
        } catch {
            #expect(error.path == path && error.message.contains(part), "\(error)")
        }
    }

    @Test("documents read back the same")
    func documents() throws {
        let document: JSONValue = [
            "by": ["path": "/raw/{run}/**"], "count": ["pointer": "/files"],
            "marker": ["filters": [["suffix": ["subject": "DONE"]]], "settle": "5s"], "quiet": "1h", "deadline": "1d",
            "late": "again", "remember": "30d", "limit": 500,
        ]
        let made = try spec(document)
        #expect(try spec(.object(made.document)) == made)
        #expect(
            try spec(["by": ["attribute": "run"], "quiet": "1m"]).document == [
                "by": ["attribute": "run"], "quiet": "1m",
            ])
        let subscription = try SubscriptionSpec(["channel": "c", "sink": "function:f", "gather": document])
        #expect(try SubscriptionSpec(subscription.document) == subscription)
    }
}
