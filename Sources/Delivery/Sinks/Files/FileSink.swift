import CloudEvents
import Dispatch
import Synchronization

/// Writes events as JSON lines to files that readers such as Spark find whole, each event once.
package final class FileSink: Sink {
    private let spec: FileSinkSpec
    private let tree: Mutex<FileTree>
    /// Writing and syncing block: they have a thread of their own.
    private let queue: DispatchQueue

    /// - Parameter owner: whose progress decides what was written: the subscription, by a name that can stand in a file's.
    package init(_ spec: FileSinkSpec, owner: String) {
        self.spec = spec
        queue = DispatchQueue(label: "weir.files.\(owner)")
        tree = Mutex(FileTree(directory: spec.directory, owner: owner))
    }

    package func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        var outcomes = [DeliveryOutcome?](repeating: nil, count: parcels.count)
        var lines: [FileTree.Line] = []
        for (place, parcel) in parcels.enumerated() {
            do throws(TemplateError) {
                lines.append(try line(parcel))
            } catch {
                outcomes[place] = .rejected(error.message)
            }
        }
        let written = lines
        let outcome: DeliveryOutcome = await withCheckedContinuation { continuation in
            queue.async {
                let outcome = self.tree.withLock { tree -> DeliveryOutcome in
                    do throws(FileTree.Failure) {
                        try tree.write(written)
                        return .delivered
                    } catch {
                        return .retry(error.description)
                    }
                }
                continuation.resume(returning: outcome)
            }
        }
        return outcomes.map { SinkAnswer($0 ?? outcome) }
    }

    package func removed() async {
        await withCheckedContinuation { continuation in
            queue.async {
                self.tree.withLock { $0.removeLedger() }
                continuation.resume()
            }
        }
    }

    private func line(_ parcel: Parcel) throws(TemplateError) -> FileTree.Line {
        var facts = EventFacts(parcel.event.event, appended: parcel.appended)
        var bytes: [UInt8] = []
        if let document = spec.document {
            bytes = try document.value(&facts).encoded()
        } else {
            JSONEventFormat.encode(parcel.event, into: &bytes)
            // Data may stand over several lines; as text of JSON it means the same in one.
            if bytes.contains(0x0A) || bytes.contains(0x0D), let value = try? JSONValue(parsing: bytes) {
                bytes = value.encoded()
            }
        }
        return FileTree.Line(
            partition: parcel.partition, offset: parcel.offset, floor: parcel.floor, folder: try spec.folder(&facts),
            bytes: bytes)
    }
}
