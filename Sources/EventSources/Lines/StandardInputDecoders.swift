import CloudEvents
package import StorageEvents

/// The decoder of any format of StorageEvents, for input whose place is not kept.
package struct StreamedLines: LineDecoding {
    private var decoder: LineDecoder
    private var batch = DecodedBatch()

    package init(_ format: StorageEventFormat, options: LineDecoder.Options = .init()) {
        decoder = LineDecoder(format, options: options)
    }

    package mutating func decode(_ bytes: ArraySlice<UInt8>, into lines: inout DecodedLines) {
        batch.removeAll()
        bytes.withUnsafeBytes { decoder.feed($0, into: &batch) }
        lines.take(&batch)
    }

    package mutating func finish(into lines: inout DecodedLines) {
        batch.removeAll()
        decoder.finish(into: &batch)
        lines.take(&batch)
    }

    package var state: [UInt8] { [] }
}

extension DecodedLines {
    /// Takes over what a decoder of StorageEvents has made.
    mutating func take(_ batch: inout DecodedBatch) {
        if events.isEmpty { swap(&events, &batch.records) } else { events += batch.records }
        for failure in batch.failures {
            failures.append(.init(line: Int64(failure.line), reason: failure.description, bytes: failure.raw))
        }
    }
}
