import CloudEvents
import Manifest
import Persistence
import Testing

@testable import Functions

/// How many workers and runs a function asks for.
@Suite struct ScalingSpecTests {
    private func spec(_ more: JSONObject) throws(DocumentError) -> FunctionSpec {
        var document: JSONObject = ["file": "a.py"]
        for member in more.members { document[member.name] = member.value }
        return try FunctionSpec(.object(document), path: "functions.f")
    }

    private func message(_ more: JSONObject) -> String? {
        do throws(DocumentError) {
            _ = try spec(more)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func allKeysAreReadWrittenAndKeptInTheVersion() throws {
        let spec = try spec([
            "scale": ["min": 1, "max": 8, "idle": "5m", "burst": "2s"],
            "limit": ["runs": 20, "perKey": 1, "key": "fileid"],
        ])
        #expect(spec.limits.concurrency == 8)
        let scaling = spec.limits.scaling
        #expect(scaling.minimum == 1 && scaling.idle == 300_000 && scaling.burst == 2_000)
        #expect(scaling.runs == 20 && scaling.runsPerKey == 1 && scaling.key == "fileid")
        #expect(try FunctionSpec(spec.document) == spec, "the written form reads back the same")
        let document = FunctionVersion.document(spec, entry: "a.py", handler: nil)
        let version = try #require(
            FunctionVersion(
                VersionDocument(digest: "d", content: "c", document: document), namespace: "n", name: "f",
                codeDirectory: "/c"))
        #expect(version.limits == spec.limits)
    }

    @Test func whatIsUsualIsNotWritten() throws {
        let spec = try spec([
            "concurrency": 4, "scale": ["min": 0, "burst": "500ms"], "limit": [:],
        ])
        #expect(spec == (try self.spec([:])))
        let limits = FunctionVersion.document(spec, entry: "a.py", handler: nil)["limits"]?.object
        #expect(limits?.members.map(\.name) == ["timeout", "memory", "logs", "concurrency"])
    }

    @Test func workersAreSharedByWhatIsNothingButCode() throws {
        let shared = try spec(["scale": ["shared": true]])
        #expect(shared.limits.scaling.isShared)
        #expect(try FunctionSpec(shared.document) == shared)
        let document = FunctionVersion.document(shared, entry: "a.py", handler: nil)
        let version = try #require(
            FunctionVersion(
                VersionDocument(digest: "d", content: "c", document: document), namespace: "n", name: "f",
                codeDirectory: "/c"))
        #expect(version.limits == shared.limits)
        for more: JSONObject in [
            ["environment": ["A": "b"]], ["network": "host"], ["requirements": ["x==1"]], ["concurrentEvents": 2],
            ["limit": ["runs": 2]], ["input": "file"],
        ] {
            var document = more
            document["scale"] = ["shared": true]
            #expect(message(document)?.hasPrefix("functions.f.scale.shared: ") == true, "\(more)")
        }
        #expect(message(["scale": ["shared": true, "min": 1]])?.hasPrefix("functions.f.scale.shared: ") == true)
        #expect(message(["file": "a.js", "scale": ["shared": true]])?.contains("only functions in python") == true)
    }

    @Test func whatCannotBeIsRefusedWithItsPlace() {
        #expect(message(["scale": ["minimum": 1]])?.hasPrefix("functions.f.scale.minimum: ") == true)
        #expect(
            message(["concurrency": 2, "scale": ["max": 3]])
                == "functions.f.scale.max: this is the same as \"concurrency\", which says something else: leave one of them out"
        )
        #expect(message(["concurrency": 3, "scale": ["max": 3]]) == nil)
        #expect(message(["scale": ["min": 5]]) == "functions.f.scale.min: 5 is more than the 4 that are allowed")
        #expect(
            message(["scale": ["idle": "30d"]])
                == "functions.f.scale.idle: 30d is out of range: 0ms to 7d is allowed")
        #expect(
            message(["limit": ["key": "subject"]])
                == "functions.f.limit.key: this names the key of \"perKey\", which is missing")
        #expect(message(["limit": ["perKey": 0]])?.hasPrefix("functions.f.limit.perKey: ") == true)
    }
}
