import CloudEvents
import Foundation
import Functions
import Glibc
import Synchronization
import Testing
import TestSupport

@testable import Staging

/// The event's file: this one, this version, and nothing else that a name may lead to.
@Suite struct InputTests {
    private func open(_ desk: Desk, _ event: EventFile) throws -> StagedInput {
        let table = MountTable(
            [StorageMount(name: "raw", path: desk.raw, subject: "/exfel/raw")], folders: { _ in [desk.raw] })
        return try StagedInput(opening: event, at: try table.locate(event, namespace: "default"))
    }

    private func text(_ input: StagedInput) -> String {
        String(decoding: FileBytes.read(input.file.descriptor, limit: 1 << 20) ?? [], as: UTF8.self)
    }

    @Test func theFileIsOpenedByItsSubject() throws {
        let desk = try Desk()
        try desk.write(desk.raw + "/p1/a b.h5", "hello")
        let input = try open(desk, EventFile(subject: "/exfel/raw/p1/a b.h5", source: "dcache://x@y", size: 5))
        #expect(text(input) == "hello" && input.name == "a b.h5" && input.hostPath == desk.raw + "/p1/a b.h5")
        #expect(input.record.mount == "raw" && input.record.path == "p1/a b.h5" && input.record.size == 5)
        try desk.write(desk.raw + "/p1/a b.h5", "changed")
        #expect(stagingError { try input.checkUnchanged() }?.code == .changed)
    }

