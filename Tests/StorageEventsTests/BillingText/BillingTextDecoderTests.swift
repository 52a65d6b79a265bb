import CloudEvents
import StorageEvents
import TestSupport
import Testing

@Suite("Billing text decoder")
struct BillingTextDecoderTests {
    @Test("attributes for routing stand in the event")
    func attributes() throws {
        var text = TextLines(zone: ZoneRules(offsetSeconds: 7_200))
        text.add(Sample.mover())
        let event = try #require(text.events.first)
        #expect(event.type == "dev.weir.file.written")
        #expect(event.source == "dcache://p1")
        #expect(event.subject == "/data/a.h5")
        #expect(event.time?.text == "2026-05-20T14:03:07+02:00")
        #expect(event["storagesystem"] == .string("dcache"))
        #expect(event["protocol"] == .string("http"))
        #expect(event["outcome"] == .string("ok"))
        #expect(event["filesize"] == .string("10"))
        #expect(event["filesizemib"] == .integer(1))
        #expect(event["fileid"] == .string("0000C0FFEE5A1D4B4E2F9A6B7C8D9E0F1A2B"))
        #expect(event["pool"] == .string("p1"))
        #expect(event["storageclass"] == .string("e:r"))
        #expect(event["partitionkey"] == .string("/data"))
        #expect(event.id.count == 32)
        #expect(try text.data(0)["native"]?.string == Sample.mover())
    }

    @Test("a path that imitates the rest of a record is read by the protocol's repetition of it")
    func imitation() throws {
        let path = "/a] <Unknown> 0 0 true {x} [door:z] {0:\"\"}"
        var text = TextLines()
        text.add(Sample.mover(path: path), Sample.mover(path: "/b] c@d] e", proto: "NFS4-4.1:192.0.2.1:871"))
        #expect(text.events.map(\.subject) == [path, "/b] c@d] e"])
    }

    @Test("quotes, braces and line feeds in a message are part of it")
    func messages() throws {
        var text = TextLines()
        text.add(Sample.door(code: 10_027, message: "rejected: 404 Not Found (\"no {such} file\")"))
        text.add(
            "05.20 14:07:00 [pool:t@tD:store] [00AA,1] [/x] a:b@osm 1 2 {666:\"first:", "{second", "", "# third\"}")
        #expect(try text.data(0)["status"]?["message"]?.string == "rejected: 404 Not Found (\"no {such} file\")")
        #expect(try text.data(1)["status"]?["message"]?.string == "first:\n{second\n\n# third")
        #expect(text.batch.origins.map(\.lines) == [1, 4])
        #expect(text.batch.failures.isEmpty)
    }

    @Test("a torn record ends where the next begins, and is reported with its line")
    func torn() {
        var text = TextLines()
        text.add("05.20 14:07:00 [pool:t@tD:store] [00AA,1] [/x", Sample.mover(), Sample.door(type: "nonsense x") + "!")
        text.decoder.finish(into: &text.batch)
        #expect(text.events.count == 1)
        #expect(text.batch.failures.map(\.line) == [1, 3])
        #expect(text.batch.failures.allSatisfy { $0.code == .unfinished })
    }

    @Test("JSON lines stand between text lines, even after a torn one")
    func mixed() {
        let json =
            #"{"msgType":"warning","date":"2026-05-20T14:50:00Z","cellName":"P","cellDomain":"d","cellType":"PoolManager","status":{"code":1}}"#
        var text = TextLines()
        text.add(Sample.mover(), json, "05.20 14:07:00 [pool:t@tD:store] [00AA,1] [/x", json, Sample.mover())
        #expect(text.events.map(\.type).filter { $0 == "dev.weir.system.warning" }.count == 2)
        #expect(text.batch.failures.map(\.line) == [3])
    }

