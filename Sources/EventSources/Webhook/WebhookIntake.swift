import CloudEvents
package import Outbound
package import StorageEvents

/// Takes in what is posted to a source.
package struct WebhookIntake: Sendable {
    /// What became of a request.
    package struct Outcome: Sendable, Hashable {
        package var events: Int
        /// Parts that could not be read and went to the dead letters.
        package var unreadable: Int

        package init(events: Int, unreadable: Int) {
            self.events = events
            self.unreadable = unreadable
        }
    }

    private let secrets: SecretStore
    private let options: LineDecoder.Options
    private let now: @Sendable () -> Int64

    /// - Parameter now: nanoseconds since 1970.
    package init(
        secrets: SecretStore, options: LineDecoder.Options = .init(),
        now: @escaping @Sendable () -> Int64 = WallClock.nanoseconds
    ) {
        self.secrets = secrets
        self.options = options
        self.now = now
    }

    /// Appends what a request holds; returns when it is durable.
    ///
    /// - Throws: ``WebhookError`` when the sender does not know the secret, and what appending throws.
    package func take(
        _ request: WebhookRequest, _ id: SourceID, _ spec: WebhookSpec, _ output: SourceOutput
    ) async throws -> Outcome {
        let secret: [UInt8]
        do throws(SecretError) {
            secret = try secrets.value(id.namespace, spec.secret.name)
        } catch {
            output.report.failing(error.message)
            throw WebhookError(
                .unavailable, "the source \"\(id.name)\" cannot check who sends: its secret cannot be read")
        }
        guard request.shows(secret, as: spec.format) else {
            output.report.note("Requests that did not show the secret were refused.")
            throw WebhookError(.refused, "the request does not show the secret of the source \"\(id.name)\"")
        }
        if case .failing = output.report.snapshot.state { output.report.running() }
        let (events, unreadable) = decoded(request, id, spec)
        try await output.publish(unreadable: unreadable)
        try await output.publish(events)
        return Outcome(events: events.count, unreadable: unreadable.count)
    }

    private func decoded(
        _ request: WebhookRequest, _ id: SourceID, _ spec: WebhookSpec
    ) -> (events: [EventRecord], unreadable: [EventRecord]) {
        let made: Result<CloudEvent, ForgeDelivery.Problem>
        switch spec.format {
        case .github: made = ForgeDelivery.github(request)
        case .gitlab: made = ForgeDelivery.gitlab(request)
        case .records(let format): return records(request.body, id, format, system: spec.system)
        }
        switch made {
        case .success(let event):
            do {
                try event.validate()
                return ([EventRecord(event)], [])
            } catch {
                return ([], [poison(request.body, "\(error)", id)])
            }
        case .failure(let problem): return ([], [poison(request.body, problem.reason, id)])
        }
    }

    private func records(
        _ body: [UInt8], _ id: SourceID, _ format: StorageEventFormat, system: String?
    ) -> (events: [EventRecord], unreadable: [EventRecord]) {
        guard !body.isEmpty else { return ([], [poison(body, "the body is empty", id)]) }
        var options = options
        if let system { (options.system, options.endpoint) = (system, system) }
        var decoder = LineDecoder(format, options: options)
        var batch = DecodedBatch()
        body.withUnsafeBytes { decoder.feed($0, into: &batch) }
        // The request's end is the text's end, and no other half of a move follows.
        decoder.endRecord(into: &batch)
        decoder.finish(into: &batch)
        return (batch.records, batch.failures.map { poison($0.raw, $0.description, id) })
    }

    private func poison(_ bytes: [UInt8], _ reason: String, _ id: SourceID) -> EventRecord {
        Unreadable(
            bytes: bytes, reason: reason, source: "weir://\(id.namespace)/sources/\(id.name)", subject: id.name,
            time: now()
        ).event
    }
}

/// Why a request was not taken.
package struct WebhookError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable { case refused, unavailable }
    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
