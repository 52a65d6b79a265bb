import CloudEvents
import Manifest
import Persistence
import Testing

@testable import Functions

/// The keys `mounts`, `output` and `network`.
@Suite struct StagingSpecTests {
    private func spec(_ members: JSONObject) throws(DocumentError) -> FunctionSpec {
        var document: JSONObject = ["file": "f.py"]
        for member in members.members { document[member.name] = member.value }
        return try FunctionSpec(.object(document), path: "functions.f")
    }

    private func message(_ members: JSONObject) -> String? {
        do throws(DocumentError) {
            _ = try spec(members)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func everythingIsReadAndReadsBackTheSame() throws {
        let spec = try spec([
            "input": "file", "mounts": ["raw", ["name": "scratch", "path": "a//b/", "writable": true]],
            "output": [
                "to": "mount:results/{subject.directory}/{subject.stem}.json", "overwrite": "replace",
                "provenance": "origins/", "limit": "2GiB",
            ], "network": ["allow": ["Example.org:443", "*.desy.de", "192.0.2.7:8080", "[2001:DB8::7]:80"]],
        ])
        #expect(spec.staging.mounts == [.init(name: "raw"), .init(name: "scratch", path: "a/b", isWritable: true)])
        let output = try #require(spec.staging.output)
        #expect(output.mount == "results" && output.overwrite == .replace && output.limit == 2 << 30)
        #expect(output.provenance == .folder("origins") && !output.template.namesEachFile)
        guard case .proxy(let rules) = spec.network else { throw Unexpected() }
        #expect(rules.map(\.description) == ["example.org:443", "*.desy.de:443", "192.0.2.7:8080", "[2001:db8::7]:80"])
        #expect(try FunctionSpec(spec.document) == spec)
        let version = VersionDocumentProbe.version(of: spec)
        #expect(version?.staging == spec.staging && version?.network == spec.network)
    }

    @Test func whatIsNotAskedForStandsNowhere() throws {
        let spec = try spec(["network": "none", "mounts": [], "input": "event"])
        #expect(spec.document == (try self.spec([:])).document)
        #expect(spec.network == .none && !spec.staging.isPerCall)
    }

    @Test(
        arguments: [
            (["mounts": ["../x"]], "functions.f.mounts[0]: a mount's name has letters"),
            (["mounts": ["a", "a"]], "functions.f.mounts[1]: the mount \"a\" is named twice"),
            (["mounts": [["name": "a", "path": "/etc"]]], "functions.f.mounts[0].path: a folder inside the mount"),
            (["mounts": [["name": "a", "path": "x/../y"]]], "functions.f.mounts[0].path: a folder inside the mount"),
            (["mounts": [["name": "a", "writeable": true]]], "did you mean \"writable\"?"),
            (["mounts": "raw"], "functions.f.mounts: a list was expected"),
            (["output": "results/x"], "functions.f.output: a place on a mount was expected"),
            (["output": "mount:results/../x"], "a path inside the mount was expected"),
            (["output": "mount:results//etc/x"], "a path inside the mount was expected"),
            (["output": "mount:results/{subject.stm}"], "{subject.stm} is no variable"),
            (["output": "mount:results/{subject.stem"], "there is a \"{\" without its \"}\""),
            (["output": "mount:results/x}"], "there is a \"}\" without a \"{\""),
            (["output": "mount:results/x.weir.json"], "a file may not be called so"),
            (["output": ["overwrite": "never"]], "functions.f.output.to: this is required"),
            (["output": ["to": "mount:r/x", "overwrite": "always"]], "\"always\" is not one of never, replace"),
            (["output": ["to": "mount:r/x", "limit": 0]], "functions.f.output.limit: 0B is out of range"),
            (
                ["output": ["to": "mount:r/x", "provenance": "../x"]],
                "functions.f.output.provenance: \"beside\" or a folder"
            ),
            (["network": "proxy"], "functions.f.network: say what may be reached"),
            (["network": ["mode": "proxy"]], "functions.f.network.allow: this is required"),
            (["network": ["mode": "host", "allow": ["a:1"]]], "belongs to the mode \"proxy\""),
            (["network": "hots"], "did you mean \"host\"?"),
            (
                ["network": ["allow": ["https://example.org/"]]],
                "functions.f.network.allow[0]: \"https://example.org/\" is an"
            ),
            (["network": ["allow": ["a:0"]]], "\"0\" is no port"),
            (["network": ["allow": ["a:65536"]]], "\"65536\" is no port"),
            (["network": ["allow": ["*.com"]]], "would be too much"),
            (["network": ["allow": ["*"]]], "is no name of a host"),
            (["network": ["allow": ["*.0.1:80"]]], "would be too much"),
            (["network": ["allow": ["::1"]]], "in brackets"),
            (["network": ["allow": ["bücher.example"]]], "names in other letters as xn--"),
            (["network": ["allow": ["a b"]]], "a host was expected"),
            (["network": ["allow": ["-a.example"]]], "no name of a host"),
        ] as [(JSONObject, String)])
    func whatCannotBeIsRefusedWithItsPlace(members: JSONObject, words: String) throws {
        let text = try #require(message(members), "it was taken")
        #expect(text.contains(words), "\(text)")
    }
}

private struct Unexpected: Error {}

/// A version as the registry gives it back.
private enum VersionDocumentProbe {
    static func version(of spec: FunctionSpec) -> FunctionVersion? {
        let document = FunctionVersion.document(spec, entry: "f.py", handler: nil)
        return FunctionVersion(
            .init(digest: "d", content: "c", document: document), namespace: "n", name: "f", codeDirectory: "/c",
            layer: { $0 })
    }
}