    @Test("a header in the middle changes the format of its message only")
    func headers() throws {
        var text = TextLines()
        text.add(Sample.mover(), "## mover-info-message $rc$ $path$ <$pnfsid$> $created$", "7 /a b <00AB> true")
        text.add(Sample.mover(), Sample.door())
        #expect(
            text.events.map(\.type) == [
                "dev.weir.file.written", "dev.weir.file.write-failed", "dev.weir.request.completed",
            ])
        #expect(try text.data(1)["path"]?.string == "/a b")
        #expect(text.batch.failures.map(\.line) == [4])
    }

    @Test(
        "a header that cannot be used is reported, and its old format reads no more",
        arguments: [
            "$path", "$if(x)$a", "$endif$", "$date; format=\"ww\"$ $path$", "no attribute", "$a b$",
        ])
    func badHeaders(_ format: String) {
        var text = TextLines()
        text.add("## mover-info-message \(format)", Sample.mover())
        #expect(text.batch.failures.map(\.code) == [.badFormat, .noFormat])
    }

    @Test("conditions, separators and fields of objects")
    func template() throws {
        var options = BillingTextDecoder.Options()
        options.keepsAttributes = true
        var text = TextLines(options: options)
        text.add(
            "## storage-info-message $date; format=\"yyyy.MM.dd HH:mm:ss:SSS\"$|$type$|$subject.fqans; separator=\";\"$|"
                + "$if(storage)$$storage.map.group$=$storage.hsm$$else$none$endif$|$rc$|$path$",
            "2026.05.20 14:03:07:412|store|/cms;/atlas|raw=osm|0|/x|y", "2026.05.20 14:03:07:412|restore||none|5|/x")
        #expect(text.events.map(\.type) == ["dev.weir.file.flushed", "dev.weir.file.stage-failed"])
        #expect(text.events.first?.time?.text == "2026-05-20T14:03:07.412Z")
        #expect(try text.data(0)["attributes"]?["subject.fqans"]?.string == "/cms;/atlas")
        #expect(try text.data(0)["attributes"]?["storage.map.group"]?.string == "raw")
        #expect(try text.data(1)["attributes"]?["storage.hsm"] == nil)
        #expect(try text.data(1)["attributes"]?["subject.fqans"]?.string == "")
    }

    @Test("bandwidths of text are MiB/s")
    func bandwidth() throws {
        var text = TextLines()
        text.add(
            "## mover-info-message $created$ $meanWriteBandwidth$ $meanReadBandwidth$ $rc$ $path$", "true 1.5 - 0 /a")
        #expect(try text.data(0)["writeBytesPerSecond"]?.double == 1_572_864)
        #expect(try text.data(0)["readBytesPerSecond"] == nil)
    }

    @Test(
        "what a failed or internal record means",
        arguments: [
            (Sample.mover(type: "true", code: 5, message: "x"), "dev.weir.file.write-failed"),
            (Sample.mover(type: "false"), "dev.weir.file.read"),
            (Sample.mover(type: "false", code: 1), "dev.weir.file.read-failed"),
            (Sample.mover(type: "false", initiator: "pool:p2@d2"), "dev.weir.replica.copied"),
            (Sample.mover(type: "false", code: 1, initiator: "pool:p2@d2"), "dev.weir.replica.copy-failed"),
            (Sample.door(type: "remove"), "dev.weir.file.deleted"),
            (Sample.door(type: "remove", code: 10_018), "dev.weir.request.failed"),
            (Sample.door(type: "check"), "org.dcache.check"),
        ])
    func meaning(_ line: String, _ type: String) {
        var text = TextLines()
        text.add(line)
        #expect(text.events.map(\.type) == [type])
    }

    @Test("equal lines are two happenings; the same file read again gives the same ids")
    func identity() {
        func ids(_ name: String) -> [String] {
            var text = TextLines(name)
            text.add(Sample.door(), Sample.door(), Sample.mover(), Sample.door(path: "/b"), Sample.door())
            return text.events.map(\.id)
        }
        let first = ids("billing-2026.05.20")
        #expect(Set(first).count == 5)
        #expect(ids("/copy/of/billing-2026.05.20.old") == first)
    }

    @Test("bytes that are no UTF-8 are shown as damage and kept whole; controls do not stand in attributes")
    func oddBytes() throws {
        var text = TextLines()
        text.add(bytes: Array(Sample.mover(path: "/a/b").utf8).flatMap { $0 == 0x62 ? [0xFF, 0x62] : [$0] })
        text.add(Sample.mover(path: "/tab\there/\u{85}x"))
        let first = try #require(text.events.first)
        #expect(first.subject == "/a/\u{FFFD}b")
        #expect(try text.data(0)["nativeBase64"]?.string != nil)
        #expect(text.events[safe: 1]?.subject == "/tab%09here/%C2%85x")
        #expect(try text.data(1)["path"]?.string == "/tab\there/\u{85}x")
    }

    @Test("a decoder goes on from its kept state as if it had not stopped")
    func state() throws {
        var generator = BillingGenerator(seed: 5, start: 1_779_278_400)
        var lines = BillingGenerator.headerLines + ["## warning-pnfs-file-info-message $date$ W $rc$ $message$"]
        for _ in 0..<200 { lines += generator.next().flatMap { $0.split(separator: "\n").map(String.init) } }
        lines += [Sample.door(date: "05.20 14:00:40"), Sample.door(date: "05.20 14:00:40")]
        var whole = TextLines()
        for line in lines { whole.add(line) }
        for cut in [1, 7, 8, 50, 211, lines.count - 1] {
            var first = TextLines()
            for line in lines[..<cut] { first.add(line) }
            var second = TextLines()
            second.decoder = try BillingTextDecoder(
                restoring: first.decoder.state, fileName: "billing-2026.05.20", zone: .utc)
            for line in lines[cut...] { second.add(line) }
            #expect(first.batch.records + second.batch.records == whole.batch.records, "cut at \(cut)")
        }
        #expect(throws: DecoderStateError.self) {
            try BillingTextDecoder(restoring: [1, 2], fileName: "", zone: .utc)
        }
    }

    @Test("a cell name with odd characters still makes a URI")
    func sources() {
        var text = TextLines()
        text.add(Sample.door().replacing("D@dDomain", with: "GFTP-<unknown>-a/b+c@d Domain"))
        text.add(Sample.door().replacing("D@dDomain", with: "GFTP-<unknown>-a/b+c@dDomain"))
        #expect(text.events.map(\.source) == ["dcache://GFTP-%3Cunknown%3E-a%2Fb+c@dDomain"])
        #expect(text.batch.failures.count == 1)
    }

    @Test("an endless record is given up")
    func endless() {
        var options = BillingTextDecoder.Options()
        options.maximumRecordLength = 1_000
        var text = TextLines(options: options)
        text.add("05.20 14:07:00 [pool:t@tD:store] [00AA,1] [/x")
        for _ in 0..<40 { text.add(String(repeating: "x", count: 50)) }
        #expect(text.batch.failures.first?.code == .tooLong)
        #expect(text.batch.failures.first?.line == 1)
    }
}
