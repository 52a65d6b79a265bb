package import StorageEvents

/// The decoder of billing files, held to what a follower needs: whole lines in, and a state that can be kept.
package struct BillingLineDecoder: LineDecoding {
    private var decoder: BillingTextDecoder
    private var batch = DecodedBatch()
    private var line: Int
    /// The headers in force, by message.
    private var headers: [(message: String, format: String)] = []

    /// - Parameter state: what ``state`` gave, or nothing at a file's beginning.
    package init(date: BillingName, zone: ZoneRules, state: [UInt8]) throws(SourceError) {
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        decoder = BillingTextDecoder(
            fileName: "billing-\(date.year).\(padded(date.month)).\(padded(date.day))", zone: zone)
        line = 0
        guard !state.isEmpty else { return }
        var parts = String(decoding: state, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard let first = parts.first, let count = Int(first) else {
            throw SourceError(.state, "The kept state of a billing file is not of this version.")
        }
        parts.removeFirst()
        var unused = DecodedLines()
        for part in parts where !part.isEmpty { decode(Array((part + "\n").utf8)[...], into: &unused) }
        line = count
    }

    package mutating func decode(_ bytes: ArraySlice<UInt8>, into lines: inout DecodedLines) {
        batch.removeAll()
        bytes.withUnsafeBytes { buffer in
            var start = 0
            while start < buffer.count {
                let rest = UnsafeRawBufferPointer(rebasing: buffer[start...])
                let length = rest.firstIndex(of: 0x0A) ?? rest.count
                line += 1
                decoder.decode(
                    line: UnsafeRawBufferPointer(rebasing: rest[..<length]), lineNumber: line, into: &batch)
                start += length + 1
            }
        }
        hand(&lines)
    }

    package mutating func finish(into lines: inout DecodedLines) {
        batch.removeAll()
        decoder.finish(into: &batch)
        hand(&lines)
    }

    package var state: [UInt8] {
        var text = "\(line)"
        for header in headers { text += "\n## \(header.message) \(header.format)" }
        return Array(text.utf8)
    }

    private mutating func hand(_ lines: inout DecodedLines) {
        for header in batch.headers {
            headers.removeAll { $0.message == header.message }
            headers.append((header.message, header.format))
        }
        if lines.events.isEmpty { swap(&lines.events, &batch.records) } else { lines.events += batch.records }
        for failure in batch.failures {
            lines.failures.append(
                .init(line: Int64(failure.line), reason: failure.description, bytes: failure.raw))
        }
    }
}
