import CloudEvents

/// A server's reply (RFC 5321 §4.2): a code and one line or several.
struct SMTPReply: Sendable, Hashable {
    var code: Int
    var lines: [String]

    var text: String { "\(code) \(lines.joined(separator: " "))" }
    var isGood: Bool { (200..<300).contains(code) }
}

/// Puts replies together from lines.
struct SMTPReplyReader: Sendable {
    private var code: Int?
    private var lines: [String] = []

    /// Takes a line without its end; the reply when it is whole.
    ///
    /// - Throws: ``OutboundError`` for what is no reply.
    mutating func take(_ line: String) throws(OutboundError) -> SMTPReply? {
        let bytes = Array(line.utf8)
        guard bytes.count >= 3, bytes.count <= 4_096, bytes[..<3].allSatisfy({ $0 &- 0x30 < 10 }),
            let number = Int(String(decoding: bytes[..<3], as: UTF8.self)), code == nil || code == number,
            bytes.count == 3 || bytes[3] == 0x20 || bytes[3] == 0x2D, lines.count < 256
        else {
            throw OutboundError(.badAnswer, "the mail server's answer is not SMTP: \"\(line.prefix(80))\"")
        }
        lines.append(String(decoding: bytes.dropFirst(4), as: UTF8.self))
        if bytes.count > 3, bytes[3] == 0x2D {
            code = number
            return nil
        }
        defer { (code, lines) = (nil, []) }
        return SMTPReply(code: number, lines: lines)
    }
}

/// How a mail server is spoken to.
package struct SMTPOptions: Sendable, Hashable {
    package enum Security: String, Sendable, Hashable, CaseIterable {
        /// TLS from the first byte (`smtps`).
        case tls
        /// STARTTLS, or nothing is sent.
        case starttls
        /// In the clear.
        case none
    }

    package var security: Security
    /// What the server is told as this machine's name.
    package var name: String
    package var user: String?
    package var password: String?
    /// Whether a password may go in the clear: only where the server is this machine.
    package var isLocal: Bool

    package init(security: Security, name: String, user: String? = nil, password: String? = nil, isLocal: Bool) {
        self.security = security
        self.name = name
        self.user = user
        self.password = password
        self.isLocal = isLocal
    }
}

/// What became of a mail.
package enum SMTPOutcome: Sendable, Hashable {
    case sent
    /// Not now: the same mail may be taken later, or when somebody has mended the configuration.
    case deferred(String)
    /// The server will never take this mail.
    case refused(String)
}

/// One conversation with a mail server: replies in, commands out. A mail goes to all its recipients or to none.
struct SMTPSession: Sendable {
    enum Action: Sendable, Hashable {
        case send([UInt8])
        /// Begin TLS, then call ``secured()``.
        case secure
        /// The conversation is over; say QUIT if the connection still stands.
        case finish(SMTPOutcome)
    }

    private enum State: Sendable, Hashable {
        case greeting, hello, securing, authenticating, loginUser, loginPassword, sender, recipient(Int), data, body,
            over
    }

    private let options: SMTPOptions
    private let from: String
    private let to: [String]
    private let message: [UInt8]
    private var state = State.greeting
    private var isSecure: Bool
    private var extensions: [String: String] = [:]

    init(_ options: SMTPOptions, from: String, to: [String], message: [UInt8]) {
        self.options = options
        self.from = from
        self.to = to
        self.message = message
        isSecure = options.security == .tls
    }

    mutating func secured() -> Action {
        isSecure = true
        // What was said before in the clear may have come from anybody (RFC 3207 §4.2).
        extensions = [:]
        return hello()
    }

