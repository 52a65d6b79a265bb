import CloudEvents
import StorageEvents
import TestSupport
import Testing

/// Lines through a decoder.
struct TextLines {
    var decoder: BillingTextDecoder
    var batch = DecodedBatch()
    private var number = 0

    init(
        _ fileName: String = "billing-2026.05.20", zone: ZoneRules = .utc,
        options: BillingTextDecoder.Options = .init()
    ) {
        decoder = BillingTextDecoder(fileName: fileName, zone: zone, options: options)
    }

    mutating func add(_ lines: String...) {
        for line in lines { add(bytes: Array(line.utf8)) }
    }

    mutating func add(bytes: [UInt8]) {
        number += 1
        bytes.withUnsafeBytes { decoder.decode(line: $0, lineNumber: number, into: &batch) }
    }

    var events: [CloudEvent] { batch.records.map(\.event) }

    func data(_ index: Int) throws -> JSONValue { try EventVocabulary.data(of: try #require(events[safe: index])) }
}

extension Array {
    subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}

enum Sample {
    static func mover(
        date: String = "05.20 14:03:07", path: String = "/data/a.h5", type: String = "true", code: Int = 0,
        message: String = "", proto: String? = nil, initiator: String = "door:D@dDomain:AAA:1",
        storage: String = "e:r@osm"
    ) -> String {
        "\(date) [pool:p1:transfer] [0000C0FFEE5A1D4B4E2F9A6B7C8D9E0F1A2B,10] [\(path)] \(storage) 10 5 \(type) "
            + "{\(proto ?? "Http-1.1:192.0.2.1:0:D:dDomain:\(path)")} [\(initiator)] {\(code):\"\(message)\"}"
    }

    static func door(
        date: String = "05.20 14:03:07", owner: String = "alice", path: String = "/data/a.h5",
        chain: String = "192.0.2.1",
        type: String = "request", code: Int = 0, message: String = ""
    ) -> String {
        "\(date) [door:D@dDomain:\(type)] [\"\(owner)\":1:2:\(chain)] [,0] [\(path)] <Unknown> 3 0 {\(code):\"\(message)\"}"
    }
}
