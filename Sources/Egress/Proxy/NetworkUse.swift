package import CloudEvents

/// What a worker did with the network, since it was last asked for.
package struct NetworkUse: Sendable, Hashable {
    /// Connections that were made.
    package var connections = 0
    /// Bytes to and from servers.
    package var sent: Int64 = 0
    package var received: Int64 = 0
    /// What was asked for and refused, the first of them as sentences.
    package var refused: [String] = []
    package var refusedCount = 0

    /// How many refusals are told one by one.
    private static let told = 20

    package init() {}

    package var isEmpty: Bool { self == NetworkUse() }

    mutating func refuse(_ what: String) {
        refusedCount += 1
        if refused.count < Self.told { refused.append(what) }
    }

    /// As activations show it.
    package var document: JSONObject {
        [
            "connections": .integer(Int64(connections)), "sent": .integer(sent), "received": .integer(received),
            "refused": .integer(Int64(refusedCount)),
        ]
    }

    /// Reads back what ``document`` wrote; the sentences of refusals are in the run's log.
    package init?(document: JSONValue?) {
        guard let connections = document?["connections"]?.integer, let sent = document?["sent"]?.integer,
            let received = document?["received"]?.integer, let refused = document?["refused"]?.integer
        else { return nil }
        self.connections = Int(connections)
        self.sent = sent
        self.received = received
        refusedCount = Int(refused)
    }

    /// For the log of a run: a line for each refusal, and one for the traffic.
    package var lines: [String] {
        var lines = refused.map { "network: refused " + $0 }
        if refusedCount > refused.count { lines.append("network: refused \(refusedCount - refused.count) more") }
        if connections > 0 || sent > 0 || received > 0 {
            lines.append(
                "network: \(connections) connection\(connections == 1 ? "" : "s"), \(sent) bytes sent, \(received) received"
            )
        }
        return lines
    }
}
