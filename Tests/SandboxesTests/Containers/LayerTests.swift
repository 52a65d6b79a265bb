import CLinux
import Foundation
import Glibc
import Functions
import TestSupport
import Testing

@testable import Sandboxes

@Suite struct LayerTests {
    /// Unpacks bytes into a new folder beside a canary that must stay as it is.
    final class Bench {
        let folder: TemporaryDirectory
        let ownership: LayerOwnership
        var layer: String { folder.file("inside/layer") }

        init(_ ownership: LayerOwnership = .own) throws {
            folder = try TemporaryDirectory("weir-layer")
            self.ownership = ownership
            try FileManager.default.createDirectory(atPath: folder.file("inside"), withIntermediateDirectories: true)
            try "canary".write(toFile: folder.file("canary"), atomically: true, encoding: .utf8)
        }

        func unpack(_ bytes: [UInt8], _ limits: LayerLimits = LayerLimits()) throws(ContainerError) -> String {
            _ = FileManager.default.createFile(atPath: folder.file("tar"), contents: Data(bytes))
            let file = open(folder.file("tar"), O_RDONLY)
            defer { close(file) }
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
            defer { buffer.deallocate() }
            let budget = LayerBudget(ImageAllowance(limits), packed: Int64(bytes.count))
            var tar = LayerTar(try LayerInput(file: file, buffer: buffer), budget)
            var target = try LayerFolder(creating: layer, ownership)
            try target.unpack(&tar)
            return try tar.finish()
        }

        var isCanaryWhole: Bool { (try? String(contentsOfFile: folder.file("canary"), encoding: .utf8)) == "canary" }
        /// What lies beside the layer: nothing must.
        var strangers: [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter {
                !["inside", "canary", "tar"].contains($0)
            }
                + ((try? FileManager.default.contentsOfDirectory(atPath: folder.file("inside"))) ?? []).filter {
                    $0 != "layer"
                }
        }

        func status(_ name: String) -> stat? {
            var status = stat()
            return lstat(layer + "/" + name, &status) == 0 ? status : nil
        }

        func text(_ name: String) -> String? { try? String(contentsOfFile: layer + "/" + name, encoding: .utf8) }
    }

    private func refusal(_ build: (inout LayerBuilder) -> Void, _ limits: LayerLimits = LayerLimits()) throws
        -> ContainerError?
    {
        var layer = LayerBuilder()
        build(&layer)
        let bench = try Bench()
        defer { #expect(bench.isCanaryWhole && bench.strangers.isEmpty, "\(bench.strangers)") }
        do {
            _ = try bench.unpack(layer.tar, limits)
            return nil
        } catch {
            return error
        }
    }

    @Test func aLayerBecomesWhatItSays() throws {
        var layer = LayerBuilder()
        layer.folder("./", mode: 0o755)
        layer.folder("bin/", mode: 0o555)
        layer.file("bin/tool", "#!", mode: 0o4755)
        layer.link("bin/sh", to: "tool")
        layer.hardLink("bin/again", to: "bin/tool")
        layer.file("deep/er/file", "x")
        layer.file("/absolute", "abs")
        let long = String(repeating: "n", count: 200) + "/" + String(repeating: "m", count: 200)
        layer.file(long, "long")
        layer.folder("tmp", mode: 0o1777)
        let bench = try Bench()
        #expect("sha256:" + (try bench.unpack(LayerBuilder.gzip(layer.tar))) == LayerBuilder.digest(layer.tar))
        #expect(bench.text("bin/tool") == "#!" && bench.text("deep/er/file") == "x" && bench.text("absolute") == "abs")
        #expect(bench.text(long) == "long")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: bench.layer + "/bin/sh") == "tool")
        let tool = try #require(bench.status("bin/tool"))
        #expect(tool.st_mode & 0o7777 == 0o755, "set-id bits do not come along")
        #expect(tool.st_mtim.tv_sec == 1_000_000_000, "times are kept")
        #expect(bench.status("bin/again")?.st_ino == tool.st_ino)
        #expect(bench.status("bin").map { $0.st_mode & 0o7777 } == 0o555)
        #expect(bench.status("bin")?.st_mtim.tv_sec == 1_000_000_000)
        #expect(bench.status("tmp").map { $0.st_mode & 0o7777 } == 0o1777)
    }

    @Test(.enabled(if: geteuid() == 0, "only root can give files away"))
    func ownersAreShiftedOutOfTheHostsIds() throws {
        var layer = LayerBuilder()
        layer.file("a", "", user: 0, group: 0)
        layer.file("b", "", user: 1000, group: 50)
        layer.file("c", "", user: 2_000_000, group: 70_000)
        layer.link("d", to: "a")
        let bench = try Bench(.shifted(by: 1_000_000, count: 65_536))
        _ = try bench.unpack(layer.tar)
        for (name, user, group) in [("a", 0, 0), ("b", 1000, 50), ("c", 65_534, 65_534), ("d", 0, 0), ("", 0, 0)] {
            let status = bench.status(name)
            #expect(
                status?.st_uid == UInt32(1_000_000 + user) && status?.st_gid == UInt32(1_000_000 + group), "\(name)")
        }
    }

