import Foundation

/// A real mail server (aiosmtpd) on loopback, with STARTTLS and AUTH, that keeps what it takes.
public final class MailServer: Sendable {
    /// Why there is none; `nil` when there is.
    public static let unavailable: String? = {
        TestServers.fetch("mail")
        return FileManager.default.fileExists(atPath: TestServers.folder + "/mail/ready")
            ? nil : "the mail server cannot be had (see script/setup-tests mail)"
    }()

    /// How it is spoken to.
    public enum Security: String, Sendable { case none, starttls, tls }

    /// One mail as it came.
    public struct Mail: Sendable {
        public var from: String
        public var to: [String]
        public var data: String
        public var isEncrypted: Bool
        public var user: String?

        /// The value of a header, its folded lines together.
        public func header(_ name: String) -> String? {
            let head = data.components(separatedBy: "\r\n\r\n")[0].replacingOccurrences(of: "\r\n ", with: " ")
            return head.components(separatedBy: "\r\n").first { $0.lowercased().hasPrefix(name.lowercased() + ": ") }
                .map { String($0.dropFirst(name.count + 2)) }
        }

        /// The text, out of its Base64.
        public var text: String {
            let body = data.components(separatedBy: "\r\n\r\n").dropFirst().joined().filter { !$0.isNewline }
            return Data(base64Encoded: body).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
    }

    private let folder: TemporaryDirectory
    private let process: ChildProcess
    public let port: Int
    /// The certificate of the authority that signed the server's.
    public var authority: String { folder.file("ca.pem") }

    /// The recipients `later@…` are refused for now, `nobody@…` for ever; the user is `weir`, the password `secret word`.
    ///
    /// - Parameter needsLogin: whether nothing is taken without.
    public init(_ security: Security, needsLogin: Bool = false) async throws {
        folder = try TemporaryDirectory("weir-mail")
        port = try FreePort.take()
        try Certificates.make(in: folder.path)
        try Data(Self.script.utf8).write(to: URL(fileURLWithPath: folder.file("server.py")))
        process = try ChildProcess(
            [
                TestServers.folder + "/mail/bin/python", folder.file("server.py"), String(port), security.rawValue,
                needsLogin ? "login" : "open", folder.path,
            ], log: folder.file("log"))
        try await process.waitForPort(port)
    }

    public var mails: [Mail] {
        let text = (try? String(contentsOfFile: folder.file("mails"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { line in
            guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
                return nil
            }
            return Mail(
                from: object["from"] as? String ?? "", to: object["to"] as? [String] ?? [],
                data: object["data"] as? String ?? "", isEncrypted: object["tls"] as? Bool ?? false,
                user: object["user"] as? String)
        }
    }

    public func stop() { process.stop() }

    private static let script = """
        import asyncio, json, ssl, sys
        from aiosmtpd.smtp import SMTP, AuthResult

        port, security, login, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "login", sys.argv[4]
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(folder + "/server.pem", folder + "/server.key")

        class Handler:
            async def handle_RCPT(self, server, session, envelope, address, options):
                if address.startswith("later"): return "451 4.3.2 try again later"
                if address.startswith("nobody"): return "550 5.1.1 no such user"
                envelope.rcpt_tos.append(address)
                return "250 OK"
            async def handle_DATA(self, server, session, envelope):
                user = session.auth_data.login.decode() if session.auth_data else None
                with open(folder + "/mails", "a") as out:
                    out.write(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos,
                        "data": envelope.original_content.decode(), "user": user,
                        "tls": session.ssl is not None or security == "tls"}) + "\\n")
                return "250 OK"

        def check(server, session, envelope, mechanism, data):
            good = data.login == b"weir" and data.password == b"secret word"
            return AuthResult(success=good, handled=good, auth_data=data)

        def make():
            return SMTP(Handler(), tls_context=context if security == "starttls" else None,
                require_starttls=security == "starttls", auth_required=login, authenticator=check,
                auth_require_tls=security == "starttls")

        async def main():
            server = await asyncio.get_running_loop().create_server(
                make, "127.0.0.1", port, ssl=context if security == "tls" else None)
            await server.serve_forever()
        asyncio.run(main())
        """
}

/// Certificates of one test, made by OpenSSL.
public enum Certificates {
    /// Makes `ca.pem`, and `server.pem` with `server.key` for localhost and 127.0.0.1, in a folder.
    public static func make(in folder: String) throws {
        let script = """
            set -e; cd "$1"
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=TestCA \
                -keyout ca.key -out ca.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
                -keyout server.key -out server.csr
            printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > server.ext
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile server.ext \
                -out server.pem
            """
        let process = try ChildProcess(["/bin/sh", "-c", script, "sh", folder], log: folder + "/openssl.log")
        process.waitForEnd()
        guard FileManager.default.fileExists(atPath: folder + "/server.pem") else {
            throw ChildProcess.Failure("no certificate could be made: is openssl installed?")
        }
    }
}
