import CloudEvents
import Foundation
import Functions
import Glibc
import Synchronization
import Testing
import TestSupport

@testable import Staging

/// What is visible when a publication ends before its end, and what a next start makes of it.
@Suite struct CrashTests {
    /// Plays a crash at the given step of a publication of two files; the steps it went through.
    private func publish(_ desk: Desk, crashingAt step: Int, overwrite: OutputRequest.Overwrite = .never) throws
        -> [OutputPublisher.Step]
    {
        let steps = Mutex<[OutputPublisher.Step]>([])
        let publisher = try desk.publisher { one throws(StagingError) in
            let count = steps.withLock { steps in
                steps.append(one)
                return steps.count
            }
            if count == step { throw StagingError(.ioFailure, OutputPublisher.crash) }
        }
        _ = try? publisher.publish(try desk.job("run/", overwrite: overwrite, activation: "a\(step)"))
        return steps.withLock { $0 }
    }

    @Test(arguments: OutputRequest.Overwrite.allCases)
    func nothingHalfWrittenIsVisibleAndTheNextStartCleansUp(overwrite: OutputRequest.Overwrite) throws {
        let whole = try Desk()
        for desk in [whole] {
            try desk.write(desk.left + "/a", "first")
            try desk.write(desk.left + "/b/c", "second")
        }
        let all = try publish(whole, crashingAt: 0, overwrite: overwrite)
        #expect(all.count == 7, "\(all)")
        for step in 1...all.count {
            let desk = try Desk()
            try desk.write(desk.left + "/a", "first")
            try desk.write(desk.left + "/b/c", "second")
            _ = try publish(desk, crashingAt: step, overwrite: overwrite)
            for file in desk.files(desk.results) where !file.hasSuffix(".part") && !file.hasSuffix(".weir.json") {
                #expect(desk.read(desk.results + "/" + file) == (file == "run/a" ? "first" : "second"))
                #expect(
                    desk.read(desk.results + "/" + file + ".weir.json") != nil,
                    "an output has its record from the first moment")
            }
            #expect(!desk.files(desk.journal).isEmpty)
            // The next start.
            #expect(try PublishJournal(directory: desk.journal).recover() == [])
            #expect(!desk.files(desk.results).contains { $0.hasSuffix(".part") }, "step \(step)")
            #expect(desk.files(desk.journal).isEmpty)
            // The second delivery of the same event.
            let records = try desk.publisher().publish(try desk.job("run/", overwrite: overwrite, activation: "again"))
            #expect(records.map(\.path) == ["run/a", "run/b/c"])
            #expect(desk.read(desk.results + "/run/a") == "first" && desk.read(desk.results + "/run/b/c") == "second")
            #expect(desk.files(desk.results).count == 4)
        }
    }

    @Test func theJournalTouchesItsOwnFilesOnly() throws {
        let desk = try Desk()
        try desk.write(desk.results + "/precious", "p")
        try desk.write(desk.results + "/.weir-1.part", "t")
        try desk.write(desk.directory.file("x/.weir-2.part"), "outside")
        #expect(symlink(desk.directory.file("x"), desk.results + "/l") == 0)
        let record: JSONValue = [
            "root": .string(desk.results),
            "files": ["precious", ".weir-1.part", "l/.weir-2.part", "../x/.weir-2.part", "gone/.weir-3.part"],
        ]
        try desk.write(desk.journal + "/1.json", record.text)
        try desk.write(desk.journal + "/2.json", "{\"root\":")
        let notes = try PublishJournal(directory: desk.journal).recover()
        #expect(notes.count == 1 && notes.first?.contains("symbolic link") == true)
        #expect(
            desk.read(desk.results + "/precious") == "p"
                && desk.read(desk.directory.file("x/.weir-2.part")) == "outside")
        #expect(desk.files(desk.results) == ["precious"] || desk.read(desk.results + "/.weir-1.part") == nil)
        #expect(desk.files(desk.journal) == ["1.json"], "what cannot be done is tried again next time")
    }

    @Test func aMountThatIsNotThereIsTriedAgain() throws {
        let desk = try Desk()
        try desk.write(
            desk.journal + "/1.json", #"{"root":"\#(desk.directory.file("away"))","files":["a/.weir-1.part"]}"#)
        #expect(try PublishJournal(directory: desk.journal).recover().count == 1)
        try desk.write(desk.directory.file("away/a/.weir-1.part"), "t")
        #expect(try PublishJournal(directory: desk.journal).recover() == [])
        #expect(desk.read(desk.directory.file("away/a/.weir-1.part")) == nil && desk.files(desk.journal).isEmpty)
    }

    @Test func aFullDiskIsSaidAndNothingStays() throws {
        let desk = try Desk()
        guard let full = SmallDisk(desk.directory.file("small"), kibibytes: 64) else {
            print("skipped: a small tmpfs cannot be mounted by this user, so the full disk was not tried")
            return
        }
        try desk.write(desk.left + "/a", String(repeating: "x", count: 40_000))
        try desk.write(desk.left + "/b", String(repeating: "y", count: 40_000))
        let error = stagingError { _ = try desk.publisher().publish(try desk.job("run/", mount: full.path)) }
        #expect(
            error?.code == .diskFull && error?.message.hasSuffix("the disk is full") == true,
            "\(String(describing: error))")
        #expect(desk.files(full.path).isEmpty && desk.files(desk.journal).isEmpty)
        unlink(desk.left + "/b")
        #expect(try desk.publisher().publish(try desk.job("run/", mount: full.path)).count == 1)
    }
}

/// A tmpfs of a few pages.
final class SmallDisk {
    let path: String

    /// `nil` when this user may not mount one.
    init?(_ path: String, kibibytes: Int) {
        self.path = path
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard geteuid() == 0, Self.run(["/bin/mount", "-t", "tmpfs", "-o", "size=\(kibibytes)k", "tmpfs", path]) else {
            return nil
        }
    }

    deinit { _ = Self.run(["/bin/umount", "-l", path]) }

    private static func run(_ arguments: [String]) -> Bool {
        var pid: pid_t = 0
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        guard posix_spawn(&pid, arguments[0], nil, nil, &pointers, environ) == 0 else { return false }
        var status: Int32 = 0
        return waitpid(pid, &status, 0) == pid && status == 0
    }
}
