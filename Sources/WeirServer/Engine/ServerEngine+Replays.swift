import Channels
import CloudEvents
import Delivery
import Invocation
import Manifest
import Persistence
import WeirHTTP

extension ServerEngine {
    func replay(_ request: ReplayRequest) async throws(Problem) -> JSONObject? {
        guard let document = try stored(.subscriptions, request.namespace, request.subscription) else { return nil }
        var spec = try self.spec(of: document)
        if let sink = request.sink {
            do {
                spec.sink = try SinkSpec(.string(sink), path: "sink")
            } catch {
                throw Problem(error)
            }
        }
        let channel = try self.channel(spec.channel, request.namespace)
        let key = SubscriptionKey(namespace: request.namespace, name: request.subscription)
        let replay = Replay(
            channel: channel, filters: spec.filters(of: key), visibility: EventVisibility(request.scope),
            from: position(request.from, isEnd: false), to: position(request.to, isEnd: true))
        if request.dryRun { return try await plan(replay, spec, request.namespace) }
        let sink = parts.subscriptions.sink(key, spec, isReplay: true)
        let replies = spec.policy.reply ?? spec.channel
        return await replayBook.begin(
            replay, subscription: key, sink: sink, batchSize: max(1, spec.policy.batchSize),
            concurrency: spec.policy.concurrency, attempts: spec.policy.attempts
        ) { [channels = parts.channels] events in
            guard let target = channels.channel(namespace: key.namespace, name: replies) else {
                throw ChannelError(.closed, "there is no channel \"\(replies)\" for the replies")
            }
            _ = try await target.append(events)
        }
    }

    func replays(namespace: String, page: PageRequest) async throws(Problem) -> Page<JSONValue> {
        Page(items: await replayBook.all(namespace: namespace).prefix(page.limit).map { .object($0) })
    }

    func replay(id: String, namespace: String) async throws(Problem) -> JSONObject? {
        await replayBook.document(id, namespace: namespace)
    }

    func cancelReplay(id: String, namespace: String) async throws(Problem) -> Bool {
        await replayBook.cancel(id, namespace: namespace)
    }

    /// How many events would match, some of them, and what they would cost by the function's recent runs.
    private func plan(_ replay: Replay, _ spec: SubscriptionSpec, _ namespace: String) async throws(Problem)
        -> JSONObject
    {
        var mean: Double?
        if case .function(let name) = spec.sink { mean = try await meanRun(name, namespace) }
        do {
            let estimate = try await replay.dryRun(samples: 5, meanRun: mean)
            var document: JSONObject = [
                "dryRun": true, "scanned": .integer(Int64(estimate.scanned)),
                "matched": .integer(Int64(estimate.matches)),
                "matchedBytes": .integer(Int64(estimate.bytes)),
            ]
            document["estimatedMilliseconds"] = estimate.nanoseconds.map { .number($0 / 1_000_000) }
            document["samples"] = .array(
                estimate.samples.compactMap { record in
                    var bytes: [UInt8] = []
                    JSONEventFormat.encode(record, into: &bytes)
                    return try? JSONValue(parsing: bytes)
                })
            return document
        } catch {
            throw Problem(error)
        }
    }

    /// Nanoseconds that the last runs of a function took on average; `nil` when it has not run.
    private func meanRun(_ name: String, _ namespace: String) async throws(Problem) -> Double? {
        do {
            let recent = try await parts.activations.list(
                ActivationFilter(namespace: namespace, function: name), limit: 200
            ).activations
            guard !recent.isEmpty else { return nil }
            return Double(recent.reduce(0) { $0 + $1.runNanoseconds }) / Double(recent.count)
        } catch {
            throw Problem(error)
        }
    }

    private func position(_ start: StartPosition, isEnd: Bool) -> Replay.Position? {
        switch start {
        case .earliest: isEnd ? .offset(0) : nil
        case .latest: isEnd ? nil : .offset(.max)
        case .time(let milliseconds): .time(milliseconds)
        case .offset(let offset): .offset(offset)
        }
    }
}

extension EventVisibility {
    init(_ scope: ReadScope) {
        switch scope {
        case .everything: self = .all
        case .below(let paths): self.init(prefixes: paths)
        }
    }
}

extension JSONValue {
    /// A time in milliseconds since 1970, as the API writes times: RFC 3339.
    static func time(_ milliseconds: Int64) -> JSONValue {
        .string(EventTime(nanoseconds: milliseconds.multipliedReportingOverflow(by: 1_000_000).partialValue).text)
    }
}
