import Foundation
import CloudEvents
import TestSupport
import Testing

@testable import Outbound

@Suite("The conversation with a mail server")
struct SMTPSessionTests {
    private func options(
        _ security: SMTPOptions.Security = .none, user: String? = nil, isLocal: Bool = false
    ) -> SMTPOptions {
        SMTPOptions(security: security, name: "weir", user: user, password: user.map { _ in "pw" }, isLocal: isLocal)
    }

    private func session(_ options: SMTPOptions, to: [String] = ["b@c"]) -> SMTPSession {
        SMTPSession(options, from: "a@b", to: to, message: Array("x\r\n.y\r\n".utf8))
    }

    private func text(_ action: SMTPSession.Action) -> String {
        if case .send(let bytes) = action { String(decoding: bytes, as: UTF8.self) } else { "\(action)" }
    }

    @Test("step by step, with a dot doubled")
    func plain() {
        var session = session(options(), to: ["b@c", "d@e"])
        #expect(text(session.take(.init(code: 220, lines: ["hi"]))) == "EHLO weir\r\n")
        #expect(text(session.take(.init(code: 250, lines: ["hi", "SIZE 1000"]))) == "MAIL FROM:<a@b> SIZE=7\r\n")
        #expect(text(session.take(.init(code: 250, lines: ["ok"]))) == "RCPT TO:<b@c>\r\n")
        #expect(text(session.take(.init(code: 251, lines: ["ok"]))) == "RCPT TO:<d@e>\r\n")
        #expect(text(session.take(.init(code: 250, lines: ["ok"]))) == "DATA\r\n")
        #expect(text(session.take(.init(code: 354, lines: ["go"]))) == "x\r\n..y\r\n.\r\n")
        #expect(session.take(.init(code: 250, lines: ["ok"])) == .finish(.sent))
    }

    @Test("what was said before TLS does not count after it")
    func startTLS() {
        var session = session(options(.starttls, user: "u"))
        _ = session.take(.init(code: 220, lines: []))
        #expect(text(session.take(.init(code: 250, lines: ["h", "STARTTLS", "AUTH LOGIN"]))) == "STARTTLS\r\n")
        #expect(session.take(.init(code: 220, lines: [])) == .secure)
        #expect(text(session.secured()) == "EHLO weir\r\n")
        #expect(text(session.take(.init(code: 250, lines: ["h", "AUTH PLAIN LOGIN"]))) == "AUTH PLAIN AHUAcHc=\r\n")
        #expect(text(session.take(.init(code: 235, lines: []))) == "MAIL FROM:<a@b>\r\n")
    }

    @Test("a password never goes in the clear to another machine")
    func clear() {
        var session = session(options(.none, user: "u"))
        _ = session.take(.init(code: 220, lines: []))
        #expect(
            session.take(.init(code: 250, lines: ["h", "AUTH PLAIN"]))
                == .finish(.deferred("a password is not sent without TLS")))
    }

    @Test("login in two steps, where the server knows only that")
    func login() {
        var session = session(options(.none, user: "u", isLocal: true))
        _ = session.take(.init(code: 220, lines: []))
        #expect(text(session.take(.init(code: 250, lines: ["h", "AUTH LOGIN"]))) == "AUTH LOGIN\r\n")
        #expect(text(session.take(.init(code: 334, lines: ["VXNlcm5hbWU6"]))) == "dQ==\r\n")
        #expect(text(session.take(.init(code: 334, lines: ["UGFzc3dvcmQ6"]))) == "cHc=\r\n")
        #expect(text(session.take(.init(code: 235, lines: []))) == "MAIL FROM:<a@b>\r\n")
    }

    @Test("any replies in any order end in an outcome, or ask for more")
    func anything() throws {
        var random = SeededGenerator()
        print("conversations with seed \(random.seed)")
        let codes = [100, 220, 221, 235, 250, 251, 334, 354, 421, 450, 451, 500, 535, 550, 554, 599]
        let lines = ["STARTTLS", "AUTH PLAIN LOGIN", "AUTH=LOGIN", "SIZE", "SIZE x", "", "8BITMIME", "AUTH"]
        for _ in 0..<5_000 {
            let security = SMTPOptions.Security.allCases.randomElement(using: &random) ?? .none
            var session = session(
                options(security, user: Bool.random(using: &random) ? "u" : nil, isLocal: Bool.random(using: &random)))
            var isSent = false
            loop: for _ in 0..<20 {
                var action = session.take(
                    .init(
                        code: codes.randomElement(using: &random) ?? 250,
                        lines: (0..<4).map { _ in lines.randomElement(using: &random) ?? "" }))
                if action == .secure { action = session.secured() }
                switch action {
                case .send(let bytes): if bytes.starts(with: Array("DATA".utf8)) { isSent = true }
                case .finish(let outcome):
                    if outcome == .sent { #expect(isSent) }
                    break loop
                case .secure: Issue.record("TLS twice")
                }
            }
        }
    }

    @Test("replies over several lines; what is none is said")
    func replies() throws {
        var reader = SMTPReplyReader()
        #expect(try reader.take("250-one") == nil)
        #expect(try reader.take("250 two") == SMTPReply(code: 250, lines: ["one", "two"]))
        #expect(try reader.take("354") == SMTPReply(code: 354, lines: [""]))
        for line in ["", "ab", "25x ok", "250_ok", "HTTP/1.1 400"] {
            var reader = SMTPReplyReader()
            #expect(throws: OutboundError.self) { try reader.take(line) }
        }
        var mixed = SMTPReplyReader()
        _ = try mixed.take("250-one")
        #expect(throws: OutboundError.self) { try mixed.take("251 two") }
    }

    @Test("subjects in any script, in words that are short enough")
    func subjects() {
        #expect(MailMessage.encodedWords("plain") == "plain")
        #expect(MailMessage.encodedWords("a\r\nBcc: x") == "a  Bcc: x")
        let long = MailMessage.encodedWords(String(repeating: "ü漢", count: 60))
        #expect(long.components(separatedBy: "\r\n ").allSatisfy { $0.utf8.count <= 75 })
    }
}
