import Testing

@testable import Functions

@Suite struct VersionCacheTests {
    private func version(_ name: String) -> FunctionVersion {
        FunctionVersion(namespace: "n", name: name, digest: "d", runtime: .python, entry: "e", codeDirectory: "/c")
    }

    private func key(_ name: String, _ digest: String? = nil) -> VersionCache.Key {
        VersionCache.Key(namespace: "n", name: name, digest: digest)
    }

    @Test func whatIsAskedForStaysAndTheRestGoes() {
        var cache = VersionCache(capacity: 10)
        cache.keep(key("hot"), version("hot"), readAt: cache.epoch)
        for number in 0..<100 {
            cache.keep(key("\(number)"), version("\(number)"), readAt: cache.epoch)
            #expect(cache.find(key("hot")) == .some(version("hot")))
        }
        let held = (0..<100).filter { cache.find(key("\($0)")) != nil }.count
        #expect(held <= 20)
    }

    @Test func whatWasReadBeforeAChangeIsNotKept() {
        var cache = VersionCache(capacity: 10)
        let epoch = cache.epoch
        cache.forget(namespace: "n", name: "f")
        cache.keep(key("f"), version("f"), readAt: epoch)
        #expect(cache.find(key("f")) == nil)
    }

    @Test func aChangeForgetsAllVersionsOfTheFunctionOnly() {
        var cache = VersionCache(capacity: 10)
        for name in ["f", "g"] {
            for digest in [nil, "a", "b"] { cache.keep(key(name, digest), nil, readAt: cache.epoch) }
        }
        cache.forget(namespace: "n", name: "f")
        for digest in [nil, "a", "b"] {
            #expect(cache.find(key("f", digest)) == nil)
            #expect(cache.find(key("g", digest)) == .some(nil))
        }
    }
}
