import CloudEvents
import Foundation
import Functions
import Glibc
import Synchronization
import Testing
import TestSupport

@testable import Staging

/// Outputs: whole or not there, with their origin, and only what a run may leave.
@Suite struct OutputTests {
    @Test func anOutputComesWithItsOrigin() throws {
        let desk = try Desk()
        try desk.write(desk.left + "/whatever.bin", "hello")
        let records = try desk.publisher().publish(try desk.job("r/{subject.directory}/{subject.stem}.json"))
        #expect(
            records == [
                OutputRecord(
                    mount: "results", path: "r/exfel/raw/a.json", size: 5,
                    sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
            ])
        #expect(desk.files(desk.results) == ["r/exfel/raw/a.json", "r/exfel/raw/a.json.weir.json"])
        #expect(desk.read(desk.results + "/r/exfel/raw/a.json") == "hello")
        let origin = try JSONValue(
            parsing: Array(try #require(desk.read(desk.results + "/r/exfel/raw/a.json.weir.json")).utf8))
        #expect(origin["format"] == "weir.provenance/1" && origin["activation"] == "0190aa")
        #expect(origin["output"]?["sha256"]?.string == records[0].sha256 && origin["parameters"] == ["a": 1])
        #expect(origin["event"]?["id"] == "event-1" && origin["function"]?["version"] == "v1")
        #expect(origin["inputs"]?.array?.first?["path"] == "a.h5" && origin["time"] == "1970-01-01T00:00:01.000Z")
        #expect(desk.files(desk.journal).isEmpty)
        var status = stat()
        #expect(stat(desk.results + "/r/exfel/raw/a.json", &status) == 0 && status.st_mode & 0o777 == 0o644)
    }

    @Test func severalFilesKeepTheirPaths() throws {
        let desk = try Desk()
        try desk.write(desk.left + "/b/c.txt", "c")
        try desk.write(desk.left + "/a.txt", "a")
        try FileManager.default.createDirectory(atPath: desk.left + "/empty", withIntermediateDirectories: true)
        let records = try desk.publisher().publish(try desk.job("run/", provenance: .folder("origins")))
        #expect(records.map(\.path) == ["run/a.txt", "run/b/c.txt"])
        #expect(
            desk.files(desk.results) == [
                "origins/run/a.txt.weir.json", "origins/run/b/c.txt.weir.json", "run/a.txt", "run/b/c.txt",
            ])
        // One place for several files is none.
        let error = stagingError { _ = try desk.publisher().publish(try desk.job("one.json")) }
        #expect(
            error?.message.hasPrefix("the run left 2 files (a.txt, b/c.txt), but output.to names one place") == true)
        let same = stagingError { _ = try desk.publisher().publish(try desk.job("{output.extension}")) }
        #expect(same?.message.contains("have the same place, txt") == true)
    }

    @Test func aRunThatLeavesNothingPublishesNothing() throws {
        let desk = try Desk()
        #expect(try desk.publisher().publish(try desk.job()) == [])
        #expect(desk.files(desk.results).isEmpty)
    }

    @Test func whatIsThereStaysUnlessItIsToBeReplaced() throws {
        let desk = try Desk()
        try desk.write(desk.left + "/x", "new")
        try desk.write(desk.results + "/a.json", "old")
        let foreign = stagingError { _ = try desk.publisher().publish(try desk.job()) }
        #expect(foreign?.code == .exists && foreign?.message.contains("it has no record of Weir") == true)
        #expect(desk.read(desk.results + "/a.json") == "old" && desk.files(desk.results) == ["a.json"])
        _ = try desk.publisher().publish(try desk.job(overwrite: .replace, key: "key-1", activation: "0190bb"))
        #expect(desk.read(desk.results + "/a.json") == "new")
        // Another event's output, another version's, and one without a key are not this run's.
        for (key, version) in [("key-2", "v1"), ("key-1", "v2"), (nil, "v1")] as [(String?, String)] {
            let other = stagingError { _ = try desk.publisher().publish(try desk.job(key: key, version: version)) }
            #expect(other?.message.contains("activation 0190bb of function f made it") == true)
        }
        #expect(desk.files(desk.results) == ["a.json", "a.json.weir.json"])
    }

