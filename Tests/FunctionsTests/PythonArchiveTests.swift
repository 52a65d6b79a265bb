import Foundation
import TestSupport
import Testing

@testable import Functions

/// Archives as the tools that people use make them.
@Suite struct PythonArchiveTests {
    private static let python = ["/usr/bin/python3", "/usr/local/bin/python3"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    private static let script = """
        import io, os, sys, tarfile, zipfile
        out = sys.argv[1]
        files = {"main.py": b"x = 1\\n", "lib/" + "d" * 90 + "/" + "\\u00e9" * 60 + ".txt": b"w" * 70000, "lib/empty": b""}
        with zipfile.ZipFile(out + "/a.zip", "w", zipfile.ZIP_DEFLATED) as z:
            for name, data in files.items(): z.writestr(name, data)
        class Unseekable(io.RawIOBase):
            def __init__(self, f): self.f = f
            def writable(self): return True
            def write(self, b): return self.f.write(b)
        with open(out + "/streamed.zip", "wb") as f, zipfile.ZipFile(Unseekable(f), "w", zipfile.ZIP_DEFLATED) as z:
            for name, data in files.items(): z.writestr(name, data)
        for kind, mode, format in [("pax.tar.gz", "w:gz", tarfile.PAX_FORMAT), ("gnu.tgz", "w:gz", tarfile.GNU_FORMAT),
                                   ("ustar.tar", "w", tarfile.USTAR_FORMAT)]:
            with tarfile.open(out + "/" + kind, mode, format=format) as t:
                for name, data in files.items():
                    if format == tarfile.USTAR_FORMAT and len(name.encode()) > 200: name = "lib/short"
                    info = tarfile.TarInfo(name); info.size = len(data); info.mtime = 1.5 if format == tarfile.PAX_FORMAT else 1
                    t.addfile(info, io.BytesIO(data))
        with tarfile.open(out + "/link.tar", "w") as t:
            info = tarfile.TarInfo("passwd"); info.type = tarfile.SYMTYPE; info.linkname = "/etc/passwd"; t.addfile(info)
        with zipfile.ZipFile(out + "/slip.zip", "w") as z: z.writestr("../../evil.py", "x")
        with zipfile.ZipFile(out + "/inner.zip", "w", zipfile.ZIP_DEFLATED) as z: z.writestr("zeros", bytes(30 << 20))
        """

    @Test(.enabled(if: PythonArchiveTests.python != nil, "python3 is not installed"))
    func whatPythonPacksIsReadAsItWasMeant() throws {
        let folder = try TemporaryDirectory()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Self.python))
        process.arguments = ["-I", "-c", Self.script, folder.path]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        func bytes(_ name: String) throws -> [UInt8] {
            [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.file(name))))
        }
        let long = "lib/" + String(repeating: "d", count: 90) + "/" + String(repeating: "\u{E9}", count: 60) + ".txt"
        for name in ["a.zip", "streamed.zip", "pax.tar.gz", "gnu.tgz", "ustar.tar"] {
            var sink = MemorySink()
            let format = try #require(Archive.Format(filename: name))
            _ = try Archive.extract(try bytes(name), format, into: &sink)
            #expect(sink.files["main.py"] == Array("x = 1\n".utf8), "\(name)")
            #expect(sink.files["lib/empty"] == [], "\(name)")
            #expect(sink.files[name == "ustar.tar" ? "lib/short" : long]?.count == 70_000, "\(name)")
            #expect(sink.files.count == 3, "\(name)")
        }
        #expect(
            refusal(try bytes("link.tar"), .tar)
                == "the archive's entry \"passwd\" is a symbolic link: only files and folders are unpacked")
        #expect(
            refusal(try bytes("slip.zip"), .zip)
                == "the archive's entry \"../../evil.py\" leads out of the archive by \"..\"")
        #expect(
            refusal(try bytes("inner.zip"), .zip)
                == "the archive's files are more than 200 times larger than the archive: this looks like a bomb")
    }
}
