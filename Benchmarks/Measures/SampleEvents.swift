import CloudEvents

/// Events as they come from a storage system, one kilobyte each.
enum SampleEvents {
    static let size = 1_000

    static func event(_ number: Int, directory: Int? = nil, salt: String = "") -> EventRecord {
        let folder = directory ?? number % 100
        let path = "/pnfs/example.org/exfel/raw/SPB/202601/p00\(4000 + folder)/raw/r\(number % 1000)/RAW-\(number).h5"
        var event = CloudEvent(
            id: "bench-\(salt)\(number)", source: "dcache://pool@bench", type: "dev.weir.file.written", subject: path,
            time: EventTime(nanoseconds: 1_779_278_587_412_000_000 + Int64(number) * 1_000_000),
            extensions: [
                .init(name: "storagesystem", value: .string("dcache")), .init(name: "protocol", value: .string("http")),
                .init(name: "outcome", value: .string("ok")), .init(name: "filesize", value: .string("17179869184")),
                .init(name: "pool", value: .string("pool-\(number % 20)")),
                .init(name: "owner", value: .string("xdaq")),
                .init(
                    name: "partitionkey", value: .string("/pnfs/example.org/exfel/raw/SPB/202601/p00\(4000 + folder)")),
            ])
        let bare = EventRecord(event).bytes.count
        let filler = String(repeating: "x", count: max(0, size - bare - 40))
        event.data = .json(Array("{\"bytes\":17179869184,\"note\":\"\(filler)\"}".utf8))
        return EventRecord(event)
    }

    static func events(_ count: Int, salt: String = "") -> [EventRecord] { (0..<count).map { event($0, salt: salt) } }
}