    @Test func aSecondDeliveryFindsItsOutput() throws {
        let desk = try Desk()
        try desk.write(desk.left + "/x", "first")
        let first = try desk.publisher().publish(try desk.job(activation: "01"))
        try desk.write(desk.left + "/x", "second")
        let second = try desk.publisher().publish(try desk.job(activation: "02"))
        #expect(
            second == [
                OutputRecord(mount: "results", path: "a.json", size: 5, sha256: first[0].sha256, isEarlier: true)
            ])
        #expect(desk.read(desk.results + "/a.json") == "first" && desk.files(desk.results).count == 2)
        // To be replaced, it is the second's.
        let third = try desk.publisher().publish(try desk.job(overwrite: .replace, activation: "03"))
        #expect(!third[0].isEarlier && desk.read(desk.results + "/a.json") == "second")
        // A record that does not fit what lies beside it proves nothing.
        try desk.write(desk.results + "/a.json", "cut")
        #expect(stagingError { _ = try desk.publisher().publish(try desk.job()) }?.code == .exists)
        try desk.write(desk.results + "/a.json.weir.json", "{\"format\":")
        #expect(stagingError { _ = try desk.publisher().publish(try desk.job()) }?.code == .exists)
    }

    @Test func linksDevicesAndOddNamesAreRefused() throws {
        func refusal(_ make: (String) throws -> Void) throws -> StagingError? {
            let desk = try Desk()
            try desk.write(desk.left + "/good", "good")
            try make(desk.left)
            let error = stagingError { _ = try desk.publisher().publish(try desk.job("x/")) }
            #expect(desk.files(desk.results).isEmpty, "nothing of a refused run is visible")
            return error
        }
        let link = try refusal { symlink("/etc/shadow", $0 + "/l") }
        #expect(link?.message == "the output \"l\" is a symbolic link: only files are taken")
        #expect(try refusal { symlink("/etc", $0 + "/l") }?.code == .refused)
        #expect(try refusal { mkfifo($0 + "/p", 0o644) }?.message.contains("is a pipe") == true)
        #expect(
            try refusal {
                mkdir($0 + "/d", 0o755); symlink("x", $0 + "/d/y")
            }?.message.contains("\"d/y\"") == true)
        for name in ["a\nb", "x.weir.json", ".weir-1.part", "\u{7F}"] {
            #expect(try refusal { close(creat($0 + "/" + name, 0o644)) }?.code == .refused)
        }
        let notUTF8 = try refusal { folder in
            let path = Array(folder.utf8).map { CChar(bitPattern: $0) } + [0x2F, CChar(bitPattern: 0xFF), 0]
            close(creat(path, 0o644))
        }
        #expect(notUTF8?.message.hasPrefix("an output cannot be called \"\\xff\"") == true)
        if geteuid() == 0 {
            #expect(try refusal { mknod($0 + "/n", S_IFCHR | 0o666, 0x103) }?.message.contains("is a device") == true)
        }
        let deep = try refusal { folder in
            try FileManager.default.createDirectory(
                atPath: folder + String(repeating: "/d", count: 20), withIntermediateDirectories: true)
        }
        #expect(deep?.message.contains("nest deeper") == true)
        let many = try refusal { folder in for index in 0...1_000 { close(creat(folder + "/f\(index)", 0o644)) } }
        #expect(many?.message.contains("more than 1000 files") == true)
    }

    @Test func theLimitHoldsForWhatIsThereAndForWhatIsCopied() throws {
        let desk = try Desk()
        try desk.write(desk.left + "/a", String(repeating: "x", count: 600))
        try desk.write(desk.left + "/b", String(repeating: "x", count: 600))
        let both = stagingError { _ = try desk.publisher().publish(try desk.job("x/", limit: 1_000)) }
        #expect(both?.code == .tooLarge && desk.files(desk.results).isEmpty)
        // A file full of holes takes no space where it lies, and a terabyte where it goes.
        #expect(truncate(desk.left + "/a", 1 << 40) == 0)
        #expect(stagingError { _ = try desk.publisher().publish(try desk.job("x/")) }?.code == .tooLarge)
    }

    @Test func aPlaceOverALinkIsRefused() throws {
        let desk = try Desk()
        try desk.write(desk.left + "/x", "x")
        #expect(symlink(desk.raw, desk.results + "/exfel") == 0)
        let error = stagingError { _ = try desk.publisher().publish(try desk.job("{subject.path}")) }
        #expect(error?.code == .notRegular && desk.files(desk.raw).isEmpty)
        // A link where the output is to lie is replaced, not followed.
        try desk.write(desk.raw + "/precious", "precious")
        #expect(symlink(desk.raw + "/precious", desk.results + "/a.json") == 0)
        #expect(stagingError { _ = try desk.publisher().publish(try desk.job()) }?.code == .exists)
        _ = try desk.publisher().publish(try desk.job(overwrite: .replace))
        #expect(desk.read(desk.raw + "/precious") == "precious" && desk.read(desk.results + "/a.json") == "x")
    }

    /// The function goes on changing its folder while what it left is published.
    @Test func aFolderThatChangesMeanwhileGivesNothingFromOutside() throws {
        let desk = try Desk()
        try desk.write(desk.directory.file("secret"), "secret")
        try desk.write(desk.left + "/x", "inside")
        #expect(symlink(desk.directory.file("secret"), desk.left + "/.l") == 0)
        #expect(unlink(desk.left + "/.l") == 0)
        let race = Race()
        let (left, secret) = (desk.left, desk.directory.file("secret"))
        let thread = Thread {
            while !race.isOver.load(ordering: .relaxed) {
                symlink(secret, left + "/../l")
                rename(left + "/../l", left + "/x")
                let file = open(left + "/../f", O_WRONLY | O_CREAT, 0o644)
                write(file, "inside", 6)
                close(file)
                rename(left + "/../f", left + "/x")
                race.rounds.wrappingAdd(1, ordering: .relaxed)
            }
        }
        thread.start()
        defer { race.isOver.store(true, ordering: .relaxed) }
        let publisher = try desk.publisher()
        var (taken, refused) = (0, 0)
        while taken == 0 || refused == 0 || taken + refused < 150 {
            do {
                _ = try publisher.publish(try desk.job("{activation}", overwrite: .replace, activation: "a\(taken)"))
                taken += 1
            } catch is StagingError {
                refused += 1
            }
        }
        print("taken \(taken), refused \(refused), swapped \(race.rounds.load(ordering: .relaxed)) times")
        for name in desk.files(desk.results) where !name.hasSuffix(".weir.json") {
            #expect(desk.read(desk.results + "/" + name) == "inside")
        }
    }

    @Test func ofTwoThatWantAFreePlaceOneGetsIt() async throws {
        let desk = try Desk()
        try desk.write(desk.left + "/x", "x")
        let publisher = try desk.publisher()
        for round in 0..<20 {
            let jobs = try (0..<4).map { try desk.job("r\(round)", key: "k\($0)", activation: "a\($0)") }
            let outcomes = await withTaskGroup(of: Bool.self) { group in
                for job in jobs { group.addTask { (try? publisher.publish(job)) != nil } }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.count { $0 } == 1)
            let origin = try JSONValue(parsing: Array((desk.read(desk.results + "/r\(round).weir.json") ?? "").utf8))
            #expect(origin["output"]?["path"]?.string == "r\(round)")
        }
        #expect(desk.files(desk.results).count == 40)
    }
}
