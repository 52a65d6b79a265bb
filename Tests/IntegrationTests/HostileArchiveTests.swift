import CloudEvents
import Foundation
import TestSupport
import Testing

/// Archives that are made to do harm are refused whole, and leave no trace.
@Suite(.fewAtATime) struct HostileArchiveTests {
    /// Makes the archives in the folder that it is given.
    private static let maker = """
        import io, os, struct, sys, tarfile, zipfile
        os.chdir(sys.argv[1])
        CODE = b"def main(args):\\n    return {'ok': True}\\n"

        def zipped(name, *entries, attributes=None, code=True):
            with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
                if code: archive.writestr("__main__.py", CODE)
                for path, content in entries:
                    info = zipfile.ZipInfo(path)
                    info.compress_type = zipfile.ZIP_DEFLATED
                    info.create_system = 3
                    info.external_attr = (attributes or 0o100644) << 16
                    archive.writestr(info, content)

        zipped("good.zip", ("data/table.txt", b"1"))
        zipped("slip.zip", ("../weir-escape.txt", b"x"))
        zipped("deepslip.zip", ("a/b/../../../weir-escape.txt", b"x"))
        zipped("absolute.zip", ("/tmp/weir-escape.txt", b"x"))
        zipped("backslash.zip", ("..\\\\weir-escape.txt", b"x"))
        zipped("symlink.zip", ("link", b"/etc/passwd"), attributes=0o120777)
        zipped("device.zip", ("tty", b""), attributes=0o020666)
        zipped("bomb.zip", ("zeros", bytes(64 << 20)))
        zipped("twice.zip", ("__main__.py", CODE))
        whole = open("good.zip", "rb").read()
        open("cut.zip", "wb").write(whole[:len(whole) // 2])
        open("none.zip", "wb").write(b"this is no archive at all")
        open("empty.zip", "wb").write(b"")

        def tarred(name, mode, *entries):
            with tarfile.open(name, mode) as archive:
                info = tarfile.TarInfo("__main__.py")
                info.size = len(CODE)
                archive.addfile(info, io.BytesIO(CODE))
                for path, kind, target in entries:
                    info = tarfile.TarInfo(path)
                    info.type = kind
                    info.linkname = target
                    archive.addfile(info)

        tarred("slip.tar", "w", ("../weir-escape.txt", tarfile.REGTYPE, ""))
        tarred("dots.tar.gz", "w:gz", ("a/../../weir-escape.txt", tarfile.REGTYPE, ""))
        tarred("absolute.tar", "w", ("/tmp/weir-escape.txt", tarfile.REGTYPE, ""))
        tarred("symlink.tar.gz", "w:gz", ("link", tarfile.SYMTYPE, "/etc"), ("link/weir-escape", tarfile.REGTYPE, ""))
        tarred("hardlink.tar", "w", ("link", tarfile.LNKTYPE, "/etc/passwd"))
        tarred("device.tar", "w", ("null", tarfile.CHRTYPE, ""))
        tarred("pipe.tar.gz", "w:gz", ("pipe", tarfile.FIFOTYPE, ""))
        with tarfile.open("bomb.tar.gz", "w:gz") as archive:
            info = tarfile.TarInfo("zeros")
            info.size = 64 << 20
            archive.addfile(info, io.BytesIO(bytes(64 << 20)))
        whole = open("dots.tar.gz", "rb").read()
        open("cut.tar.gz", "wb").write(whole[:len(whole) // 2])
        """

    /// What each refusal must name.
    private static let archives: [(name: String, words: [String])] = [
        ("slip.zip", ["../weir-escape.txt"]), ("deepslip.zip", ["weir-escape.txt"]),
        ("absolute.zip", ["/tmp/weir-escape.txt", "absolute"]), ("backslash.zip", ["weir-escape.txt", "backslash"]),
        ("symlink.zip", ["link", "symbolic link"]), ("device.zip", ["tty", "device"]), ("bomb.zip", ["bomb"]),
        ("twice.zip", ["__main__.py", "twice"]), ("cut.zip", ["cut off"]), ("none.zip", ["no zip archive"]),
        ("empty.zip", []), ("slip.tar", ["../weir-escape.txt"]), ("dots.tar.gz", ["weir-escape.txt", ".."]),
        ("absolute.tar", ["/tmp/weir-escape.txt", "absolute"]), ("symlink.tar.gz", ["link", "symbolic link"]),
        ("hardlink.tar", ["link"]), ("device.tar", ["null", "device"]), ("pipe.tar.gz", ["pipe"]),
        ("bomb.tar.gz", ["bomb"]), ("cut.tar.gz", ["cut off"]),
    ]

    @Test func theyAreRefusedAndNothingIsWritten() async throws {
        let folder = try TemporaryDirectory("weir-archives")
        let server = try await ServerProcess(data: folder.file("data"))
        let client = server.client
        let made = try await Command.python(Self.maker, folder.path)
        try #require(made.status == 0, "\(made.errors)")
        func bytes(_ name: String) throws -> [UInt8] {
            [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.file(name))))
        }
        try await client.function("good", file: "good.zip", try bytes("good.zip"), ["runtime": "python"])
        try await client.make("channels/in", [:])
        try await client.publish("in", [TestClient.event("kept")])
        let before = Self.files(folder.file("data"))

        for (name, words) in Self.archives {
            for function in ["bad", "good"] {
                let answer = try await client.put(
                    "/v1/functions/\(function)", TestClient.upload(name, try bytes(name), ["runtime": "python"]))
                expectProblem(answer, 422, "invalid-function", saying: words, name)
            }
        }

        #expect(Self.files(folder.file("data")) == before)
        #expect(!FileManager.default.fileExists(atPath: "/tmp/weir-escape.txt"))
        #expect(Self.files(folder.path).allSatisfy { !$0.contains("weir-escape") })
        #expect(try await client.call("GET", "/v1/functions/bad").status == 404)
        let versions = try await client.call("GET", "/v1/functions/good/versions").json["items"]?.array
        #expect(versions?.count == 1)
        let run = try await client.call("POST", "/v1/functions/good/invoke?blocking=true", body: Array("{}".utf8))
        #expect(run.json["result"] == ["ok": true], "\(run.text)")
        #expect(try await client.ids("in") == ["kept"])
    }

    /// Everything below a folder but what grows by itself: the log and the registry's write-ahead file.
    private static func files(_ folder: String) -> Set<String> {
        Set(
            Fixtures.files(under: folder) { name in
                !name.contains("channels/") && !name.contains("registry.sqlite") && !name.contains("server.log")
            })
    }
}
