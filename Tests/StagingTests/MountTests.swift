import Testing

@testable import Staging

/// What an operator declares, and where the files of events lie.
@Suite struct MountTests {
    @Test func theCommandLinesFormIsRead() throws {
        let plain = try StorageMount(parsing: "raw=/gpfs/exfel//raw/")
        #expect(plain == StorageMount(name: "raw", path: "/gpfs/exfel/raw"))
        let whole = try StorageMount(
            parsing: "r-1=/data:rw,subject=/exfel/raw,namespace=hed,namespace=spb,owner=1000:100")
        #expect(
            whole
                == StorageMount(
                    name: "r-1", path: "/data", isWritable: true, namespaces: ["hed", "spb"], subject: "/exfel/raw",
                    owner: FileOwner(user: 1000, group: 100)))
        #expect(try StorageMount(parsing: "a=/x:ro").isWritable == false)
    }

    @Test(arguments: [
        "raw", "=/x", "a/b=/x", "a=x", "a=", "a=/x/../y", "a=/x,subject=rel", "a=/x,namespaces=a", "a=/x,namespace=",
        "a=/x,owner=root", "a=/x,owner=1:2:3", "a=/x,,", "a=/x\u{0}", ".a=/x",
    ])
    func whatIsNoMountIsRefused(text: String) {
        #expect(throws: StorageMount.Fault.self) { try StorageMount(parsing: text) }
    }

    private let table = MountTable(
        [
            StorageMount(name: "raw", path: "/gpfs/raw", subject: "/exfel/raw"),
            StorageMount(
                name: "hed", path: "/gpfs/hed", isWritable: true, namespaces: ["hed"], subject: "/exfel/raw/hed"),
            StorageMount(name: "plain", path: "/data"),
        ], folders: { $0 == "default" ? ["/inbox"] : [] })

    @Test func theLongestPrefixSaysWhereAFileLies() throws {
        func place(_ subject: String, _ namespace: String = "default", source: String = "dcache://a@b") throws -> String
        {
            let found = try table.locate(subject: subject, source: source, namespace: namespace)
            return "\(found.mount ?? "-"):\(found.root):\(found.path)"
        }
        #expect(try place("/exfel/raw/p1/a.h5") == "raw:/gpfs/raw:p1/a.h5")
        #expect(try place("/exfel/raw/hed/a.h5", "hed") == "hed:/gpfs/hed:a.h5")
        #expect(try place("/exfel/raw/hed/a.h5", "spb") == "raw:/gpfs/raw:hed/a.h5", "another's mount does not count")
        #expect(try place("/data/x") == "plain:/data:x")
        #expect(try place("exfel/raw/a") == "raw:/gpfs/raw:a", "an object's key has no slash in front")
        #expect(try place("/inbox/a", source: "file://host") == "-:/inbox:a")
        for (subject, namespace, source) in [
            ("/inbox/a", "default", "dcache://a@b"), ("/inbox/a", "hed", "file://host"),
            ("/exfel/rawer/a", "default", ""),
            ("/exfel/raw", "default", ""), ("/exfel/raw/", "default", ""),
            ("/exfel/raw/../../etc/shadow", "default", ""),
            ("/exfel/raw/a\u{0}b", "default", ""), ("/etc/passwd", "default", "file://host"),
            ("/inboxes/a", "default", "file://h"),
        ] {
            let error = stagingError { _ = try table.locate(subject: subject, source: source, namespace: namespace) }
            #expect(error?.code == .noFile, "\(subject)")
        }
    }

    @Test func whatIsForbiddenOrUnknownIsSaid() throws {
        #expect(try table.mount("hed", namespace: "hed", writing: true).path == "/gpfs/hed")
        let unknown = stagingError { _ = try table.mount("ra", namespace: "default", writing: false) }
        #expect(unknown?.message == "there is no mount \"ra\" for namespace \"default\": there are plain, raw")
        let forbidden = stagingError { _ = try table.mount("hed", namespace: "spb", writing: false) }
        #expect(forbidden?.message == "there is no mount \"hed\" for namespace \"spb\": there are plain, raw")
        let readOnly = stagingError { _ = try table.mount("raw", namespace: "default", writing: true) }
        #expect(readOnly?.message.contains("is read-only") == true)
    }
}
