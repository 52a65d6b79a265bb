import Foundation
import Functions
import Glibc
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing
import TestSupport

@testable import Egress

/// The proxy with real sockets. Servers are on the loopback, which these tests' operator allows.
@Suite struct ProxyTests {
    @Test func aTunnelCarriesBytesBothWays() async throws {
        try await withProxy(["localhost:\(Desk.echo)"]) { desk in
            let client = try desk.connect()
            client.send("CONNECT LOCALHOST:\(desk.echo.port) HTTP/1.1\r\n\r\nearly ")
            #expect(client.read(until: "\r\n\r\n") == "HTTP/1.1 200 Connection established\r\n\r\n")
            client.send("bytes")
            client.endInput()
            #expect(client.readAll() == "early bytes")
            await waitUntil { desk.listener.use.received == 11 }
            #expect(
                desk.listener.use.connections == 1 && desk.listener.use.sent == 11 && desk.listener.use.refused.isEmpty)
        }
    }

    @Test func aLargeTransferStaysWhole() async throws {
        try await withProxy(["localhost:\(Desk.echo)"]) { desk in
            let client = try desk.connect()
            client.send("CONNECT localhost:\(desk.echo.port) HTTP/1.1\r\n\r\n")
            _ = client.read(until: "\r\n\r\n")
            let block = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            let writer = Thread {
                for _ in 0..<32 { client.send(block) }
                client.endInput()
            }
            writer.start()
            var count = 0
            var isSame = true
            while let bytes = client.readSome() {
                for byte in bytes {
                    isSame = isSame && byte == block[count & (1 << 20 - 1)]
                    count += 1
                }
            }
            #expect(count == 32 << 20 && isSame)
        }
    }

    @Test func aPlainRequestIsPassedOnAndNothingBehindIt() async throws {
        try await withProxy(["localhost:\(Desk.web)"]) { desk in
            let client = try desk.connect()
            client.send(
                "POST http://localhost:\(desk.web.port)/x HTTP/1.1\r\nHost: other.example\r\nContent-Length: 5\r\n\r\nhello"
                    + "GET http://localhost:\(desk.web.port)/smuggled HTTP/1.1\r\n\r\n")
            let answer = client.readAll()
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\nfine"))
            let seen = desk.web.seen
            #expect(seen.count == 1 && seen.first?.hasSuffix("\r\n\r\nhello") == true, "\(seen)")
            #expect(seen.first?.contains("Host: localhost:\(desk.web.port)\r\n") == true)
        }
    }

    @Test func whatIsNotInTheListIsRefusedAndTold() async throws {
        try await withProxy(["example.org:443", "*.example.org:443"]) { desk in
            func answer(_ request: String) -> String {
                guard let client = try? desk.connect() else { return "" }
                client.send(request)
                return client.readAll()
            }
            for host in ["localhost:80", "example.org:80", "notexample.org:443", "[::1]:443", "127.0.0.1:443"] {
                #expect(
                    answer("CONNECT \(host) HTTP/1.1\r\n\r\n").hasPrefix(
                        "HTTP/1.1 403 Not allowed for this function\r\n"))
            }
            #expect(answer("GET http://localhost/ HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 403"))
            #expect(answer("nonsense\r\n\r\n").hasPrefix("HTTP/1.1 400"))
            #expect(answer("GET / HTTP/1.1\r\n\r\n").hasSuffix("this is a proxy: the target is http://host/path\n"))
            #expect(answer(String(repeating: "x", count: 20_000)).hasPrefix("HTTP/1.1 431"))
            let use = desk.listener.take()
            #expect(use.refused.first == "localhost:80 is not in the function's list (network.allow)")
            #expect(use.refusedCount == 9 && use.connections == 0)
            #expect(desk.listener.take().isEmpty)
        }
    }

    /// A name in the list that leads to an address that nobody may reach.
    @Test(arguments: [
        "127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd00:ec2::254",
    ])
    func aNameThatLeadsInsideIsRefused(address: String) async throws {
        try await withProxy(
            ["inside.example:80"], allowed: [], resolver: { _ in [IPAddress(address)].compactMap { $0 } }
        ) { desk in
            let client = try desk.connect()
            client.send("CONNECT inside.example:80 HTTP/1.1\r\n\r\n")
            #expect(client.readAll().hasPrefix("HTTP/1.1 403"))
            #expect(desk.listener.take().refused.first?.hasPrefix("inside.example:80: ") == true)
        }
    }

    /// A name that is one address when it is checked and another when it is used is asked for once only.
    @Test func theAddressThatWasCheckedIsTheOneThatIsUsed() async throws {
        let asked = Counter()
        let resolver: @Sendable (String) -> [IPAddress]? = { _ in
            asked.add() == 1 ? [IPAddress("127.0.0.1")].compactMap { $0 } : [IPAddress("127.0.0.2")].compactMap { $0 }
        }
        try await withProxy(["moving.example:\(Desk.echo)"], allowed: ["127.0.0.1/32"], resolver: resolver) { desk in
            let client = try desk.connect()
            client.send("CONNECT moving.example:\(desk.echo.port) HTTP/1.1\r\n\r\nhi")
            client.endInput()
            #expect(client.readAll().hasSuffix("\r\n\r\nhi") && asked.value == 1)
            let second = try desk.connect()
            second.send("CONNECT moving.example:\(desk.echo.port) HTTP/1.1\r\n\r\n")
            #expect(second.readAll().hasPrefix("HTTP/1.1 403") && asked.value == 2)
        }
    }

    @Test func oneOfSeveralAddressesThatMayBeReachedIsEnough() async throws {
        let resolver: @Sendable (String) -> [IPAddress]? = { _ in
            ["10.0.0.1", "127.0.0.2", "127.0.0.1"].compactMap { IPAddress($0) }
        }
        try await withProxy(["several.example:\(Desk.echo)"], resolver: resolver) { desk in
            let client = try desk.connect()
            client.send("CONNECT several.example:\(desk.echo.port) HTTP/1.1\r\n\r\nhi")
            client.endInput()
            #expect(client.readAll().hasSuffix("hi"), "nothing listens on the second, so the third is tried")
        }
    }

    @Test func whatDoesNotAnswerOrHasNoAddressIsSaid() async throws {
        try await withProxy(
            ["nowhere.example:80", "localhost:1"],
            resolver: { $0 == "localhost" ? [IPAddress("127.0.0.1")].compactMap { $0 } : nil }
        ) {
            desk in
            let client = try desk.connect()
            client.send("CONNECT nowhere.example:80 HTTP/1.1\r\n\r\n")
            #expect(client.readAll().hasSuffix("nowhere.example:80: the name cannot be resolved\n"))
            let second = try desk.connect()
            second.send("CONNECT localhost:1 HTTP/1.1\r\n\r\n")
            #expect(second.readAll().hasSuffix("localhost:1 does not answer\n"))
        }
    }

    @Test func aListenerHasLimits() async throws {
        var limits = EgressProxy.Limits()
        limits.connections = 2
        limits.patience = 1_000
        try await withProxy(["localhost:\(Desk.echo)"], limits: limits) { desk in
            let slow = try desk.connect()
            slow.send("CONNECT loc")
            let second = try desk.connect()
            second.send("CONNECT localhost:\(desk.echo.port) HTTP/1.1\r\n\r\n")
            #expect(second.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
            let third = try desk.connect()
            // Which of two that say nothing was taken first is not certain: the other is one too many, and who does not say
            // what is wanted is not waited for.
            let answers = [slow, third].map { String($0.readAll().prefix(12)) }
            #expect(answers.sorted() == ["HTTP/1.1 408", "HTTP/1.1 503"])
            second.send("still here")
            second.endInput()
            #expect(second.readAll() == "still here", "what is connected stays")
        }
    }

    @Test func aListenerThatIsClosedEndsItsConnections() async throws {
        try await withProxy(["localhost:\(Desk.echo)"]) { desk in
            let client = try desk.connect()
            client.send("CONNECT localhost:\(desk.echo.port) HTTP/1.1\r\n\r\n")
            _ = client.read(until: "\r\n\r\n")
            desk.listener.close()
            #expect(client.readAll() == "")
            await waitUntil { (try? desk.connect()) == nil }
        }
    }

    @Test func onTheMachinesLoopbackATokenIsAsked() async throws {
        let proxy = Desk.proxy(["127.0.0.0/8"])
        let web = try await WebServer()
        let listener = try await proxy.serveLoopback(rules: [try EgressRule("localhost:\(web.port)")], token: "s3cret")
        let port = try #require(listener.port)
        for (header, status) in [
            ("", "407"), ("Proxy-Authorization: Basic d2VpcjpzM2NyZXQ=\r\n", "200"),
            ("Proxy-Authorization: Basic d2VpcjpzM2NyZXg=\r\n", "407"),
            ("Proxy-Authorization: basic d2VpcjpzM2NyZXQ=\r\n", "200"),
            ("Proxy-Authorization: Bearer s3cret\r\n", "407"),
        ] {
            let client = try RawClient(port: port)
            client.send("GET http://localhost:\(web.port)/ HTTP/1.1\r\n\(header)\r\n")
            #expect(client.readAll().hasPrefix("HTTP/1.1 \(status)"), "\(header)")
        }
        listener.close()
        await proxy.stop()
    }

    /// The clients that functions use, unchanged.
    @Test(arguments: ["curl", "python3"])
    func clientsFindTheirWay(program: String) async throws {
        guard let path = ["/usr/bin/", "/usr/local/bin/"].map({ $0 + program }).first(where: { access($0, X_OK) == 0 })
        else {
            print("skipped: \(program) is not installed")
            return
        }
        try await withProxy(["localhost:\(Desk.web)"]) { desk in
            let proxy = "http://127.0.0.1:\(desk.port)"
            let url = "http://localhost:\(desk.web.port)/file"
            let fetch = "import urllib.request as r; print(r.urlopen('\(url)').read().decode(), end='')"
            let plain = program == "curl" ? ["-sS", url] : ["-c", fetch]
            let outcome = await run(
                [path] + plain, ["http_proxy=\(proxy)", "https_proxy=\(proxy)", "PATH=/usr/bin:/bin"])
            #expect(outcome.output == "fine" && outcome.status == 0, "\(outcome)")
            guard program == "curl" else { return }
            let tunnel = await run([path, "-sS", "--proxytunnel", "-x", proxy, url], ["PATH=/usr/bin:/bin"])
            #expect(tunnel.output == "fine", "\(tunnel)")
            let refused = await run([path, "-sS", "-x", proxy, "https://elsewhere.example/"], ["PATH=/usr/bin:/bin"])
            #expect(refused.status == 56 && refused.output.contains("403"), "\(refused)")
        }
    }
}
