import CloudEvents
import Foundation
import TestSupport
import Testing

/// What functions reach of the network: nothing, what their lists name, or all by permission.
@Suite(.fewAtATime) struct NetworkTests {
    private static let probe = """
        import os, socket, urllib.request
        def main(args):
            out = {}
            for url in args.get("urls", []):
                try: out[url] = urllib.request.urlopen(url, data=b"{}", timeout=10).status
                except Exception as error: out[url] = getattr(error, "code", None) or error.__class__.__name__
            for place in args.get("places", []):
                host, port = place.rsplit(":", 1)
                try:
                    socket.create_connection((host, int(port)), timeout=5).close()
                    out[place] = "open"
                except OSError as error: out[place] = "closed"
            return out
        """

    @Test(arguments: Account.allCases)
    func aFunctionReachesWhatItsListNamesAndNothingElse(account: Account) async throws {
        // Here the loopback stands for the internet: the operator opens it.
        guard let host = try await AbuseHost.start(account, ["--allow-egress", "127.0.0.1/32"], minimum: 2) else {
            return
        }
        let receiver = try await WebReceiver(status: { _ in 200 })
        let other = try await WebReceiver()
        let (port, elsewhere) = (receiver.port, other.port)
        try await host.client.function(
            "listed", Self.probe,
            ["network": ["allow": [.string("localhost:\(port)"), .string("127.0.0.1:\(port)"), "192.0.2.1:80"]]])
        try await host.client.function("none", Self.probe)
        let urls: [JSONValue] = [
            .string("http://localhost:\(port)/a"), .string("http://127.0.0.1:\(port)/b"),
            .string("http://localhost:\(elsewhere)/c"), "http://192.0.2.1/", .string(host.client.url + "/healthz"),
        ]
        let places: [JSONValue] = [.string("127.0.0.1:\(port)"), "192.0.2.1:80", "127.0.0.1:3128"]
        let run = try await host.invoke("listed", ["urls": .array(urls), "places": .array(places)])
        let seen = run["result"]
        #expect(seen?["http://localhost:\(port)/a"] == 200 && seen?["http://127.0.0.1:\(port)/b"] == 200, "\(run.text)")
        #expect(seen?["http://localhost:\(elsewhere)/c"] == 403 && seen?["http://192.0.2.1/"] == 403, "\(run.text)")
        #expect(seen?[host.client.url + "/healthz"] == 403, "the server itself: \(run.text)")
        #expect(seen?["127.0.0.1:\(port)"] == "closed" && seen?["192.0.2.1:80"] == "closed", "\(run.text)")
        #expect(seen?["127.0.0.1:3128"] == "open")
        #expect(run["network"]?["connections"] == 2 && run["network"]?["refused"] == 3, "\(run.text)")
        #expect((run["network"]?["received"]?.integer ?? 0) > 0)
        let logs = (run["logs"]?.array ?? []).compactMap { $0["text"]?.string }
        #expect(logs.contains { $0.contains("localhost:\(elsewhere) is not in the function's list") }, "\(logs)")
        #expect(logs.contains { $0.contains("192.0.2.1 is no address of the public internet") }, "\(logs)")
        #expect(receiver.received.count == 2 && other.received.isEmpty)
        // What one run did is not counted for the next.
        #expect(try await host.invoke("listed", ["urls": []])["network"] == nil)

        let nothing = try await host.invoke("none", ["urls": .array(urls), "places": .array(places)])
        #expect(
            nothing["result"]?.object?.members.allSatisfy { $0.value == "URLError" || $0.value == "closed" } == true,
            "\(nothing.text)")
        #expect(receiver.received.count == 2)
        try await host.end()
    }

    @Test(arguments: Account.allCases)
    func theMachinesNetworkIsByPermissionAndMarked(account: Account) async throws {
        guard let host = try await AbuseHost.start(account, ["--allow-host-network"], minimum: 1) else { return }
        let receiver = try await WebReceiver(status: { _ in 200 })
        try await host.client.function("open", Self.probe, ["network": "host"])
        let run = try await host.invoke("open", ["urls": [.string("http://127.0.0.1:\(receiver.port)/")]])
        #expect(run["result"]?["http://127.0.0.1:\(receiver.port)/"] == 200, "\(run.text)")
        let status = try await host.client.status("functions/open")
        #expect(status["unsafe"]?.text.contains("network: host") == true, "\(status.text)")
        #expect(try await host.client.call("GET", "/v1/status").json["grants"]?["hostNetwork"] == true)
        try await host.end()
    }
}

extension WebReceiver {
    fileprivate var port: Int { url.split(separator: ":").last.flatMap { Int($0.prefix { $0.isNumber }) } ?? 0 }
}

extension AbuseHost {
    /// Stops the server, which must end well. What it leaves on the machine is looked at where nothing else runs.
    func end(_ location: SourceLocation = #_sourceLocation) async throws {
        try await expectNeighbour(location)
        let status = try await server.stopped(within: .seconds(30))
        #expect(status == 0, "the server did not end well: \(server.log)", sourceLocation: location)
    }
}
