import CloudEvents
import Testing
import TestSupport

@testable import Functions

/// Where outputs go: paths made of an event never leave the mount.
@Suite struct OutputTemplateTests {
    private func render(
        _ template: String, _ attributes: [String: String] = [:], input: String? = nil, output: String = "out.txt"
    ) throws -> String {
        let values = OutputTemplate.Values(
            time: EventTime("2026-05-20T23:30:00+02:00") ?? EventTime(nanoseconds: 0), input: input,
            activation: "0190", function: "imaging/thumb", namespace: "default", attribute: { attributes[$0] })
        return try OutputTemplate(template).render(values, output: output)
    }

    private func fault(_ template: String, _ attributes: [String: String]) -> String? {
        do {
            _ = try render(template, attributes)
            return nil
        } catch let error as OutputTemplate.Fault {
            return error.message
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: [
        ("results/{subject.directory}/{subject.stem}.json", "results/exfel/raw/r1/a.b.json"),
        ("{subject.path}", "exfel/raw/r1/a.b.h5"), ("{subject.name}.{subject.extension}", "a.b.h5.h5"),
        ("", "sub/out.txt"), ("r/", "r/sub/out.txt"), ("{output.stem}-1.{output.extension}", "out-1.txt"),
        ("{output.directory}/x", "sub/x"), ("{input.directory}/{input.name}.sum", "r1/a.b.h5.sum"),
        ("{time.year}/{time.month}/{time.day}/{time.hour}", "2026/05/20/21"), ("{event.id}", "%2E.%2Fx%25"),
        ("{function}/{namespace}-{activation}", "imaging/thumb/default-0190"), ("x/{event.pool}", "x/pool 1"),
    ])
    func variablesStandForWhatTheySay(template: String, path: String) throws {
        let attributes = ["subject": "/exfel/raw/r1/a.b.h5", "id": "../x%", "pool": "pool 1"]
        #expect(try render(template, attributes, input: "r1/a.b.h5", output: "sub/out.txt") == path)
    }

    @Test func aSubjectAtTheTopHasNoDirectory() throws {
        #expect(try render("r/{subject.directory}/{subject.stem}.json", ["subject": "/a"]) == "r/a.json")
        #expect(try render("{subject.stem}", ["subject": "/.bashrc"]) == ".bashrc")
    }

    @Test func whatCannotBeAPathIsSaid() {
        #expect(fault("{subject.path}", [:]) == "the event has no subject, which {subject.path} needs")
        #expect(fault("{subject.path}", ["subject": "/a/../b"])?.contains("is no path that can be used") == true)
        #expect(fault("{subject.path}", ["subject": "/a/\u{0}b"])?.contains("is no path that can be used") == true)
        #expect(fault("{subject.path}", ["subject": "/"])?.contains("is no path that can be used") == true)
        #expect(fault("{event.pool}", [:]) == "the event has no attribute \"pool\", which {event.pool} needs")
        #expect(fault("{input.name}", [:]) == "the run has no input file, which {input.name} needs")
        #expect(fault("{event.id}", ["id": String(repeating: "x", count: 256)])?.contains("no path inside") == true)
        #expect(fault("{subject.name}", ["subject": "/x.weir.json"])?.contains("may not be called") == true)
        #expect(fault("{subject.name}", ["subject": "/.weir-1.part"])?.contains("may not be called") == true)
    }
}

/// What functions may reach through the proxy.
@Suite struct EgressRuleTests {
    @Test func wildcardsMeanNamesBelow() throws {
        let rule = try EgressRule("*.Example.org:443")
        #expect(rule.allows(host: "a.example.org", port: 443) && rule.allows(host: "a.b.example.org", port: 443))
        #expect(!rule.allows(host: "example.org", port: 443) && !rule.allows(host: "notexample.org", port: 443))
        #expect(!rule.allows(host: "a.example.org", port: 80) && !rule.allows(host: ".example.org", port: 443))
        #expect(try EgressRule("example.org.").allows(host: "example.org", port: 443))
    }

    @Test func hostsAreComparedInOneForm() {
        #expect(EgressRule.canonical("EXAMPLE.org.") == "example.org")
        for bad in [
            "", ".", "a..b", "a b", "a/b", "a%00", "é", "-a", "a-", String(repeating: "a", count: 64), "a@b", "a\\b",
        ] {
            #expect(EgressRule.canonical(bad) == nil, "\(bad)")
        }
    }
}
