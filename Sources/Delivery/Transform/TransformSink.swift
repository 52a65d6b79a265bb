import CloudEvents

/// Reshapes events before another sink gets them. One that cannot be reshaped will not be later either: it is rejected.
package struct TransformSink: Sink {
    private let transform: EventTransform
    private let sink: any Sink

    package init(_ transform: EventTransform, before sink: any Sink) {
        self.transform = transform
        self.sink = sink
    }

    package func close() async { await sink.close() }
    package func removed() async { await sink.removed() }

    package func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        var answers = [SinkAnswer?](repeating: nil, count: parcels.count)
        var made: [Parcel] = []
        var places: [Int] = []
        for (index, parcel) in parcels.enumerated() {
            do throws(TransformError) {
                var one = parcel
                one.event = try transform.apply(parcel.event)
                made.append(one)
                places.append(index)
            } catch {
                answers[index] = SinkAnswer(.rejected(error.message))
            }
        }
        if !made.isEmpty {
            for (place, answer) in zip(places, await sink.deliver(made)) { answers[place] = answer }
        }
        return answers.map { $0 ?? SinkAnswer(.retry("the sink gave no answer for this event")) }
    }
}
