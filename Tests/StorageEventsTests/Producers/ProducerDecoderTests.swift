import CloudEvents
import StorageEvents
import TestSupport
import Testing

@Suite("Further producers")
struct ProducerDecoderTests {
    private func decode(_ format: StorageEventFormat, _ text: String, system: String? = nil) -> DecodedBatch {
        var options = LineDecoder.Options()
        options.system = system
        var decoder = LineDecoder(format, options: options)
        var batch = DecodedBatch()
        Array(text.utf8).withUnsafeBytes { decoder.feed($0, into: &batch) }
        decoder.finish(into: &batch)
        return batch
    }

    private func event(_ format: StorageEventFormat, _ text: String, system: String? = nil) throws -> CloudEvent {
        let batch = decode(format, text, system: system)
        #expect(batch.failures.map(\.description) == [])
        let event = try #require(batch.records.first?.event)
        try event.validate()
        return event
    }

    // MARK: EOS

    @Test("EOS: what is written in a path, and whether it stayed")
    func eosPaths() throws {
        let written = try event(
            .eosReport,
            "log=a&path=/eos/a#AND#b 100%25.root&ruid=1&rgid=2&host=h.cern.ch&fid=1&wb=0&rb=5&osize=1&csize=9")
        #expect(written.type == "dev.weir.file.written" && written.subject == "/eos/a&b 100%25.root")
        #expect(written.source == "eos://h.cern.ch" && written["partitionkey"] == .string("/eos"))
        let read = try event(.eosReport, "log=a&path=/eos/x&fid=1&wb=0&rb=5&osize=9&csize=9&")
        #expect(read.type == "dev.weir.file.read")
        let failed = try event(.eosReport, "log=a&path=/eos/x&fid=1&wb=7&osize=0&csize=7&delete_on_close=1")
        #expect(failed.type == "dev.weir.file.write-failed" && failed["outcome"] == .string("error"))
        let removed = try event(
            .eosReport,
            "log=a&host=h&fid=1&fsid=2&path=/eos/a%20b%26c&dc_ts=1525425793&dc_tns=968438733&dsize=3&sec.app=deletion")
        #expect(removed.type == "dev.weir.replica.removed" && removed.subject == "/eos/a b&c")
        #expect(removed.time?.text == "2018-05-04T09:23:13.968438733Z")
        #expect(decode(.eosReport, "junk\n").failures.count == 1)
    }

