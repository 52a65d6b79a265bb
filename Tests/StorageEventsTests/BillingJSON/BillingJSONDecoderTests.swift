import CloudEvents
import StorageEvents
import TestSupport
import Testing

@Suite("Billing JSON decoder")
struct BillingJSONDecoderTests {
    private func decode(_ text: String) -> DecodedBatch {
        var decoder = BillingJSONDecoder()
        var batch = DecodedBatch()
        Array(text.utf8).withUnsafeBytes { decoder.decode(line: $0, lineNumber: 4, into: &batch) }
        return batch
    }

    private func record(_ more: String = "", type: String = "request") -> String {
        #"{"msgType":"\#(type)","date":"2026-05-20T14:03:07.412+02:00","cellName":"c","cellDomain":"d","cellType":"door","#
            + #""status":{"code":0,"msg":""},"session":"s""# + (more.isEmpty ? "}" : ",\(more)}")
    }

    @Test(
        "a record that lacks a common member is set aside with the member's path",
        arguments: [
            ("msgType", "$.msgType"), ("date", "$.date"), ("cellName", "$.cellName"), ("cellDomain", "$.cellDomain"),
            ("cellType", "$.cellType"), ("status", "$.status"), ("code", "$.status.code"),
        ])
    func poison(_ member: String, _ path: String) {
        let batch = decode(record().replacing("\"\(member)\":", with: "\"x\":"))
        #expect(batch.records.isEmpty)
        #expect(batch.failures.map(\.path) == [path])
        #expect(batch.failures.first?.line == 4)
    }

    @Test(
        "what is no JSON object is a failure",
        arguments: ["", " ", "[]", "7", "{", "{\"a\":}", "nul", "{\"a\":1}x", "{\"a\":1,\"a\":2}"])
    func notAnObject(_ text: String) {
        let batch = decode(text)
        #expect(batch.records.isEmpty && batch.failures.count == 1)
    }

    @Test(
        "a member of a wrong kind is named",
        arguments: [
            (#""fileSize":"x""#, "$.fileSize"), (#""subject":[1]"#, "$.subject[0]"), (#""hsm":3"#, "$.hsm"),
            (#""protocolInfo":{"port":true}"#, "$.protocolInfo.port"), (#""isWrite":"maybe""#, "$.isWrite"),
        ])
    func wrongKind(_ more: String, _ path: String) {
        #expect(decode(record(more)).failures.map(\.path) == [path])
    }

    @Test("an unknown type is an event of the producer's own type, unknown members are kept")
    func unknownType() throws {
        let batch = decode(record(#""new":{"a":[1,2]},"fileSize":9007199254740993"#, type: "quota"))
        let event = try #require(batch.records.first).event
        #expect(event.type == "org.dcache.quota")
        let data = try EventVocabulary.data(of: event)
        #expect(data["native"]?["new"]?["a"] == [1, 2])
        #expect(data["fileSize"]?.integer == 9_007_199_254_740_993)
        #expect(event["filesize"] == .string("9007199254740993"))
    }

    @Test(
        "addresses in the form of RFC 5952, their scope apart, and hosts that are none",
        arguments: [
            ("2620:6a:0:8421:f0:0:188:119", #"{"client":"2620:6a:0:8421:f0:0:188:119"}"#),
            ("2001:DB8:0:0:0:0:0:1", #"{"client":"2001:db8::1"}"#),
            ("fe80:0:0:0:1c2d:3e4f:5a6b:7c8d%eth0", #"{"client":"fe80::1c2d:3e4f:5a6b:7c8d","scope":"eth0"}"#),
            ("0:0:0:0:0:ffff:c000:201", #"{"client":"::ffff:192.0.2.1"}"#), ("0:0:0:0:0:0:0:0", #"{"client":"::"}"#),
            ("se.example.net", #"{"clientHost":"se.example.net"}"#), ("256.1.1.1", #"{"clientHost":"256.1.1.1"}"#),
            ("1:2:3:4:5:6:7:8:9", #"{"clientHost":"1:2:3:4:5:6:7:8:9"}"#), ("unknown", "{}"),
        ])
    func addresses(_ client: String, _ expected: String) throws {
        let event = try #require(decode(record(#""client":"\#(client)""#)).records.first).event
        let data = try EventVocabulary.data(of: event)
        for name in ["client", "scope", "clientHost"] {
            #expect(data[name] == (try JSONValue(parsing: expected))[name], "\(name)")
        }
    }

    @Test("identities in all their spellings")
    func principals() throws {
        let subject = [
            "/C=DE/CN=a [b], c]", "GroupNamePrincipal[exfel,primary]", "UserNamePrincipal[a,primary]",
            "Origin[10.0.0.7,2001:DB8:0:0:0:0:0:1]", "FQANPrincipal[/cms]", "KerberosPrincipal x", "Entitlement[a]b]",
            "",
            "UidPrincipal[x]",
        ].map { "\"\($0)\"" }.joined(separator: ",")
        let event = try #require(decode(record("\"subject\":[\(subject)]")).records.first).event
        let found = try EventVocabulary.data(of: event)["subject"]
        #expect(found?["dns"] == ["/C=DE/CN=a [b], c]"])
        #expect(found?["groups"] == ["exfel"] && found?["primaryGroup"] == "exfel")
        #expect(found?["names"] == ["a,primary"])
        #expect(found?["origin"] == ["10.0.0.7", "2001:db8::1"])
        #expect(found?["other"] == ["KerberosPrincipal x", "Entitlement[a]b]", "", "UidPrincipal[x]"])
    }

    @Test("the storage class is split at the last @, special paths are none")
    func storageAndPaths() throws {
        let more = #""storageInfo":"a@b@osm","billingPath":"N/A","transferPath":"Unknown","transaction":"t""#
        let failed = record(more).replacing(#"{"code":0,"msg":""}"#, with: #"{"code":7}"#)
        let event = try #require(decode(failed).records.first).event
        let data = try EventVocabulary.data(of: event)
        #expect(data["storageClass"] == "a@b" && data["hsm"] == "osm")
        #expect(data["path"] == nil && data["transferPath"] == nil && event.subject == nil)
        #expect(data["status"] == ["code": 7, "message": ""])
    }

    @Test("escapes are resolved in fields and stay in the native record")
    func escapes() throws {
        let more = #""billingPath":"\/a\u0009b\/ü\ud83d\ude00\"q""#
        let event = try #require(decode(record(more)).records.first).event
        #expect(event.subject == "/a%09b/ü😀\"q")
        #expect(try EventVocabulary.data(of: event)["path"]?.string == "/a\tb/ü😀\"q")
    }

    @Test("an alarm over several lines")
    func alarm() throws {
        let text = """
            { "timestamp" : "2026-05-20T12:00:00.123Z", "level" : "ERROR",
              "mdc" : { "cells.cell" : "pool1", "cells.domain" : "dom" },
              "message" : "broken", "marker" : { "key" : "k", "type" : "POOL_DISABLED", "alarm" : true } }
            """
        let event = try #require(decode(text).records.first).event
        #expect(event.type == "org.dcache.alarm" && event.source == "dcache://pool1@dom")
        #expect(try EventVocabulary.data(of: event)["alarm"] == "POOL_DISABLED")
    }
}
