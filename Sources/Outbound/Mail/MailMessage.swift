package import CloudEvents

/// One e-mail in plain text.
package struct MailMessage: Sendable {
    package var from: String
    package var to: [String]
    package var subject: String
    package var text: String
    package var date: EventTime
    /// The part before the `@` of the Message-ID; the same for the same events, so that a second delivery can be told.
    package var id: String

    package init(from: String, to: [String], subject: String, text: String, date: EventTime, id: String) {
        self.from = from
        self.to = to
        self.subject = subject
        self.text = text
        self.date = date
        self.id = id
    }

    /// The message as it is sent (RFC 5322, RFC 2045): lines end by CR LF, the text in Base64, nothing beyond ASCII.
    package var encoded: [UInt8] {
        let domain = from.split(separator: "@").last.map(String.init) ?? "localhost"
        var out = ""
        func header(_ name: String, _ value: String) { out += "\(name): \(value)\r\n" }
        header("From", from)
        header("To", to.joined(separator: ",\r\n "))
        header("Subject", Self.encodedWords(subject))
        header("Date", Self.date(date))
        header("Message-ID", "<\(id)@\(domain)>")
        // RFC 3834: no out-of-office replies to a machine.
        header("Auto-Submitted", "auto-generated")
        header("MIME-Version", "1.0")
        header("Content-Type", "text/plain; charset=utf-8")
        header("Content-Transfer-Encoding", "base64")
        out += "\r\n"
        let body = Base64.encode(Array(Self.lines(text).utf8))
        var rest = body[...]
        while !rest.isEmpty {
            out += rest.prefix(76) + "\r\n"
            rest = rest.dropFirst(76)
        }
        return Array(out.utf8)
    }

    private static func lines(_ text: String) -> String {
        var out = ""
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) { out += line + "\r\n" }
        return out
    }

    /// RFC 2047, B encoding, in words of at most 75 characters; plain where all is ASCII and short.
    static func encodedWords(_ text: String) -> String {
        let clean = String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
        if clean.utf8.allSatisfy({ $0 < 0x7F }), clean.utf8.count <= 60, !clean.contains("=?") { return clean }
        var words: [String] = []
        var word = ""
        for character in clean {
            // 45 bytes are 60 characters of Base64; a character is never cut.
            if word.utf8.count + character.utf8.count > 45 {
                words.append(word)
                word = ""
            }
            word.append(character)
        }
        words.append(word)
        return words.map { "=?utf-8?B?\(Base64.encode(Array($0.utf8)))?=" }.joined(separator: "\r\n ")
    }

    /// `Wed, 20 May 2026 12:00:03 +0000`.
    static func date(_ time: EventTime) -> String {
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let seconds = time.milliseconds / 1_000
        let day = Int(seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400)
        let rest = Int(seconds) - day * 86_400
        let date = EventTime.civil(fromDays: day)
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
        return "\(days[(day % 7 + 7) % 7]), \(two(date.day)) \(months[date.month - 1]) \(date.year) "
            + "\(two(rest / 3_600)):\(two(rest / 60 % 60)):\(two(rest % 60)) +0000"
    }
}

/// An address as SMTP takes it.
package enum MailAddress {
    /// Whether the text is a plain address: `name@host`, ASCII, nothing quoted.
    package static func isPlain(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty, text.utf8.count <= 254 else { return false }
        let local = parts[0].utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: ".!#$%&'*+-/=?^_`{|}~".utf8.contains(byte)
            }
        }
        let host = parts[1].utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E: true
            default: false
            }
        }
        return local && host
    }
}
