import Manifest
import Testing

@Suite struct ResourceNameTests {
    @Test(arguments: ["a", "A-b_c.9", "0", String(repeating: "a", count: 128)])
    func names(_ name: String) throws {
        try ResourceName.check(name, path: "x")
    }

    @Test(arguments: [
        "", ".", "..", "a/b", "-a", "a b", "a%2fb", "ä", "a\0", "a\n", "a\u{202E}b", String(repeating: "a", count: 129),
    ])
    func whatIsNoName(_ name: String) {
        #expect(throws: DocumentError.self) { try ResourceName.check(name, path: "x") }
    }

    @Test(arguments: ["a/b", "lib.x/fn-1", "fn"])
    func namesOfFunctions(_ name: String) throws {
        try ResourceName.check(name, path: "x", inPackage: true)
    }

    @Test(arguments: ["a/", "/a", "a//b", "a/b/c", "../a", "a/..", "a/.b"])
    func whatIsNoNameOfAFunction(_ name: String) {
        #expect(throws: DocumentError.self) { try ResourceName.check(name, path: "x", inPackage: true) }
    }

    @Test func aLongNameIsCutInItsMessage() {
        #expect(
            throws: DocumentError(
                path: "x",
                message: "\"\(String(repeating: "n", count: 40))…\" is no name: it has 500 bytes, 128 are allowed")
        ) {
            try ResourceName.check(String(repeating: "n", count: 500), path: "x")
        }
    }

    @Test func namespaces() throws {
        for name in ["default", "u-anna", "0", String(repeating: "a", count: 63)] {
            try ResourceName.checkNamespace(name, path: "namespace")
        }
        for name in ["", "-a", "a-", "A", "a.b", "a_b", "a/b", String(repeating: "a", count: 64)] {
            #expect(throws: DocumentError.self) { try ResourceName.checkNamespace(name, path: "namespace") }
        }
    }
}
