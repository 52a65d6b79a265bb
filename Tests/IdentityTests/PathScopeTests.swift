import Testing

@testable import Identity

@Suite struct PathScopeTests {
    private func scope(_ paths: String...) throws -> PathScope {
        .below(try paths.map { try #require(PathScope.Prefix($0)) })
    }

    @Test(arguments: ["/foo", "/foo/", "/foo/bar", "//foo///bar", "/foo/.hidden", "/foo/...", "/foo/..a"])
    func coveredPaths(_ path: String) throws {
        #expect(try scope("/other", "//foo/").covers(path))
    }

    @Test(arguments: [
        "/foobar", "/foo.bak", "/Foo", "/", "", "foo", "/fo", "/foo/../x", "/foo/..", "/foo/.", "/foo/./a", "/../foo",
        "/foo/a\\b", "/foo/a\nb", "/foo/\u{7F}", "Unknown", "parent:[x]/foo",
    ])
    func pathsThatAreNotCovered(_ path: String) throws {
        #expect(try !scope("/foo").covers(path))
    }

    @Test func theRootCoversEveryCleanPathAndNothingElse() throws {
        let root = try scope("/")
        #expect(root.covers("/") && root.covers("/a/b"))
        #expect(!root.covers("Unknown") && !root.covers("/a/../b") && !root.covers(nil))
    }

    @Test func allCoversWhatHasNoPathAndNoneCoversNothing() {
        #expect(PathScope.all.covers(nil) && PathScope.all.covers("Unknown"))
        #expect(!PathScope.below([]).covers("/a"))
    }

    @Test func lettersAreComparedByTheirBytes() throws {
        #expect(try !scope("/caf\u{E9}").covers("/cafe\u{301}/x"))
        #expect(try scope("/caf\u{E9}").covers("/caf\u{E9}/x"))
        #expect(try scope("/caf\u{E9}").intersection(scope("/cafe\u{301}")) == .below([]))
    }

    @Test(arguments: ["foo", "", "/a/../b", "/a/.", "/a\\b", "/a\u{0}b", "~"])
    func whatIsNoPrefix(_ path: String) {
        #expect(PathScope.Prefix(path) == nil)
    }

    @Test func anIntersectionKeepsTheNarrowerOfTwo() throws {
        #expect(try scope("/a", "/b/c").intersection(scope("/a/x", "/b")) == scope("/a/x", "/b/c"))
        #expect(try scope("/a").intersection(.all) == scope("/a"))
        #expect(try scope("/a").intersection(scope("/ab")) == .below([]))
    }
}