    @Test("a line that is no UTF-8 is kept whole")
    func bytes() throws {
        var decoder = LineDecoder(.eosReport)
        var batch = DecodedBatch()
        let line = Array("log=a&path=/eos/".utf8) + [0xFF] + Array("&fid=1&wb=1\n".utf8)
        line.withUnsafeBytes { decoder.feed($0, into: &batch) }
        let data = try EventVocabulary.data(of: try #require(batch.records.first?.event))
        #expect(data["nativeBase64"]?.string != nil && data["path"]?.string == "/eos/\u{FFFD}")
    }

    // MARK: XRootD

    @Test("XRootD: a file that was never seen closed is not called written")
    func xrootd() throws {
        let lost = try event(
            .xrootdCollector, #"{"filename":"/a","write":7,"HasFileCloseMsg":0,"end_time":1763663574000}"#)
        #expect(lost.type == "org.xrootd.open-lost" && lost.time?.text == "2025-11-20T18:32:54.000Z")
        let read = try event(.xrootdCollector, #"{"filename":"/a","read":1,"readv":2,"write":0}"#)
        #expect(try EventVocabulary.data(of: read)["bytesRead"] == 3)
        #expect(decode(.xrootdCollector, #"{"filename":""}"#).failures.first?.path == "$.filename")
    }

    // MARK: Lustre

    private static let head = "04:24:09.779203918 2024.08.20"

    @Test(
        "Lustre: types by number and flags",
        arguments: [
            ("02MKDIR", "0x0", "dev.weir.directory.created"), ("06UNLNK", "0x1", "dev.weir.file.deleted"),
            ("07RMDIR", "0x1", "dev.weir.directory.deleted"), ("11CLOSE", "0x42", "dev.weir.file.written"),
            ("14SATTR", "0x44", "dev.weir.file.attributes"), ("16HSM", "0x0", "dev.weir.file.flushed"),
            ("16HSM", "0x80", "dev.weir.file.staged"), ("16HSM", "0x85", "dev.weir.file.stage-failed"),
            ("16HSM", "0x180", "dev.weir.replica.removed"), ("16HSM", "0x280", "org.lustre.hsm"),
            ("00MARK", "0x0", "org.lustre.mark"), ("24NOPEN", "0x0", "org.lustre.nopen"),
        ])
    func lustreTypes(_ kind: String, _ flags: String, _ type: String) throws {
        let event = try event(
            .lustreChangelog, "7 \(kind) \(Self.head) \(flags) t=[0x2:0x1:0x0] j=cp.0 u=1:2 p=[0x3:0x1:0x0]  a  b ")
        #expect(event.type == type)
        #expect(event.subject == "/.lustre/fid/[0x3:0x1:0x0]/ a  b ")
        #expect(event["outcome"] == .string(type.hasSuffix("failed") ? "error" : "ok"))
    }

    @Test("Lustre: a rename has both names, a close none, and blanks may pad the type")
    func lustreNames() throws {
        let moved = try event(
            .lustreChangelog,
            "8 08RENME \(Self.head) 0x0 t=[0:0x0:0x0] ef=0xf p=[0x7:0x1:0x0] new s=[x name s=[0x9:0x1:0x0] sp=[0x8:0x1:0x0] old sp=[ name",
            system: "scratch-MDT0000")
        let data = try EventVocabulary.data(of: moved)
        #expect(moved.source == "lustre://scratch-MDT0000" && moved.type == "dev.weir.file.moved")
        #expect(data["name"] == "new s=[x name" && data["sourceName"] == "old sp=[ name")
        #expect(data["source"] == "0x9:0x1:0x0" && data["sourceParent"] == "0x8:0x1:0x0" && data["target"] == nil)
        let closed = try event(.lustreChangelog, "9 10OPEN  \(Self.head) 0x0 t=[0x2:0x1:0x0] m=-w-")
        #expect(closed.subject == "/.lustre/fid/[0x2:0x1:0x0]")
        #expect(try EventVocabulary.data(of: closed)["openMode"] == "-w-")
    }

    @Test(
        "Lustre: what is no record is said",
        arguments: ["x", "1 CREAT", "1 01CREAT 4 5", "1 01CREAT 04:24:09 2024.08.20 zz"])
    func lustreFailures(_ line: String) { #expect(decode(.lustreChangelog, line).failures.count == 1) }

    // MARK: Storage Scale

    private func scale(_ event: String, _ path: String, cookie: String = "0") -> String {
        #"{"WF_JSON":"0.0.2","event":"\#(event)","path":"\#(path)","cookie":"\#(cookie)","clusterName":"c","fsName":"f","eventTime":"2026-05-20_12:00:03+0200","fileSize":"3"}"#
            + "\n"
    }

    @Test("Storage Scale: renames are joined by their cookie, in either order; a lone half says so")
    func scaleMoves() throws {
        let batch = decode(
            .storageScale,
            scale("IN_MOVED_FROM 0x40", "/a", cookie: "7") + scale("IN_CLOSE_WRITE 0x8", "/w")
                + scale("IN_MOVED_TO IN_ISDIR", "/y", cookie: "9") + scale("IN_MOVED_TO 0x80", "/b", cookie: "7")
                + scale("IN_MOVED_FROM IN_ISDIR", "/x", cookie: "9") + scale("IN_MOVED_TO 0x80", "/in", cookie: "11"))
        #expect(
            batch.records.map(\.event.type) == [
                "dev.weir.file.written", "dev.weir.file.moved", "dev.weir.directory.moved", "dev.weir.file.appeared",
            ])
        let data = try batch.records.map { try EventVocabulary.data(of: $0.event) }
        #expect(data[1]["from"] == "/a" && data[1]["to"] == "/b" && data[1]["native"]?.array?.count == 2)
        #expect(data[2]["from"] == "/x" && batch.records[2].event.subject == "/y")
        #expect(batch.records[0].event.time?.nanoseconds == EventTime("2026-05-20T10:00:03Z")?.nanoseconds)
        #expect(batch.records[0].event.source == "gpfs://c/f")
    }

    @Test("Storage Scale: half of a move waits for only so many records")
    func scalePatience() {
        var decoder = LineDecoder(.storageScale)
        var batch = DecodedBatch()
        func feed(_ text: String) { Array(text.utf8).withUnsafeBytes { decoder.feed($0, into: &batch) } }
        feed(scale("IN_MOVED_FROM 0x40", "/a", cookie: "7"))
        #expect(batch.records.isEmpty && decoder.isWaiting)
        for _ in 0..<17 { feed(scale("IN_OPEN 0x20", "/o")) }
        #expect(batch.records.contains { $0.event.type == "dev.weir.file.disappeared" } && !decoder.isWaiting)
        feed(scale("IN_MOVED_FROM 0x40", "/a", cookie: "8"))
        decoder.settle(into: &batch)
        #expect(batch.records.last?.event.type == "dev.weir.file.disappeared" && !decoder.isWaiting)
    }

    // MARK: Rucio, iRODS, Bluesky

    @Test("Rucio: transfers and deletions are of the common vocabulary, the rest of its own")
    func rucio() throws {
        func type(_ kind: String) throws -> String {
            try event(.rucio, #"{"event_type":"\#(kind)","payload":{"scope":"s","name":"n"}}"#, system: "atlas").type
        }
        #expect(try type("transfer-failed") == "dev.weir.replica.copy-failed")
        #expect(try type("deletion-done") == "dev.weir.replica.removed")
        #expect(try type("RULE_OK") == "org.rucio.rule_ok")
        let nested = try event(
            .rucio, #"{"event_type":"close","payload":"{\"scope\":\"s\",\"name\":\"n\"}"}"#, system: "atlas")
        #expect(nested.subject == "s:n" && nested.source == "rucio://atlas")
        #expect(decode(.rucio, #"{"event_type":"x"}"#).failures.first?.path == "$.payload")
    }

    @Test("iRODS: only what has ended well is of the common vocabulary")
    func irods() throws {
        func type(_ rule: String) throws -> String {
            try event(.irodsAudit, #"{"@timestamp":"1779278401000","rule_name":"\#(rule)","logical_path":"/z/a"}"#).type
        }
        #expect(try type("audit_pep_api_data_obj_put_post") == "dev.weir.file.written")
        #expect(try type("audit_pep_api_data_obj_put_pre") == "org.irods.api_data_obj_put_pre")
        #expect(try type("audit_pep_api_data_obj_unlink_post") == "dev.weir.file.deleted")
    }

    @Test("Bluesky: files of both kinds of resources, and how a run ended")
    func bluesky() throws {
        let resource = try event(
            .bluesky, #"["resource",{"spec":"AD_HDF5","root":"/data","resource_path":"2026/a.h5","run_start":"r"}]"#,
            system: "p10")
        #expect(resource.subject == "/data/2026/a.h5" && resource["partitionkey"] == .string("r"))
        let failed = try event(.bluesky, #"["stop",{"uid":"u","run_start":"r","time":1,"exit_status":"abort"}]"#)
        #expect(failed["outcome"] == .string("error") && failed.type == "dev.weir.run.finished")
        #expect(try event(.bluesky, #"["event_page",{}]"#).type == "org.bluesky.event_page")
        #expect(decode(.bluesky, #"{"a":1}"#).failures.first?.path == "$")
    }

    @Test("the same record read twice is the same event, another is another")
    func identity() throws {
        let line = "log=a&path=/eos/x&fid=1&wb=7"
        #expect(try event(.eosReport, line).id == event(.eosReport, line + "\n").id)
        #expect(try event(.eosReport, line).id != event(.eosReport, line + "&rb=1").id)
    }

    @Test("numbers keep every digit in the native record")
    func digits() throws {
        let event = try event(
            .rucio, #"{"event_type":"x","payload":{"scope":"s","name":"n","big":123456789012345678901234567890}}"#)
        guard case .json(let bytes)? = event.data else { return }
        #expect(String(decoding: bytes, as: UTF8.self).contains("123456789012345678901234567890"))
    }
}
