import CloudEvents
import HTTPTypes
import Hummingbird
import Invocation

/// What has run: list, record, logs, result.
extension WhiskFace {
    func listActivations(_ request: WhiskRequest) async throws(WhiskError) -> Response {
        let page = try request.query.page("activations")
        let name = try Self.name(request.query["name"])
        let query = WhiskActivationQuery(
            namespace: request.namespace, name: name, since: try Self.time(request.query, "since"),
            upto: try Self.time(request.query, "upto"), limit: page.limit, skip: page.skip)
        let withDocuments = try request.query.flag("docs")
        if try request.query.flag("count") {
            guard !withDocuments else {
                throw WhiskError(.badRequest, "The parameter 'docs' is not permitted with 'count'.")
            }
            let count = try await asking { () async throws(Problem) in try await engine.whiskActivationCount(query) }
            return WhiskAnswer.json(["activations": .integer(Int64(max(0, count - page.skip)))])
        }
        let found = try await asking { () async throws(Problem) in try await engine.whiskActivations(query) }
        var out: [UInt8] = [0x5B]
        for activation in found {
            let record = WhiskRecord(activation)
            if out.count > 1 { out.append(0x2C) }
            out += withDocuments ? record.encoded() : record.encodedSummary()
        }
        out.append(0x5D)
        return WhiskAnswer.bytes(out, type: "application/json")
    }

    func activation(
        _ request: WhiskRequest, _ id: String, _ part: WhiskRoute.Part
    ) async throws(WhiskError) -> Response {
        guard id.count == 32 else {
            throw WhiskError(.badRequest, "Activation id length is \(id.count) but must be 32.")
        }
        guard id.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0 | 0x20) }) else {
            throw WhiskError(.badRequest, "The activation id is not valid.")
        }
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskActivation(id: id.lowercased(), namespace: request.namespace)
        }
        guard let found else { throw .notFound }
        let record = WhiskRecord(found)
        switch part {
        case .record: return WhiskAnswer.bytes(record.encoded(), type: "application/json")
        case .result: return WhiskAnswer.bytes(record.encodedResponse(), type: "application/json")
        case .logs: return WhiskAnswer.json(["logs": record.logs()])
        }
    }

    private static func name(_ text: String?) throws(WhiskError) -> String? {
        guard let text, !text.isEmpty else { return nil }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.allSatisfy({ WhiskName.isName($0) }) else {
            throw .badQuery("name", "Parameter may be a 'simple' name or 'package-name/simple' name: \(text)")
        }
        return text
    }

    private static func time(_ query: WhiskQuery, _ name: String) throws(WhiskError) -> Int64? {
        guard let text = query[name], !text.isEmpty else { return nil }
        guard let time = Int64(text) else {
            // It says seconds and means milliseconds, as upstream does.
            throw .badQuery(name, "Parameter is not a valid value for epoch seconds: \(text)")
        }
        return time
    }
}
