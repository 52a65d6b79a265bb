import Foundation
import CloudEvents
import Manifest
import Outbound
import TestSupport
import Testing

@testable import Delivery

@Suite(
    "E-mail", .timeLimit(.minutes(2)), .enabled(if: MailServer.unavailable == nil, "\(MailServer.unavailable ?? "")"))
struct MailSinkTests {
    private static let secrets = SecretStore { (_, name) throws(SecretError) in
        Array((name == "mail" ? "secret word" : "wrong").utf8)
    }

    private func deliver(
        _ server: MailServer, _ security: MailServer.Security, _ more: JSONObject = [:], _ parcels: [Parcel]? = nil
    ) async throws -> [DeliveryOutcome] {
        var document: JSONObject = [
            "kind": "mail", "from": "weir@example.org", "to": ["ops@example.org", "shift@example.org"],
            "server": .string("\(security == .tls ? "smtps" : "smtp")://localhost:\(server.port)"),
            "security": .string(security.rawValue), "subject": "Gelöscht: ${subject}", "text": "${type}\n.\n${/why}",
        ]
        if security != .none { document["tls"] = ["trust": .string(server.authority)] }
        for member in more.members { document[member.name] = member.value }
        guard case .mail(let spec) = try SinkSpec(.object(document), path: "sink") else { return [] }
        let sink = MailSink(
            spec, secrets: Self.secrets, namespace: "default", hostName: "weir.example.org", now: { 1_779_278_403_000 })
        return await sink.deliver(parcels ?? [parcel(1)]).map(\.outcome)
    }

