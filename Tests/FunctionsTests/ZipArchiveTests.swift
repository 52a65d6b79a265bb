import Testing

@testable import Functions

@Suite struct ZipArchiveTests {
    private typealias Member = ZipBuilder.Member

    private func refused(_ change: (inout ZipBuilder.Member) -> Void) -> String? {
        var member = Member("main.py", "print(1)\n")
        change(&member)
        return refusal(ZipBuilder([member]).build(), .zip)
    }

    @Test func filesAndFoldersComeOut() throws {
        var program = Member("bin/run", "#!/bin/sh\n")
        program.mode = 0o104755
        var packed = Member("./lib//data.txt", String(repeating: "weir ", count: 20_000))
        packed.deflate = true
        packed.isLater = true
        var folder = Member("lib/")
        folder.mode = 0o040755
        var builder = ZipBuilder([folder, program, packed, Member("empty")])
        builder.comment = Array("made by a test, PK\u{5}\u{6} inside".utf8)
        var sink = MemorySink()
        let entries = try Archive.extract(builder.build(), .zip, into: &sink)
        #expect(entries.map(\.path) == ["lib", "bin/run", "lib/data.txt", "empty"])
        #expect(sink.files["lib/data.txt"]?.count == 100_000)
        #expect(sink.files["empty"] == [])
        #expect(sink.folders == ["lib"])
        #expect(sink.programs == ["bin/run"])
    }

    @Test(arguments: [
        ("../evil", "the archive's entry \"../evil\" leads out of the archive by \"..\""),
        ("a/../../evil", "the archive's entry \"a/../../evil\" leads out of the archive by \"..\""),
        ("/etc/passwd", "the archive's entry \"/etc/passwd\" has an absolute path"),
        ("a\\..\\b", "the archive's entry \"a\\..\\b\" has a backslash in its name"),
        ("a\u{0}b", "the archive's entry \"a\\u{0}b\" has a control character in its name"),
        ("a\nb", "the archive's entry \"a\\u{a}b\" has a control character in its name"),
        ("", "the archive's entry \"\" has no name"),
        (".", "the archive's entry \".\" has no name"),
    ])
    func namesThatLeadElsewhereAreRefused(_ name: String, _ message: String) {
        #expect(refusal(ZipBuilder([Member(name, "x")]).build(), .zip) == message)
    }

