import Testing

@testable import Functions

@Suite struct TarArchiveTests {
    private func refused(_ fill: (inout TarBuilder) -> Void, limits: ArchiveLimits = ArchiveLimits()) -> String? {
        var builder = TarBuilder()
        fill(&builder)
        let plain = refusal(builder.build(), .tar, limits: limits)
        #expect(plain == refusal(ZipBuilder.gzip(builder.build()), .tarGzip, limits: limits), "plain and packed agree")
        return plain
    }

    @Test(arguments: [Archive.Format.tar, .tarGzip]) func filesAndFoldersComeOut(_ format: Archive.Format) throws {
        var builder = TarBuilder()
        builder.add("./", kind: "5")
        builder.add("lib", kind: "5")
        builder.add("lib/a.txt", String(repeating: "x", count: 1000))
        builder.add("run", "#!", mode: 0o6755)
        builder.add("old/", kind: "\0")
        builder.add(Array("name".utf8), [1], prefix: "a/long/prefix")
        builder.pax([("mtime", "1.5"), ("path", "pax/" + String(repeating: "p", count: 150)), ("comment", "ü")])
        builder.add("cut-off-name", "pax")
        builder.add(
            Array("././@LongLink".utf8), Array(("gnu/" + String(repeating: "g", count: 120)).utf8) + [0], kind: "L")
        builder.add("cut", "gnu")
        builder.add("empty")
        let bytes = format == .tar ? builder.build() : ZipBuilder.gzip(builder.build())
        var sink = MemorySink()
        let entries = try Archive.extract(bytes, format, into: &sink)
        #expect(
            entries.map(\.path) == [
                "lib", "lib/a.txt", "run", "old", "a/long/prefix/name", "pax/" + String(repeating: "p", count: 150),
                "gnu/" + String(repeating: "g", count: 120), "empty",
            ])
        #expect(sink.files["lib/a.txt"]?.count == 1000)
        #expect(sink.files["empty"] == [])
        #expect(sink.folders == ["lib", "old"])
        #expect(sink.programs == ["run"])
    }

    @Test func severalGzipMembersAndPaddingAreRead() throws {
        var builder = TarBuilder()
        builder.add("a", "1")
        let bytes = builder.build()
        let packed = ZipBuilder.gzip(Array(bytes.prefix(600))) + ZipBuilder.gzip(Array(bytes.dropFirst(600))) + [0, 0]
        var sink = MemorySink()
        _ = try Archive.extract(packed, .tarGzip, into: &sink)
        #expect(sink.files == ["a": [0x31]])
    }

    @Test(
        arguments: [
            ("1", "is a hard link: only files and folders are unpacked"),
            ("2", "is a symbolic link: only files and folders are unpacked"),
            ("3", "is a device: only files and folders are unpacked"),
            ("4", "is a device: only files and folders are unpacked"),
            ("6", "is a pipe: only files and folders are unpacked"),
            ("S", "is a sparse file: pack it without --sparse"),
            ("M", "belongs to an archive of several volumes; join them"),
            ("Z", "is of a kind that is not known (90)"),
        ] as [(Character, String)])
    func whatIsNoFileOrFolderIsRefused(_ kind: Character, _ message: String) {
        #expect(refused { $0.add("sneaky", kind: kind) } == "the archive's entry \"sneaky\" \(message)")
    }

    @Test func namesThatLeadElsewhereAreRefused() {
        #expect(
            refused { $0.add("../evil", "x") } == "the archive's entry \"../evil\" leads out of the archive by \"..\"")
        #expect(refused { $0.add("/etc/x", "x") } == "the archive's entry \"/etc/x\" has an absolute path")
        #expect(
            refused {
                $0.pax([("path", "../../evil")])
                $0.add("harmless", "x")
            } == "the archive's entry \"../../evil\" leads out of the archive by \"..\"")
        #expect(
            refused {
                $0.pax([("path", "/evil")], kind: "g")
                $0.add("harmless", "x")
            } == "the archive's entry \"pax\" sets one name or size for all entries")
        #expect(
            refused {
                $0.add("link", kind: "2")
                $0.add("link/passwd", "x")
            } == "the archive's entry \"link\" is a symbolic link: only files and folders are unpacked")
        #expect(
            refused {
                $0.add("a", "1")
                $0.add("a", "2")
            } == "the archive's entry \"a\" stands in it twice")
    }

    @Test func damageIsNoticed() {
        #expect(refusal([], .tar) == "the tar file is empty")
        #expect(
            refusal(Array(String(repeating: "no tar file ", count: 60).utf8), .tar)
                == "the file is no tar archive, or it is damaged: a header's checksum is wrong")
        #expect(
            refused { $0.add(Array("a".utf8), [1], damage: true) }
                == "the file is no tar archive, or it is damaged: a header's checksum is wrong")
        var builder = TarBuilder()
        builder.add("a", String(repeating: "x", count: 1000))
        #expect(refusal(builder.build(endMark: false), .tar) == "the tar file has no end mark: is it cut off?")
        #expect(refusal(Array(builder.build().prefix(900)), .tar) == "the archive's entry \"a\" is cut off")
        #expect(
            refusal(Array(builder.build().prefix(100)), .tar) == "the tar file is cut off in the middle of a header")
        #expect(
            refused {
                $0.pax([("size", "99999999999999")]); $0.add("a", "b")
            } == "the archive's entry \"a\" is cut off")
        #expect(
            refused {
                $0.pax([("size", "-1")]); $0.add("a", "b")
            } == "the archive's entry \"pax\" has a damaged pax header")
        #expect(
            refused {
                $0.pax([("GNU.sparse.major", "1")]); $0.add("a", "b")
            }
                == "the archive's entry \"pax\" is a sparse file: pack it without --sparse")
        #expect(
            refused { $0.add(Array("p".utf8), Array("999 path=x\n".utf8), kind: "x") }
                == "the archive's entry \"p\" has a damaged pax header")
        #expect(refused { $0.pax([("path", "x")]) } == "the tar file ends after the header of an entry: is it cut off?")
        #expect(
            refused { $0.add(Array("a".utf8), size: "0000000000x") } == "the archive's entry \"a\" has a damaged header"
        )
        #expect(
            refused { $0.add(Array("L".utf8), size: "77777777777", link: "") } == "the archive's entry \"L\" is cut off"
        )
        #expect(
            refused { $0.add(Array("L".utf8), kind: "L", size: "77777777777") }
                == "the archive's entry \"L\" has a header of more than 64 KiB")
    }

    @Test func damagedGzipIsNoticed() {
        var builder = TarBuilder()
        builder.add("a", "1")
        let packed = ZipBuilder.gzip(builder.build())
        let message = "the archive is no gzip file, damaged or cut off"
        #expect(refusal(Array("hello".utf8), .tarGzip) == message)
        #expect(refusal(Array(packed.dropLast(4)), .tarGzip) == message)
        #expect(refusal(packed + [1], .tarGzip) == message)
        var wrong = packed
        wrong[packed.count - 6] ^= 1
        #expect(refusal(wrong, .tarGzip) == message, "the checksum behind the data counts")
    }

    @Test func bombsAreRefusedWhileTheyUnpack() {
        var builder = TarBuilder()
        builder.add(Array("zeros".utf8), [UInt8](repeating: 0, count: 4 << 20))
        let bomb = "the archive's files are more than 200 times larger than the archive: this looks like a bomb"
        #expect(refusal(ZipBuilder.gzip(builder.build()), .tarGzip) == bomb)
        // Behind the end mark, where no entry stands.
        var small = TarBuilder()
        small.add("a", "1")
        #expect(
            refusal(ZipBuilder.gzip(small.build() + [UInt8](repeating: 0, count: 4 << 20)), .tarGzip) == bomb)
        var limits = ArchiveLimits()
        limits.entries = 3
        #expect(
            refused({ tar in for name in ["a", "b", "c", "d"] { tar.add(name) } }, limits: limits)
                == "the archive holds more than 3 entries, which is all that is allowed")
        #expect(
            refused({ tar in for _ in 0..<20 { tar.pax([("path", "x")]) } }, limits: limits)
                == "the archive holds more than 3 entries, which is all that is allowed")
        limits.totalSize = 1000
        #expect(
            refusal(builder.build(), .tar, limits: limits)
                == "the archive's files are larger than 1000 bytes, which is all that is allowed")
    }
}
