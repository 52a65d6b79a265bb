import CloudEvents
import Outbound

/// The documents of one request to `_bulk`, and what its answer says of each.
struct BulkRequest: Sendable {
    struct Item: Sendable {
        /// Which parcel it is.
        var place: Int
        var index: String
        var id: String
        var document: [UInt8]
    }

    var items: [Item] = []

    /// Newline-delimited JSON: an action and a document each.
    func body(_ operation: SearchSinkSpec.Operation) -> [UInt8] {
        var out: [UInt8] = []
        for item in items {
            let action: JSONValue = .object([
                operation.rawValue: ["_index": .string(item.index), "_id": .string(item.id)]
            ])
            out += action.encoded()
            out.append(0x0A)
            out += item.document
            out.append(0x0A)
        }
        return out
    }

    /// About how many bytes the item takes in a request.
    static func size(_ item: Item) -> Int { item.document.count + item.index.utf8.count + item.id.utf8.count + 48 }

    /// The outcome of each item, in their order, from a good answer.
    ///
    /// - Throws: ``OutboundError`` when the answer is not one to these items: nothing is then known of any.
    func outcomes(_ body: [UInt8]) throws(OutboundError) -> [DeliveryOutcome] {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: body)
        } catch {
            throw OutboundError(.badAnswer, "the answer to _bulk is \(error)")
        }
        guard let answers = value["items"]?.array, answers.count == items.count else {
            throw OutboundError(
                .badAnswer, "the answer to _bulk does not speak of each of the \(items.count) documents")
        }
        return answers.map { answer in
            guard let result = answer.object?.members.first?.value, let status = result["status"]?.integer else {
                return .retry("the answer to _bulk has an item without a status")
            }
            switch status {
            case 200..<300: return .delivered
            // With `create`: it is there already, from a delivery whose answer did not come through.
            case 409: return .delivered
            case 408, 429, 500...: return .retry(Self.reason(result, status))
            default: return .rejected(Self.reason(result, status))
            }
        }
    }

    private static func reason(_ result: JSONValue, _ status: Int64) -> String {
        let error = result["error"]
        let words =
            error?.string
            ?? [error?["type"]?.string, error?["reason"]?.string].compactMap { $0 }.joined(separator: ": ")
        return "the document was answered with \(status)" + (words.isEmpty ? "" : " (\(words.prefix(500)))")
    }
}