    @Test func longAndDeepNamesAreRefused() {
        let long = String(repeating: "n", count: 256)
        #expect(
            refusal(ZipBuilder([Member(long)]).build(), .zip)
                == "the archive's entry \"\(String(repeating: "n", count: 200))…\" has a part of 256 bytes in its name, "
                + "255 are allowed")
        let longest = String(repeating: "a/", count: 600) + "x"
        #expect(
            refusal(ZipBuilder([Member(longest)]).build(), .zip)?.hasSuffix(
                "has a name of 1201 bytes, 1024 are allowed") == true)
        let deep = String(repeating: "a/", count: 40) + "x"
        #expect(
            refusal(ZipBuilder([Member(deep)]).build(), .zip)
                == "the archive's entry \"\(deep)\" lies 41 folders deep, 32 are allowed")
        var invalid = Member("x")
        invalid.name = [0x61, 0xFF]
        #expect(refusal(ZipBuilder([invalid]).build(), .zip)?.hasSuffix("has a name that is not UTF-8") == true)
    }

    @Test func whatIsNoFileOrFolderIsRefused() {
        #expect(
            refused { $0.mode = 0o120777 }
                == "the archive's entry \"main.py\" is a symbolic link: only files and folders are unpacked")
        for mode in [0o020644, 0o060644, 0o010644, 0o140644] {
            #expect(
                refused { $0.mode = mode }
                    == "the archive's entry \"main.py\" is a device, socket or pipe: only files and folders are unpacked"
            )
        }
        #expect(refused { $0.mode = 0o040755 } == "the archive's entry \"main.py\" is a file and a folder")
        #expect(
            refused {
                $0.name = Array("a/".utf8); $0.mode = 0
            } == "the archive's entry \"a/\" is a folder that has content")
    }

    @Test func namesThatCollideAreRefused() {
        #expect(
            refusal(ZipBuilder([Member("a", "1"), Member("./a", "2")]).build(), .zip)
                == "the archive's entry \"./a\" stands in it twice")
        #expect(
            refusal(ZipBuilder([Member("a", "1"), Member("a/b", "2")]).build(), .zip)
                == "the archive's entry \"a/b\" lies below \"a\", which is a file")
        #expect(
            refusal(ZipBuilder([Member("a/b", "1"), Member("a", "2")]).build(), .zip)
                == "the archive's entry \"a\" is a file and a folder")
    }

    @Test func whatIsNotReadIsSaid() {
        for flag in [1, 0x40, 0x2000] {
            #expect(
                refused { $0.flags = flag }
                    == "the archive's entry \"main.py\" is encrypted: pack it without a password")
        }
        #expect(
            refused { $0.method = 12 }
                == "the archive's entry \"main.py\" is packed by method 12: only \"store\" and \"deflate\" are read")
        let zip64 = "the archive is a zip64 file, which is not read: use fewer or smaller files"
        #expect(refused { $0.extra = [1, 0, 0, 0] } == zip64)
        #expect(refused { $0.size = 0xFFFF_FFFF } == zip64)
        var builder = ZipBuilder([Member("a")])
        builder.entryCount = 0xFFFF
        #expect(refusal(builder.build(), .zip) == zip64)
        builder.entryCount = nil
        builder.disk = 1
        #expect(
            refusal(builder.build(), .zip) == "the archive is one part of a zip file split into several; join them")
    }

    @Test func headersThatDisagreeAreRefused() {
        #expect(
            refused { $0.localName = Array("evil.py".utf8) }
                == "the archive's entry \"main.py\" is described differently in its header and in the directory")
        #expect(
            refused { $0.start = 7 } == "the archive's entry \"main.py\" is not where the zip file's directory says")
        #expect(
            refused { $0.size = 3 }
                == "the archive's entry \"main.py\" has another size than the zip file's directory says")
        for size in [3, 4000] {
            #expect(
                refused {
                    $0.size = size; $0.deflate = true
                }
                    == "the archive's entry \"main.py\" has another size than the zip file's directory says")
        }
        #expect(
            refused { $0.crc = 7 } == "the archive's entry \"main.py\" is damaged: its checksum is wrong")
        #expect(
            refused {
                $0.deflate = true; $0.packed = [0xFF, 0xFF]
            }
                == "the archive's entry \"main.py\" is damaged: it cannot be unpacked")
        #expect(
            refused {
                $0.deflate = true; $0.packed = Array(ZipBuilder.deflate($0.content).dropLast(3))
            }
                == "the archive's entry \"main.py\" is damaged: it cannot be unpacked")
    }

    @Test func whatIsNoZipIsRefused() {
        #expect(refusal([], .zip) == "the file is no zip archive, or it is cut off")
        #expect(refusal(Array("hello".utf8), .zip) == "the file is no zip archive, or it is cut off")
        let sound = ZipBuilder([Member("a", "b")]).build()
        #expect(refusal(Array(sound.dropLast()), .zip) == "the file is no zip archive, or it is cut off")
        #expect(refusal(sound + [0], .zip) == "the file is no zip archive, or it is cut off")
        #expect(
            refusal([0] + sound, .zip) == "the zip file's directory is not where the file says: is it cut off?")
        var builder = ZipBuilder([Member("a"), Member("b")])
        builder.entryCount = 1
        #expect(refusal(builder.build(), .zip) == "the zip file's directory holds more than the file says")
        builder.entryCount = 3
        #expect(refusal(builder.build(), .zip) == "the zip file's directory is damaged")
    }

    @Test func bombsAreRefusedWhileTheyUnpack() {
        var zeros = Member("zeros")
        zeros.content = [UInt8](repeating: 0, count: 4 << 20)
        zeros.deflate = true
        #expect(
            refusal(ZipBuilder([zeros]).build(), .zip)
                == "the archive's files are more than 200 times larger than the archive: this looks like a bomb")
        var limits = ArchiveLimits()
        limits.totalSize = 1 << 19
        #expect(
            refusal(ZipBuilder([zeros]).build(), .zip, limits: limits)
                == "the archive's files are larger than 524288 bytes, which is all that is allowed")
        limits.entries = 3
        let many = (0..<4).map { Member("\($0)") }
        #expect(
            refusal(ZipBuilder(many).build(), .zip, limits: limits)
                == "the archive holds more than 3 entries, which is all that is allowed")
    }

    @Test func entriesThatShareTheirBytesAreRefused() {
        // Both directory records point at the one header.
        var second = Member("a", "same")
        second.start = 0
        var builder = ZipBuilder([Member("a", "same"), second])
        builder.members[1].name = Array("b".utf8)
        builder.members[1].localName = Array("b".utf8)
        #expect(
            refusal(builder.build(), .zip)
                == "the archive's entry \"b\" is described differently in its header and in the directory")
        // A header inside the stored content of another entry.
        let inner = ZipBuilder([Member("b", "x")]).build().prefix(32)
        var outer = Member("a")
        outer.content = Array(inner)
        var overlapping = Member("b", "x")
        overlapping.start = 31
        #expect(
            refusal(ZipBuilder([outer, overlapping]).build(), .zip)
                == "entries of the archive overlap: this looks like a bomb")
    }
}
