import CloudEvents
import EventSources
import Foundation
import TestSupport
import Testing

@Suite struct FolderSourceTests {
    @Test func aThousandFilesInNewNestedFoldersAreEachAnnouncedOnce() async throws {
        let bench = try FolderBench()
        try await bench.watching { _ in
            let script = """
                import os, sys
                for i in range(1000):
                    d = os.path.join(sys.argv[1], "a%d" % (i % 10), "b%d" % (i % 50), "c%d" % (i % 200))
                    os.makedirs(d, exist_ok=True)
                    with open(os.path.join(d, "f%d" % i), "w") as f: f.write("x" * i)
                """
            #expect(try await run("/usr/bin/env", ["python3", "-c", script, bench.root]) == 0)
            try await eventually("1000 files are announced") { bench.names("file.written").count >= 1000 }
            try await bench.settle()
        }
        let names = bench.names("file.written").filter { !$0.hasPrefix("settle") }
        #expect(names.count == 1000)
        #expect(Set(names).count == 1000)
        let directories = bench.names("directory.created")
        #expect(directories.count == 10 + 50 + 200)
        #expect(Set(directories).count == directories.count)
        for event in bench.channel.events where event.type == "dev.weir.file.written" {
            let name = try #require(event.subject?.split(separator: "/").last)
            guard name.hasPrefix("f"), let number = Int(name.dropFirst()) else { continue }
            #expect(event["filesize"] == .string(String(number)), "complete when it is announced")
        }
    }

    @Test func aHalfWrittenFileIsAnnouncedOnlyWhenItIsClosed() async throws {
        let bench = try FolderBench()
        // One is open before the watch, one is made after it, one in a folder that is new.
        #expect(FileManager.default.createFile(atPath: bench.root + "/before", contents: nil))
        let before = try #require(FileHandle(forWritingAtPath: bench.root + "/before"))
        try before.write(contentsOf: Data("half".utf8))
        try await bench.watching { _ in
            try bench.makeDirectory("new")
            #expect(FileManager.default.createFile(atPath: bench.root + "/new/after", contents: nil))
            try await eventually("the creation is announced") { bench.names("file.written").contains("new/after") }
            let after = try #require(FileHandle(forWritingAtPath: bench.root + "/new/after"))
            try after.write(contentsOf: Data("half".utf8))
            try await bench.settle()
            #expect(!bench.names("file.written").contains("before"))
            #expect(bench.names("file.written").count { $0 == "new/after" } == 1)
            try before.write(contentsOf: Data(" whole".utf8))
            try after.write(contentsOf: Data(" whole".utf8))
            try before.close()
            try after.close()
            try await eventually("both are announced") {
                bench.names("file.written").contains("before")
                    && bench.names("file.written").count { $0 == "new/after" } == 2
            }
        }
        let sizes = bench.channel.events.filter {
            $0.type == "dev.weir.file.written" && $0.subject?.hasSuffix("before") == true
        }
        .map { $0["filesize"] }
        #expect(sizes == [.string("10")])
    }

    @Test func renamesAreOneEventAndLoneHalvesAppearOrDisappear() async throws {
        let bench = try FolderBench()
        let outside = bench.temporary.path
        try await bench.watching { _ in
            try bench.write("a.txt")
            try await eventually("a is announced") { bench.names("file.written").contains("a.txt") }
            try bench.rename("a.txt", to: "b.txt")
            try bench.makeDirectory("d1/sub")
            try bench.write("d1/sub/inner")
            try await eventually("inner is announced") { bench.names("file.written").contains("d1/sub/inner") }
            try bench.rename("d1", to: "d2")
            try bench.write("d2/sub/later")
            try await eventually("later is announced under the new path") {
                bench.names("file.written").contains("d2/sub/later")
            }
            try bench.rename("b.txt", to: outside + "/b.txt")
            try await eventually("b is gone") { bench.names("file.disappeared") == ["b.txt"] }
            try bench.rename("d2", to: outside + "/d2")
            try await eventually("d2 is gone") { bench.names("directory.disappeared").contains("d2") }
            try Data("outside".utf8).write(to: URL(fileURLWithPath: outside + "/d2/sub/unseen"))
            #expect(Foundation.rename(outside + "/b.txt", bench.root + "/c.txt") == 0)
            try await eventually("c is there") { bench.names("file.appeared") == ["c.txt"] }
            #expect(Foundation.rename(outside + "/d2", bench.root + "/d3") == 0)
            try await eventually("d3 is there with its files") {
                Set(bench.names("file.appeared")) == ["c.txt", "d3/sub/inner", "d3/sub/later", "d3/sub/unseen"]
            }
            try await bench.settle()
        }
        #expect(bench.names("file.moved") == ["b.txt"])
        #expect(bench.names("directory.moved") == ["d2"])
        let move = try #require(bench.channel.events.first { $0.type == "dev.weir.file.moved" })
        guard case .json(let bytes) = move.data else {
            Issue.record("no data")
            return
        }
        #expect(try JSONValue(parsing: bytes)["from"]?.string == bench.root + "/a.txt")
        #expect(!bench.names("file.written").contains("d3/sub/unseen"))
    }

