import CloudEvents
package import Outbound
package import Persistence
import StorageEvents

/// Lists a bucket again and again and tells what has changed: for stores that cannot notify.
///
/// What was told is kept by object, behind what the channel has acknowledged; ids follow from the object's tag and time,
/// so that what is told again after a crash is the same event. Objects count as deleted when a listing that came to its end
/// does not have them.
package actor S3ListingSource: EventSource {
    private struct Known {
        /// Tag, time and size, as kept.
        var text: String
        /// The listing that had it last.
        var round: Int
    }

    private let id: SourceID
    private let spec: S3ListingSpec
    private let output: SourceOutput
    private let store: any StateStore
    private let secrets: SecretStore
    private let client: WebClient
    private let clock: SourceClock
    private let pause: @Sendable (Int64) async throws -> Void
    private var known: [String: Known] = [:]
    private var round = 0

    /// - Parameter pause: waits for some nanoseconds.
    package init(
        id: SourceID, spec: S3ListingSpec, output: SourceOutput, store: any StateStore, secrets: SecretStore,
        clock: SourceClock = .system,
        pause: @escaping @Sendable (Int64) async throws -> Void = { try await Task.sleep(for: .nanoseconds($0)) }
    ) throws {
        self.id = id
        self.spec = spec
        self.output = output
        self.store = store
        self.secrets = secrets
        self.clock = clock
        self.pause = pause
        client = try WebClient(tls: spec.tls)
    }

    package func run() async throws {
        let outcome: Result<Void, any Error>
        do {
            try await follow()
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        await client.shutdown()
        try outcome.get()
    }

    private func follow() async throws {
        var isFirst = try await load()
        while true {
            let began = clock.wall()
            try await list(isSilent: isFirst && spec.existing == .ignore)
            if isFirst { try await store.put([StateEntry(key: statePrefix + "started", value: [1])]) }
            isFirst = false
            output.report.running()
            let count = known.count
            output.report.change {
                $0.position = "\(count) objects, listed at \(EventTime(nanoseconds: began).text)"
            }
            try await pause(spec.interval * 1_000_000)
        }
    }

    // MARK: Listing

    private func list(isSilent: Bool) async throws {
        round += 1
        var next: String?
        repeat {
            try Task.checkCancellation()
            let page = try await page(after: next)
            try await take(page, isSilent: isSilent)
            next = page.next
        } while next != nil
        try await takeGone()
    }

    private func take(_ page: ListingPage, isSilent: Bool) async throws {
        var events: [EventRecord] = []
        var entries: [StateEntry] = []
        for object in page.objects where spec.filter.admitsFile(object.key) {
            let text = [object.etag, object.modified, object.size.map(String.init) ?? ""].joined(separator: " ")
            let isNew = known[object.key]?.text != text
            known[object.key] = Known(text: text, round: round)
            guard isNew else { continue }
            entries.append(StateEntry(key: statePrefix + "o/" + object.key, value: Array(text.utf8)))
            if !isSilent { events.append(EventRecord(listing(object.key, text).written(host: host))) }
        }
        try await output.publish(events)
        if !entries.isEmpty { try await store.put(entries) }
    }

    /// What a whole listing did not have is gone.
    private func takeGone() async throws {
        let gone = known.filter { $0.value.round != round }.sorted { $0.key < $1.key }
        guard !gone.isEmpty else { return }
        try await output.publish(gone.map { EventRecord(listing($0.key, $0.value.text).deleted(host: host)) })
        try await store.put(gone.map { StateEntry(key: statePrefix + "o/" + $0.key, value: nil) })
        for one in gone { known[one.key] = nil }
    }

    private func listing(_ key: String, _ text: String) -> S3Listing {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        return S3Listing(
            bucket: spec.bucket, key: key, size: parts.count > 2 ? Int64(parts[2]) : nil, etag: parts.first ?? "",
            modified: parts.count > 1 ? parts[1] : "")
    }

    private var host: String { spec.system ?? String(authority.prefix { $0 != ":" }) }

    private var authority: Substring {
        guard let start = spec.url.firstRange(of: "://") else { return spec.url[...] }
        return spec.url[start.upperBound...].prefix { $0 != "/" }
    }

    private func page(after token: String?) async throws -> ListingPage {
        var query: [(name: String, value: String)] = [
            ("list-type", "2"), ("encoding-type", "url"), ("max-keys", "1000"), ("prefix", spec.prefix),
        ]
        if let token { query.append(("continuation-token", token)) }
        let base = spec.url.dropFirst(
            (spec.url.firstRange(of: "://")?.upperBound).map {
                spec.url.distance(from: spec.url.startIndex, to: $0)
            } ?? 0)
        let path = base.dropFirst(authority.count) + "/" + S3Signature.encoded(spec.bucket)
        var headers: [(name: String, value: String)] = []
        if let keys = spec.keys {
            let signature = S3Signature(
                accessKey: try secrets.text(keys.access, namespace: id.namespace),
                secretKey: try secrets.text(keys.secret, namespace: id.namespace), region: spec.region)
            headers = signature.headers(host: String(authority), path: String(path), query: query, time: clock.wall())
        }
        let scheme = spec.url.hasPrefix("https://") ? "https://" : "http://"
        let address = "\(scheme)\(authority)\(path)"
        let answer = try await client.send(
            WebRequest("GET", address + "?" + S3Signature.text(of: query), headers: headers))
        guard answer.status == 200 else {
            let said = String(decoding: answer.body.prefix(300), as: UTF8.self)
            throw SourceError(
                answer.status == 403 ? .forbidden : answer.status == 404 ? .missing : .ioFailure,
                "The bucket cannot be listed: \(address) answered \(answer.status): \(said)")
        }
        do throws(ListingError) {
            return try ListingPage(answer.body)
        } catch {
            throw SourceError(.ioFailure, "The bucket's listing from \(address) cannot be read: \(error)")
        }
    }

    // MARK: State

    private var statePrefix: String { id.statePrefix + "s3/" }

    /// - Returns: whether nothing was kept yet.
    private func load() async throws -> Bool {
        known = [:]
        var isFirst = true
        for entry in try await store.entries(prefix: statePrefix) {
            guard let value = entry.value else { continue }
            let name = entry.key.dropFirst(statePrefix.count)
            if name == "started" {
                isFirst = false
            } else if name.hasPrefix("o/") {
                known[String(name.dropFirst(2))] = Known(text: String(decoding: value, as: UTF8.self), round: 0)
            }
        }
        return isFirst
    }
}
