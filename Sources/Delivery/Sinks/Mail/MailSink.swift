import CloudEvents
package import Outbound

/// Sends events as e-mail: one mail a batch, so that `delivery.batch` makes a digest of many.
package struct MailSink: Sink {
    private let spec: MailSinkSpec
    private let client: SMTPClient
    private let secrets: SecretStore
    private let namespace: String
    private let hostName: String
    private let now: @Sendable () -> Int64

    package init(
        _ spec: MailSinkSpec, secrets: SecretStore, namespace: String, hostName: String,
        now: @escaping @Sendable () -> Int64
    ) {
        self.spec = spec
        client = SMTPClient(host: spec.host, port: spec.port, tls: spec.tls)
        self.secrets = secrets
        self.namespace = namespace
        self.hostName = hostName
        self.now = now
    }

    package func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        var outcomes = [DeliveryOutcome?](repeating: nil, count: parcels.count)
        var subject: String?
        var texts: [String] = []
        var ids: [String] = []
        var places: [Int] = []
        for (place, parcel) in parcels.enumerated() {
            var facts = EventFacts(parcel.event.event, appended: parcel.appended)
            do throws(TemplateError) {
                let (title, text) = (try spec.subject.text(&facts), try spec.text.text(&facts))
                if subject == nil { subject = title }
                texts.append(text)
                ids.append(Lineage.id("mail", facts.event.source, facts.event.id))
                places.append(place)
            } catch {
                outcomes[place] = .rejected(error.message)
            }
        }
        if let subject {
            let more = texts.count > 1 ? " (and \(texts.count - 1) more)" : ""
            let message = MailMessage(
                from: spec.from, to: spec.to, subject: subject + more,
                text: texts.joined(separator: "\n\n--------\n\n"),
                date: EventTime(nanoseconds: now() * 1_000_000),
                id: ids.count == 1 ? ids[0] : Lineage.id("mails", ids.joined(separator: " ")))
            let outcome = await send(message)
            for place in places { outcomes[place] = outcome }
        }
        return outcomes.map { SinkAnswer($0 ?? .retry("the mail was not sent")) }
    }

    private func send(_ message: MailMessage) async -> DeliveryOutcome {
        do {
            let password = try spec.password.map { reference throws(SecretError) in
                try secrets.text(reference, namespace: namespace)
            }
            let options = SMTPOptions(
                security: spec.security, name: spec.name ?? hostName, user: spec.user, password: password,
                isLocal: PlainTransport.isLocal(spec.host))
            switch try await client.send(message, options) {
            case .sent: return .delivered
            case .deferred(let why): return .retry(why)
            case .refused(let why): return .rejected(why)
            }
        } catch {
            return .retry("\(error)")
        }
    }
}
