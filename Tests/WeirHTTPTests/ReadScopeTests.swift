import CloudEvents
import Testing

@testable import WeirHTTP

@Suite struct ReadScopeTests {
    static func permits(_ scope: ReadScope, _ subject: String?) -> Bool {
        EventRecord(CloudEvent(id: "1", source: "s", type: "t", subject: subject)).withView { scope.permits($0) }
    }

    @Test(arguments: [
        ("/a/b", "/a", true), ("/a", "/a", true), ("/a/", "/a", true), ("/ab", "/a", false), ("/", "/a", false),
        ("/a/b", "/a/", true), ("/a/b", "/a/b/c", false), ("/x", "/", true), ("/", "/", true), ("a/b", "/", false),
        ("a", "a", false), ("/a/../b", "/a", false), ("/a/./b", "/a", false), ("/a//b", "/a", false),
        ("/a/..", "/a", false), ("/a/.b", "/a", true), ("/a/..b/c", "/a", true), ("//a", "/", false), ("", "/", false),
        ("/a", "", false),
    ])
    func subjectsAreSeenBelowAPathBySegments(_ subject: String, _ path: String, _ expected: Bool) {
        #expect(Self.permits(.below([path]), subject) == expected)
        #expect(Self.permits(.below(["/other", path]), subject) == expected)
        #expect(Self.permits(.everything, subject))
    }

    @Test func anEventWithoutASubjectIsForThoseWhoSeeEverything() {
        #expect(!Self.permits(.below(["/"]), nil))
        #expect(Self.permits(.everything, nil))
        #expect(!Self.permits(.below([]), "/a"))
    }
}

@Suite struct ChannelPositionTests {
    @Test func textIsReadBack() {
        let position = ChannelPosition([.init(partition: 1, next: 5), .init(partition: 0, next: 13)])
        #expect(position.text == "0:13,1:5")
        #expect(ChannelPosition(position.text) == position)
        for bad in ["", "0", "0:", ":1", "0:1,", "0:-1", "-1:0", "0:1,0:2", "a:b", "0:1:2", "0:99999999999999999999"] {
            #expect(ChannelPosition(bad) == nil, "\(bad)")
        }
    }

    @Test func aStreamIdBeginsWithTheEventAndResumesBehindIt() {
        var position = ChannelPosition([.init(partition: 0, next: 4), .init(partition: 1, next: 0)])
        position[0] = 5
        #expect(position.streamID(partition: 0) == "0:4")
        #expect(ChannelPosition(streamID: "0:4", of: [0, 1]) == position)
        position[1] = 8
        #expect(position.streamID(partition: 1) == "1:7,0:4")
        #expect(ChannelPosition(streamID: "1:7,0:4", of: [0, 1]) == position)
        #expect(ChannelPosition(streamID: "2:0", of: [0, 1]) == nil)
        #expect(ChannelPosition(streamID: "0:\(UInt64.max)", of: [0]) == nil)
    }
}
