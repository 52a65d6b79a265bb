import TestSupport
import Testing

@testable import Functions

@Suite struct ImageReferenceTests {
    private static let digest = "sha256:" + String(repeating: "0a", count: 32)

    @Test(arguments: [
        ("registry.example.org/project/name:1.2", "registry.example.org/project/name:1.2"),
        ("127.0.0.1:5000/base", "127.0.0.1:5000/base:latest"),
        ("localhost/base:a_B.c-1", "localhost/base:a_B.c-1"),
        ("busybox", "docker.io/library/busybox:latest"),
        ("openwhisk/action-python-v3.11", "docker.io/openwhisk/action-python-v3.11:latest"),
        ("EXAMPLE.org/a__b/c---d.e", "example.org/a__b/c---d.e:latest"),
        ("[::1]:5000/x/y@\(digest)", "[::1]:5000/x/y@\(digest)"),
        ("host:1/x:tag@\(digest)", "host:1/x:tag@\(digest)"),
    ])
    func aNameIsReadAndWrittenOutWhole(_ text: String, _ whole: String) throws {
        let image = try ImageReference(text)
        #expect(image.description == whole)
        #expect(try ImageReference(whole) == image, "the whole form reads back the same")
    }

    @Test(arguments: [
        "", "/", "host/", "a//b", "host.org/Upper", "host.org/a:", "host.org/a:.b", "host.org/a b", "host.org/../b",
        "host.org/a@sha256:00", "host.org/a@md5:\(String(repeating: "0", count: 64))", "host.org:0/a",
        "host.org:70000/a", "-host.org/a", "host.org/a_-b", "host.org/a..b", "host.org/-a", "host.org/a-", "[::1/a",
        "host.org/\(String(repeating: "a", count: 256))", "host.org/a:\(String(repeating: "t", count: 129))",
        "user@host.org/a", "http://host.org/a", "host.org/a\n", "host.org/a\0",
    ])
    func whatIsNoNameIsRefusedWithAReason(_ text: String) {
        #expect(throws: ImageReferenceError.self) { try ImageReference(text) }
    }

    @Test func onlyAddressesOfThisMachineAreLoopback() throws {
        for (name, isLoopback) in [
            ("localhost:5000/a", true), ("127.0.0.1/a", true), ("127.8.9.10:1/a", true), ("[::1]:5000/a", true),
            ("127.0.0.1.example.org/a", false), ("localhost.example.org/a", false), ("10.0.0.1/a", false), ("a", false),
        ] { #expect(try ImageReference(name).isLoopback == isLoopback, "\(name)") }
    }

    @Test func brokenNamesNeverTrap() throws {
        let corpus = ["registry.example.org:5000/a/b_c:tag@\(Self.digest)", "[::1]:5000/x/y", "busybox:1"]
            .map { Array($0.utf8) }
        var mutator = Mutator(seed: SeededGenerator().seed)
        for index in 0..<20_000 {
            let bytes = mutator.mutate(corpus[index % corpus.count], corpus: corpus)
            guard let image = try? ImageReference(String(decoding: bytes, as: UTF8.self)) else { continue }
            #expect(try ImageReference(image.description) == image)
        }
    }
}