    @Test func whiteoutsBecomeWhatOverlayfsReads() throws {
        var layer = LayerBuilder()
        layer.file("etc/.wh.gone", "")
        layer.folder("fresh")
        layer.file("fresh/.wh..wh..opq", "")
        layer.file("fresh/new", "n")
        layer.file(".wh..wh.aufs", "")
        layer.file(".wh..wh.plnk/1.2", "")
        let isRoot = geteuid() == 0
        let bench = try Bench(isRoot ? .shifted(by: 100_000, count: 65_536) : .own)
        // The last entry lies below a mark of AUFS and contradicts itself.
        #expect(throws: ContainerError.self) { _ = try bench.unpack(layer.tar) }
        var sound = LayerBuilder()
        sound.file("etc/.wh.gone", "")
        sound.folder("fresh")
        sound.file("fresh/.wh..wh..opq", "")
        sound.file("fresh/new", "n")
        sound.file(".wh..wh.aufs", "")
        let second = try Bench(bench.ownership)
        _ = try second.unpack(sound.tar)
        let gone = try #require(second.status("etc/gone"))
        #expect(gone.st_mode & S_IFMT == S_IFCHR && gone.st_rdev == 0)
        let name = isRoot ? "trusted.overlay.opaque" : "user.overlay.opaque"
        #expect(weir_has_attribute(second.layer + "/fresh", name) == 1)
        #expect(second.text("fresh/new") == "n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: second.layer).sorted() == ["etc", "fresh"])
    }