    @Test func aFilePutInPlaceFromAnExcludedNameIsWritten() async throws {
        let bench = try FolderBench()
        try await bench.watching({ $0.filter = NameFilter(exclude: [Glob("*.tmp"), Glob(".*")]) }) { _ in
            try bench.write("x.tmp")
            try bench.rename("x.tmp", to: "x.h5")
            try bench.makeDirectory(".hidden")
            try bench.write(".hidden/y")
            try await eventually("x is announced") { bench.names("file.written").contains("x.h5") }
            try await bench.settle()
        }
        #expect(bench.names("file.written").filter { !$0.hasPrefix("settle") } == ["x.h5"])
        #expect(bench.names("file.moved").isEmpty)
        #expect(bench.names("directory.created").isEmpty)
    }

    @Test func aTemporaryFileRenamedAtOnceIsAnnouncedUnderBothNames() async throws {
        let bench = try FolderBench()
        try await bench.watching { _ in
            for number in 0..<50 {
                try bench.write("p\(number).part", "part \(number)")
                try bench.rename("p\(number).part", to: "p\(number)")
            }
            try await eventually("all are moved") { bench.names("file.moved").count == 50 }
            try await bench.settle()
        }
        // Seen rarely on a busy machine: a file that is renamed before its closing is looked at is told as moved only.
        withKnownIssue("a name that is gone when its closing is looked at", isIntermittent: true) {
            #expect(bench.names("file.written").filter { $0.hasSuffix(".part") }.count == 50)
        }
    }

    @Test func deletionReadingAndAttributesHaveTheirTypes() async throws {
        let bench = try FolderBench()
        try await bench.watching { _ in
            try bench.write("f")
            try await eventually("f is announced") { bench.names("file.written").contains("f") }
            _ = try Data(contentsOf: URL(fileURLWithPath: bench.root + "/f"))
            try await eventually("the read is announced") { bench.names("file.read") == ["f"] }
            #expect(chmod(bench.root + "/f", 0o600) == 0)
            try await eventually("the mode is announced") { bench.names("file.attributes") == ["f"] }
            try bench.remove("f")
            try await eventually("f is gone") { bench.names("file.deleted") == ["f"] }
            try bench.makeDirectory("d")
            try await eventually("d is there") { bench.names("directory.created") == ["d"] }
            try bench.remove("d")
            try await eventually("d is gone") { bench.names("directory.deleted") == ["d"] }
        }
        let event = try #require(bench.channel.events.first { $0.type == "dev.weir.file.written" })
        #expect(event.source == "file://testhost")
        #expect(event.subject == bench.root + "/f")
        #expect(event["storagesystem"] == .string("posix"))
        #expect(event["filesize"] == .string("7"))
        #expect(event["partitionkey"] == .string(bench.root))
    }

    @Test func nativeEventsComeOnRequestOnly() async throws {
        let bench = try FolderBench()
        try await bench.watching({ $0.publish = [.create, .open] }) { _ in
            try bench.write("f")
            try await bench.settle()
        }
        let types = bench.channel.events.filter { $0.subject?.hasSuffix("/f") == true }.map(\.type)
        #expect(types.contains("org.kernel.inotify.IN_CREATE"))
        #expect(types.contains("org.kernel.inotify.IN_OPEN"))
        #expect(!types.contains("org.kernel.inotify.IN_MODIFY"))
    }

    @Test func linksAreNotFollowedAndAHardLinkIsANewFile() async throws {
        let bench = try FolderBench()
        let outside = bench.temporary.path + "/outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        try Data("secret".utf8).write(to: URL(fileURLWithPath: outside + "/secret"))
        try await bench.watching { _ in
            try bench.write("f")
            #expect(symlink(outside, bench.root + "/loop") == 0)
            #expect(symlink(bench.root, bench.root + "/self") == 0)
            #expect(link(bench.root + "/f", bench.root + "/g") == 0)
            try await eventually("g is announced") { bench.names("file.written").contains("g") }
            try await bench.settle()
        }
        #expect(Set(bench.names("file.written").filter { !$0.hasPrefix("settle") }) == ["f", "g"])
    }

    @Test func aNameThatIsNoUTF8GoesToTheDeadLetters() async throws {
        let bench = try FolderBench()
        try await bench.watching { _ in
            let path = Array(bench.root.utf8) + [0x2F, 0x66, 0xFF, 0xFE]
            let descriptor = path.map { CChar(bitPattern: $0) }.withUnsafeBufferPointer { buffer in
                var text = Array(buffer)
                text.append(0)
                return open(text, O_CREAT | O_WRONLY, 0o600)
            }
            #expect(descriptor >= 0)
            close(descriptor)
            try await eventually("it is set aside") { bench.deadLetters.count > 0 }
        }
        let event = try #require(bench.deadLetters.events.first)
        #expect(event.type == "dev.weir.source.unreadable")
        #expect(event.data == .bytes([0x66, 0xFF, 0xFE]))
        #expect(event["reason"]?.canonicalText.contains("UTF-8") == true)
    }
}
