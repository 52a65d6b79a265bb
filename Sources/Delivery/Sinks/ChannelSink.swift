package import Channels
import CloudEvents

/// Copies events to another channel, one causal step deeper, so that a ring of channels comes to an end.
package struct ChannelSink: Sink {
    private let channel: any Channel

    package init(channel: any Channel) { self.channel = channel }

    package func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
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