    private func parcel(_ number: Int) -> Parcel {
        Parcel(
            event: EventRecord(
                CloudEvent(
                    id: "e\(number)", source: "s", type: "dev.weir.file.deleted", subject: "/a/ü\(number)",
                    data: .json(Array(#"{"why": "line 1\nzwei"}"#.utf8)))),
            partition: 0, offset: UInt64(number), attempt: 1)
    }

    @Test("a mail goes out, in any way of securing it", arguments: [MailServer.Security.none, .starttls, .tls])
    func sent(_ security: MailServer.Security) async throws {
        let server = try await MailServer(security)
        #expect(try await deliver(server, security) == [.delivered])
        let mail = try #require(server.mails.first)
        #expect(mail.from == "weir@example.org" && mail.to == ["ops@example.org", "shift@example.org"])
        #expect(mail.isEncrypted == (security != .none))
        #expect(mail.header("Subject") == "=?utf-8?B?R2Vsw7ZzY2h0OiAvYS/DvDE=?=")
        #expect(mail.header("Date") == "Wed, 20 May 2026 12:00:03 +0000")
        #expect(mail.header("Auto-Submitted") == "auto-generated")
        #expect(mail.text == "dev.weir.file.deleted\r\n.\r\nline 1\r\nzwei\r\n")
        // The same event again can be told by its id.
        #expect(try await deliver(server, security) == [.delivered])
        #expect(Set(server.mails.compactMap { $0.header("Message-ID") }).count == 1)
        server.stop()
    }

    @Test("a batch is one mail")
    func digest() async throws {
        let server = try await MailServer(.none)
        #expect(try await deliver(server, .none, [:], (1...3).map(parcel)) == [.delivered, .delivered, .delivered])
        #expect(server.mails.count == 1)
        let mail = try #require(server.mails.first)
        #expect(mail.text.components(separatedBy: "dev.weir.file.deleted").count == 4)
        server.stop()
    }

    @Test("the server is logged in to, and only over TLS")
    func login() async throws {
        let server = try await MailServer(.starttls, needsLogin: true)
        #expect(
            try await deliver(server, .starttls, ["user": "weir", "password": ["secret": "mail"]]) == [.delivered])
        #expect(server.mails.first?.user == "weir")
        guard
            case .retry(let why, _) = try await deliver(
                server, .starttls, ["user": "weir", "password": ["secret": "other"]])[0]
        else { Issue.record("taken"); return }
        #expect(why.contains("does not take the user and password") && !why.contains("wrong"))
        #expect(server.mails.count == 1)
        server.stop()
    }

    @Test("what the server refuses for now is tried again, what it refuses for ever is not; nobody gets half of it")
    func refusals() async throws {
        let server = try await MailServer(.none)
        guard
            case .retry(let later, _) = try await deliver(
                server, .none, ["to": ["a@example.org", "later@example.org"]])[0]
        else { Issue.record("no retry"); return }
        #expect(later.contains("451") && later.contains("later@example.org"))
        guard
            case .rejected(let never) = try await deliver(
                server, .none, ["to": ["a@example.org", "nobody@example.org"]])[0]
        else { Issue.record("not rejected"); return }
        #expect(never.contains("550"))
        #expect(server.mails.isEmpty)
        server.stop()
        guard case .retry = try await deliver(server, .none)[0] else {
            Issue.record("no server, and delivered"); return
        }
    }

    @Test("a server that nobody vouches for gets nothing")
    func untrusted() async throws {
        let server = try await MailServer(.tls)
        guard case .retry = try await deliver(server, .tls, ["tls": nil])[0] else { Issue.record("sent"); return }
        #expect(server.mails.isEmpty)
        // And one that does not offer STARTTLS neither.
        let plain = try await MailServer(.none)
        guard case .retry(let why, _) = try await deliver(plain, .starttls)[0] else { Issue.record("sent"); return }
        #expect(why.contains("does not offer STARTTLS"))
        server.stop()
        plain.stop()
    }

    @Test("line ends in what an event says make no header")
    func injection() async throws {
        let server = try await MailServer(.none)
        let event = CloudEvent(
            id: "1", source: "s", type: "t", subject: "/x",
            data: .json(Array(#"{"why": "a\r\nBcc: evil@example.org\r\n\r\nbody"}"#.utf8)))
        let parcel = Parcel(event: EventRecord(event), partition: 0, offset: 0, attempt: 1)
        #expect(try await deliver(server, .none, ["subject": "${/why}"], [parcel]) == [.delivered])
        let mail = try #require(server.mails.first)
        #expect(mail.header("Bcc") == nil && mail.to.count == 2)
        server.stop()
    }
}

@Suite("E-mail, as it is written in a manifest")
struct MailSinkSpecTests {
    @Test("documents read back the same")
    func documents() throws {
        let spec = try SinkSpec(
            [
                "kind": "mail", "server": "smtps://mail.example.org", "user": "u", "password": ["secret": "p"],
                "from": "a@example.org", "to": "b@example.org", "subject": "${type}",
            ], path: "sink")
        #expect(try SinkSpec(spec.document, path: "sink") == spec)
        #expect(spec.document["server"] == "smtps://mail.example.org:465")
    }

    @Test(
        "mistakes are named",
        arguments: [
            (#"{"server": "mail.example.org"}"#, "sink.server", "smtp://host:587"),
            (#"{"server": "smtp://h", "security": "tls"}"#, "sink.security", "smtps:// goes with tls"),
            (#"{"server": "smtp://h", "user": "u"}"#, "sink.password", "go together"),
            (
                #"{"server": "smtp://h", "security": "none", "user": "u", "password": {"secret": "p"}}"#,
                "sink.security", "without TLS"
            ),
            (#"{"server": "smtp://h", "from": "a"}"#, "sink.from", "no address"),
            (#"{"server": "smtp://h", "from": "a@b\r\nRCPT TO:<x@y>"}"#, "sink.from", "no address"),
            (#"{"server": "smtp://h", "from": "a@b", "to": ["c@d", "e>@f"]}"#, "sink.to[1]", "no address"),
            (#"{"server": "smtp://h", "from": "a@b", "to": []}"#, "sink.to", "one to a hundred"),
        ])
    func mistakes(_ text: String, _ path: String, _ part: String) {
        var document = JSONValue.reading(text).object ?? JSONObject()
        document["kind"] = "mail"
        do throws(DocumentError) {
            _ = try SinkSpec(.object(document), path: "sink")
            Issue.record("it was accepted")
        } catch {
            #expect(error.path == path && error.message.contains(part), "\(error)")
        }
    }
}