    @Test func anotherVersionThanTheEventsIsAnError() throws {
        let desk = try Desk()
        let path = desk.raw + "/a.txt"
        try desk.write(path, "hello")
        let state = try open(desk, EventFile(subject: path, source: "file://h")).state
        func message(_ size: Int64?, _ version: String?, _ id: String?) -> String? {
            stagingError {
                _ = try open(
                    desk, EventFile(subject: path, source: "file://h", size: size, version: version, fileID: id))
            }?
            .message
        }
        _ = try open(
            desk,
            EventFile(
                subject: path, source: "file://h", size: 5, version: "\(state.modified)-5", fileID: String(state.inode))
        )
        #expect(
            message(6, nil, nil)?.hasSuffix("has changed since the event: it had 6 bytes then and has 5 now") == true)
        #expect(message(5, "\(state.modified - 1)-5", nil)?.contains("it was last written at") == true)
        #expect(message(5, nil, String(state.inode + 1))?.contains("another file was put in its place") == true)
        // What another storage means by these is not what a local file system says.
        _ = try open(
            desk, EventFile(subject: "/exfel/raw/a.txt", source: "dcache://x@y", version: "1-2", fileID: "0000A1"))
        // Odd values of a producer are no reason.
        _ = try open(desk, EventFile(subject: path, source: "file://h", version: "-", fileID: "x"))
    }

    @Test func whatIsNoFileIsRefused() throws {
        let desk = try Desk()
        let outside = desk.directory.file("secret")
        try desk.write(outside, "secret")
        try desk.write(desk.raw + "/d/f", "in")
        #expect(symlink(outside, desk.raw + "/link") == 0 && symlink("d", desk.raw + "/dlink") == 0)
        #expect(symlink("../", desk.raw + "/up") == 0 && mkfifo(desk.raw + "/pipe", 0o644) == 0)
        func code(_ name: String) -> StagingError.Code? {
            stagingError { _ = try open(desk, EventFile(subject: "/exfel/raw/" + name, source: "s")) }?.code
        }
        #expect(code("link") == .notRegular && code("dlink/f") == .notRegular && code("up/secret") == .notRegular)
        #expect(code("pipe") == .notRegular && code("d") == .notRegular)
        #expect(code("gone") == .missing && code("d/f/x") == .missing)
        #expect(code(String(repeating: "x", count: 300)) == .noFile)
        let table = MountTable([StorageMount(name: "dev", path: "/dev")])
        let device = EventFile(subject: "/dev/null", source: "s")
        let error = stagingError { _ = try StagedInput(opening: device, at: try table.locate(device, namespace: "n")) }
        #expect(error?.message == "the event's file /dev/null is a device, not a file")
    }

    @Test func aFileThatTheServerMayNotReadIsSaid() throws {
        guard geteuid() != 0 else {
            print("skipped: root may read everything")
            return
        }
        let desk = try Desk()
        try desk.write(desk.raw + "/a", "x")
        chmod(desk.raw + "/a", 0)
        #expect(stagingError { _ = try open(desk, EventFile(subject: "/exfel/raw/a", source: "s")) }?.code == .denied)
    }

    /// A folder on the way is swapped against a link to a folder outside, again and again, while files are opened.
    @Test func swappingLinksNeverLeadsOut() throws {
        let desk = try Desk()
        try desk.write(desk.raw + "/d/f", "inside")
        try desk.write(desk.directory.file("other/f"), "outside")
        #expect(symlink(desk.directory.file("other"), desk.raw + "/l") == 0)
        let race = Race()
        let folder = desk.raw
        let thread = Thread {
            while !race.isOver.load(ordering: .relaxed) {
                rename(folder + "/d", folder + "/t")
                rename(folder + "/l", folder + "/d")
                rename(folder + "/d", folder + "/l")
                rename(folder + "/t", folder + "/d")
                race.rounds.wrappingAdd(1, ordering: .relaxed)
            }
        }
        thread.start()
        defer { race.isOver.store(true, ordering: .relaxed) }
        var (opened, refused) = (0, 0)
        while opened == 0 || refused == 0 || opened + refused < 3_000 || race.rounds.load(ordering: .relaxed) < 100 {
            do {
                let input = try open(desk, EventFile(subject: "/exfel/raw/d/f", source: "s"))
                #expect(text(input) == "inside")
                opened += 1
            } catch let error as StagingError {
                #expect([.notRegular, .missing, .ioFailure].contains(error.code), "\(error)")
                refused += 1
            }
        }
        print("opened \(opened), refused \(refused), swapped \(race.rounds.load(ordering: .relaxed)) times")
    }

    @Test func aWorkerWithoutMountsGetsALinkOrACopy() async throws {
        let desk = try Desk()
        try desk.write(desk.raw + "/a.h5", "hello")
        let staging = try Staging(
            MountTable([StorageMount(name: "raw", path: desk.raw, subject: "/exfel/raw")]),
            directory: desk.directory.file("staging"))
        let event = EventFile(subject: "/exfel/raw/a.h5", source: "s")
        let input = try await staging.open(event, namespace: "default").get()
        let scratch = try await staging.makeScratch(for: "v1", call: "c/../1").get()
        let record = try await staging.place(input, in: scratch).get()
        #expect(desk.read(scratch.path(of: input)) == "hello" && record.path == "a.h5")
        #expect(scratch.input.hasPrefix(staging.scratchFolder(of: "v1") + "/input/"))
        // On another file system it is a copy, with its digest.
        if access("/dev/shm", W_OK) == 0 {
            let other = "/dev/shm/weir-staging-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: other) }
            try desk.write(other + "/b", "hello")
            let elsewhere = try StagedInput(
                opening: EventFile(subject: "/b", source: "s"), at: .init(root: other, path: "b", mount: nil))
            let copied = try await staging.place(elsewhere, in: scratch).get()
            #expect(copied.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
        }
        staging.remove(scratch)
        await waitUntil { access(scratch.input, F_OK) != 0 && access(scratch.output, F_OK) != 0 }
        #expect(desk.read(desk.raw + "/a.h5") == "hello", "the file itself stays")
    }
}

/// What a test and the thread that disturbs it share.
final class Race: Sendable {
    let isOver = Atomic(false)
    let rounds = Atomic(0)
}
