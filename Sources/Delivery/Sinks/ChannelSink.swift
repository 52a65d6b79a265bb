package import Channels
import CloudEvents

/// Copies events to another channel, one causal step deeper, so that a ring of channels comes to an end.
package struct ChannelSink: Sink {
    private let name: String
    private let channel: @Sendable () -> (any Channel)?

    /// - Parameter channel: finds the channel at each delivery, since it may come later.
    package init(name: String, channel: @escaping @Sendable () -> (any Channel)?) {
        self.name = name
        self.channel = channel
    }

    package func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        guard let channel = channel() else {
            return parcels.map { _ in SinkAnswer(.retry("the channel \"\(name)\" does not exist")) }
        }
        let copies = parcels.map { parcel in
            parcel.event.withView { view in
                var event = view.event
                Lineage.mark(&event, causedBy: view)
                return EventRecord(event)
            }
        }
        do throws(ChannelError) {
            _ = try await channel.append(copies)
            return parcels.map { _ in SinkAnswer(.delivered) }
        } catch {
            let outcome: DeliveryOutcome =
                error.code == .recordTooLarge && parcels.count == 1 ? .rejected(error.message) : .retry(error.message)
            return parcels.map { _ in SinkAnswer(outcome) }
        }
    }
}
