import HTTPTypes
import Invocation
import CloudEvents
import TestSupport
import Testing

@testable import WeirHTTP

@Suite struct WhiskNameTests {
    @Test(arguments: ["a", "_", "_x", "0", "a b", "a@b.c&d-e", "a-", "a.", String(repeating: "a", count: 256)])
    func names(_ name: String) { #expect(WhiskName.isName(name)) }

    @Test(arguments: ["", " a", "a ", "-a", ".a", "a/b", "a!b", "ä", "a\n", "a\0", String(repeating: "a", count: 257)])
    func whatIsNoName(_ name: String) { #expect(!WhiskName.isName(name)) }

    @Test func references() throws {
        let own = "me"
        #expect(try WhiskPath(reference: "/_/a", own: own) == WhiskPath(namespace: "me", name: "a"))
        #expect(try WhiskPath(reference: "you/p/a", own: own) == WhiskPath(namespace: "you", package: "p", name: "a"))
        for bad in ["", "a", "/a", "/a/b/c/d", "//a", "/a/!"] {
            #expect(throws: WhiskError.self) { try WhiskPath(reference: bad, own: own) }
        }
        let path = try WhiskPath(reference: "/n/p/a", own: own)
        #expect(path.local == "p/a" && path.holder == "n/p" && path.description == "n/p/a")
        #expect(WhiskPath(.init(namespace: "n", name: "p/a")) == path)
        #expect(WhiskPath(.init(namespace: "x", name: "/n/p/a")) == path)
    }

    @Test func versions() {
        #expect(WhiskVersion.after("0.0.1", asked: nil) == "0.0.2")
        #expect(WhiskVersion.after("1.2.9", asked: "2.0.0") == "2.0.0")
        for bad in ["", "1", "1.2", "1.2.3.4", "a.b.c", "1.-2.3", "1..3", "+1.2.3"] {
            #expect(WhiskVersion(bad) == nil)
        }
    }

    private func read(_ path: String) -> String {
        do throws(WhiskError) {
            let segments = path.split(separator: "/", omittingEmptySubsequences: false)
            let (namespace, route) = try WhiskRoute.read(segments)
            return "\(namespace ?? "-") \(route)"
        } catch {
            return "\(error.status.code) \(error.text)"
        }
    }

    @Test func routes() {
        #expect(read("") == "- namespaces")
        #expect(read("_/actions").hasPrefix("_ collection"))
        #expect(read("_/actions/").hasPrefix("_ collection"))
        #expect(read("_/actions/p/") == "_ contents(package: \"p\")")
        #expect(read("_/actions/p%2Fa").contains("Optional(\"p\"), name: \"a\""))
        #expect(read("_/actions/p/a/").contains("Optional(\"p\"), name: \"a\""))
        #expect(read("_/triggers/t/").contains("name: \"t\""))
        #expect(read("_/limits") == "_ limits" && read("_/limits/x") == "_ innerLimits")
        for path in ["_", "_/nothing", "_/triggers/a/b", "_/actions/a/b/c", "_/activations/1/logs/x"] {
            #expect(read(path) == "404 The requested resource could not be found.", "\(path)")
        }
        #expect(read("a!/actions") == "400 The namespace contains illegal characters.")
        #expect(read("_/rules/%zz") == "400 The name of the entity contains illegal characters.")
    }

    @Test func noPathTraps() {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed of the paths: \(seed)")
        var mutator = Mutator(seed: seed)
        let seeds = ["_/actions/p/a", "guest/activations/0123/logs", "_/packages/%41?limit=1&skip=%zz", "_/limits//"]
            .map { Array($0.utf8) }
        for round in 0..<20_000 {
            let bytes = mutator.mutate(seeds[round % seeds.count], corpus: seeds)
            let text = String(decoding: bytes, as: UTF8.self)
            _ = read(text)
            _ = try? WhiskQuery(text[...])
            _ = try? WhiskPath(reference: text, own: "me")
            _ = WebProjection.split(text)
            _ = MediaKind.isBinary(text)
        }
    }
}