    mutating func take(_ reply: SMTPReply) -> Action {
        switch state {
        case .greeting: return reply.code == 220 ? hello() : end(reply, "it does not take mail now")
        case .hello:
            guard reply.code == 250 else { return end(reply, "EHLO") }
            for line in reply.lines.dropFirst() {
                let parts = line.split(separator: " ", maxSplits: 1)
                guard let name = parts.first else { continue }
                extensions[name.uppercased()] = parts.count > 1 ? String(parts[1]).uppercased() : ""
            }
            return afterHello()
        case .securing: return reply.code == 220 ? .secure : end(reply, "STARTTLS")
        case .authenticating:
            if reply.code == 235 { return sender() }
            if reply.code == 334, state == .authenticating, extensions["AUTH"].map({ !Self.has("PLAIN", $0) }) == true {
                state = .loginUser
                return command(Base64.encode(Array((options.user ?? "").utf8)))
            }
            return refusedLogin(reply)
        case .loginUser:
            guard reply.code == 334 else { return refusedLogin(reply) }
            state = .loginPassword
            return command(Base64.encode(Array((options.password ?? "").utf8)))
        case .loginPassword: return reply.code == 235 ? sender() : refusedLogin(reply)
        case .sender: return reply.isGood ? recipient(0) : end(reply, "the sender \(from)")
        case .recipient(let index):
            // Nothing has been sent yet: the other recipients get nothing either, and nobody gets it twice.
            guard reply.isGood else { return end(reply, "the recipient \(to[index])") }
            if index + 1 < to.count { return recipient(index + 1) }
            state = .data
            return command("DATA")
        case .data:
            guard reply.code == 354 else { return end(reply, "DATA") }
            state = .body
            return .send(Self.stuffed(message) + Array(".\r\n".utf8))
        case .body:
            state = .over
            return reply.isGood ? .finish(.sent) : .finish(Self.outcome(reply, "the message"))
        case .over: return .finish(.deferred("the conversation was over"))
        }
    }

    /// The connection went away.
    func lost(_ why: String) -> SMTPOutcome { .deferred(why) }

    private mutating func hello() -> Action {
        state = .hello
        return command("EHLO \(options.name)")
    }

    private mutating func afterHello() -> Action {
        if options.security == .starttls, !isSecure {
            guard extensions["STARTTLS"] != nil else {
                state = .over
                return .finish(.deferred("the mail server does not offer STARTTLS, and nothing is sent without"))
            }
            state = .securing
            return command("STARTTLS")
        }
        guard let user = options.user, let password = options.password else { return sender() }
        guard isSecure || options.isLocal else {
            state = .over
            return .finish(.deferred("a password is not sent without TLS"))
        }
        let ways = extensions["AUTH"] ?? ""
        state = .authenticating
        if Self.has("PLAIN", ways) {
            return command("AUTH PLAIN " + Base64.encode([0] + Array(user.utf8) + [0] + Array(password.utf8)))
        }
        if Self.has("LOGIN", ways) { return command("AUTH LOGIN") }
        state = .over
        return .finish(.deferred("the mail server offers no way to log in that is known here (PLAIN, LOGIN)"))
    }

    private static func has(_ name: String, _ list: String) -> Bool {
        list.split(separator: " ").contains { $0 == name }
    }

    private mutating func sender() -> Action {
        state = .sender
        return command("MAIL FROM:<\(from)>" + (extensions["SIZE"] != nil ? " SIZE=\(message.count)" : ""))
    }

    private mutating func recipient(_ index: Int) -> Action {
        state = .recipient(index)
        return command("RCPT TO:<\(to[index])>")
    }

    private func command(_ line: String) -> Action { .send(Array((line + "\r\n").utf8)) }

    private mutating func refusedLogin(_ reply: SMTPReply) -> Action {
        state = .over
        return .finish(.deferred("the mail server does not take the user and password: \(reply.text)"))
    }

    private mutating func end(_ reply: SMTPReply, _ what: String) -> Action {
        state = .over
        return .finish(Self.outcome(reply, what))
    }

    private static func outcome(_ reply: SMTPReply, _ what: String) -> SMTPOutcome {
        let text = "the mail server answered to \(what): \(reply.text)"
        return (500..<600).contains(reply.code) ? .refused(text) : .deferred(text)
    }

    /// A line that begins with a dot gets another (RFC 5321 §4.5.2).
    static func stuffed(_ message: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(message.count + 16)
        var isAtStart = true
        for byte in message {
            if isAtStart, byte == 0x2E { out.append(0x2E) }
            out.append(byte)
            isAtStart = byte == 0x0A
        }
        if !isAtStart { out += [0x0D, 0x0A] }
        return out
    }
}