    @Test func nothingLeadsOut() throws {
        #expect(try refusal { $0.file("../canary", "owned") }?.code == .invalidImage)
        #expect(try refusal { $0.file("a/../../canary", "owned") }?.code == .invalidImage)
        #expect(
            try refusal {
                $0.pax([("path", "../canary")]); $0.file("x", "owned")
            }?.code == .invalidImage)
        #expect(try refusal { $0.hardLink("x", to: "../../canary") }?.code == .invalidImage)
        #expect(try refusal { $0.hardLink("x", to: "/etc/passwd") }?.code == .invalidImage)
        // Links may lead anywhere: they are the container's. Nothing is written through one that leads out.
        for target in ["..", "../..", "/", "/tmp", "../../canary"] {
            _ = try refusal { layer in
                layer.link("out", to: target)
                layer.file("out/canary", "owned")
            }
            _ = try refusal { layer in
                layer.link("out", to: target)
                layer.folder("out")
                layer.file("out", "owned")
                layer.hardLink("h", to: "out/canary")
            }
        }
        #expect(try refusal { $0.file("..", "owned") }?.code == .invalidImage)
        #expect(try refusal { $0.file(".wh...", "") } == nil, "what would remove .. is left out")
        #expect(try refusal { $0.file("a/.wh.", "") } == nil)
    }

    @Test func aLinkOverAFolderAndTheOtherWayRound() throws {
        var layer = LayerBuilder()
        layer.folder("a")
        layer.file("a/x", "old")
        layer.link("a", to: "b")
        layer.folder("b")
        layer.file("a/y", "through")
        layer.folder("a")
        layer.file("a/z", "in")
        let bench = try Bench()
        _ = try bench.unpack(layer.tar)
        #expect(bench.text("b/y") == "through", "a link inside is followed")
        #expect(bench.text("a/z") == "in" && bench.text("a/x") == nil && bench.text("b/z") == nil)
    }

    @Test func devicesPipesAndForeignMarksAreLeftOut() throws {
        var layer = LayerBuilder()
        layer.add("null", kind: "3", device: (1, 3))
        layer.add("whiteout", kind: "3", device: (0, 0))
        layer.add("disk", kind: "4", device: (8, 0))
        layer.add("pipe", kind: "6")
        layer.pax([("SCHILY.xattr.trusted.overlay.opaque", "y"), ("SCHILY.xattr.security.capability", "\u{1}")])
        layer.folder("d")
        layer.pax([("SCHILY.xattr.user.overlay.redirect", "/etc")])
        layer.folder("e")
        let bench = try Bench()
        _ = try bench.unpack(layer.tar)
        #expect(try FileManager.default.contentsOfDirectory(atPath: bench.layer).sorted() == ["d", "e"])
        #expect(weir_has_attribute(bench.layer + "/d", "trusted.overlay.opaque") == 0)
        #expect(weir_has_attribute(bench.layer + "/e", "user.overlay.redirect") == 0)
    }

    @Test func bombsStopAtTheLimits() throws {
        var limits = LayerLimits()
        limits.totalSize = 1 << 20
        #expect(try refusal({ $0.add("big", [UInt8](repeating: 1, count: 2 << 20)) }, limits)?.code == .tooLarge)
        limits = LayerLimits()
        limits.entries = 10
        #expect(
            try refusal({ layer in for index in 0..<20 { layer.file("f\(index)", "") } }, limits)?.code == .tooLarge)
        let deep = Array(repeating: "d", count: 200).joined(separator: "/")
        #expect(try refusal { $0.file(deep, "") }?.code == .tooLarge)
        #expect(try refusal { $0.file(String(repeating: "n", count: 300), "") }?.code == .invalidImage)
        // A hundred megabytes of zeros, packed to a hundred kilobytes.
        let bench = try Bench()
        var layer = LayerBuilder()
        layer.add("zeros", [UInt8](repeating: 0, count: 100 << 20))
        let packed = LayerBuilder.gzip(layer.tar, level: 9)
        do {
            _ = try bench.unpack(packed)
            Issue.record("was unpacked")
        } catch {
            #expect(error.code == .tooLarge && error.message.contains("bomb"))
        }
    }

    @Test func whatIsNoLayerIsRefused() throws {
        var layer = LayerBuilder()
        layer.file("a", String(repeating: "x", count: 5_000))
        let bytes = layer.tar
        func code(_ bytes: [UInt8]) throws -> ContainerError.Code? {
            let bench = try Bench()
            do {
                _ = try bench.unpack(bytes)
                return nil
            } catch {
                return error.code
            }
        }
        #expect(try code(Array("no tar at all".utf8)) == .invalidImage)
        #expect(try code(Array(bytes[..<2_000])) == .invalidImage, "cut off")
        #expect(try code(Array(LayerBuilder.gzip(bytes).dropLast(20))) == .invalidImage, "gzip cut off")
        #expect(try code([0x28, 0xB5, 0x2F, 0xFD, 0, 0]) == .invalidImage, "zstd")
        #expect(try code(LayerBuilder.gzip(bytes) + LayerBuilder.gzip([])) == nil, "several members")
        #expect(try code([]) == nil, "an empty layer is one")
        #expect(
            try refusal {
                $0.pax([("size", "-1")]); $0.file("a", "")
            }?.code == .invalidImage)
        #expect(
            try refusal {
                $0.pax([("path", "x")], kind: "g"); $0.file("a", "")
            }?.code == .invalidImage)
        #expect(try refusal { $0.add("sparse", kind: "S") }?.code == .invalidImage)
        #expect(try refusal { $0.add("odd", kind: "Z") }?.code == .invalidImage)
    }

    @Test func brokenLayersNeverLeadOutNorTrap() throws {
        var sound = LayerBuilder()
        sound.folder("d")
        sound.file("d/file", "some text that is long enough")
        sound.link("d/link", to: "../d/file")
        sound.hardLink("hard", to: "d/file")
        sound.pax([("path", "d/other"), ("mtime", "12.5"), ("uid", "5")])
        sound.file("x", "y")
        sound.file("d/.wh.gone", "")
        var odd = LayerBuilder()
        odd.link("out", to: "..")
        odd.file("out/canary", "owned")
        odd.link("d", to: "/")
        odd.file("d/.wh..wh..opq", "")
        let corpus = [sound.tar, odd.tar, LayerBuilder.gzip(sound.tar)]
        let generator = SeededGenerator()
        print("seed \(generator.seed)")
        var mutator = Mutator(seed: generator.seed)
        for index in 0..<600 {
            let bench = try Bench()
            // Unpacked or refused: what matters is that nothing else changes.
            _ = try? bench.unpack(mutator.mutate(corpus[index % corpus.count], corpus: corpus))
            #expect(bench.isCanaryWhole && bench.strangers.isEmpty, "seed \(generator.seed), round \(index)")
        }
    }
}
