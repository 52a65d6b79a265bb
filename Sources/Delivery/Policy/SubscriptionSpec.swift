public import CloudEvents
public import Manifest

/// What a person says about a subscription.
public struct SubscriptionSpec: Sendable, Hashable {
    package var channel: String
    package var filters: [Filter]
    package var sink: SinkSpec
    package var policy: DeliveryPolicy
    package var paused: Bool

    /// How long an attempt at a function may take when nothing is said: beyond what any function may run (24 h).
    static let functionTimeout: Int64 = 90_000_000

    /// Reads a subscription of a manifest or a request.
    ///
    /// - Throws: ``DocumentError`` with the place and what would be right.
    public init(_ value: JSONValue, path: String = "") throws(DocumentError) {
        var reader = try DocumentReader(value, path: path)
        channel = try reader.requiredString("channel")
        filters = []
        if let list = reader.value("filters") {
            do throws(FilterError) {
                filters = try Filter.list(parsing: list, path: reader.path(of: "filters"))
            } catch {
                throw DocumentError(path: error.path, message: error.reason)
            }
        }
        guard let sinkValue = reader.value("sink") else {
            throw DocumentError(path: reader.path(of: "sink"), message: "this is required")
        }
        sink = try SinkSpec(sinkValue, path: reader.path(of: "sink"))
        policy = DeliveryPolicy()
        if let delivery = try reader.object("delivery") { policy = try DeliveryPolicy(delivery) }
        // A function has a time limit of its own: giving an attempt up earlier would run it twice side by side.
        if case .function = sink, value["delivery"]?["timeout"] == nil { policy.timeout = Self.functionTimeout }
        paused = try reader.bool("paused") ?? false
        try reader.finish()
    }

    /// The same in one normal form, everything that is not the default written out.
    public var document: JSONValue {
        var object: JSONObject = ["channel": .string(channel)]
        if !filters.isEmpty { object["filters"] = .array(filters.map(\.json)) }
        object["sink"] = sink.document
        var delivery = policy.document
        if case .function = sink, policy.timeout == Self.functionTimeout { delivery["timeout"] = nil }
        if !delivery.isEmpty { object["delivery"] = .object(delivery) }
        if paused { object["paused"] = true }
        return .object(object)
    }
}

/// Where a subscription delivers.
package enum SinkSpec: Sendable, Hashable {
    package enum Mode: String, Sendable, CaseIterable { case binary, structured }
    package struct Header: Sendable, Hashable {
        package var name: String
        package var value: String
    }

    case function(String)
    case channel(String)
    case http(url: String, mode: Mode, headers: [Header])

    package init(_ value: JSONValue, path: String) throws(DocumentError) {
        if let text = value.string {
            self = try Self.parse(text, .binary, [], path)
            return
        }
        var reader = try DocumentReader(value, path: path)
        let url = try reader.requiredString("url")
        let mode = try reader.word("mode", of: Mode.allCases.map(\.rawValue)).flatMap { Mode(rawValue: $0) } ?? .binary
        var headers: [Header] = []
        if let object = try reader.freeObject("headers") {
            let place = reader.path(of: "headers")
            for member in object.members {
                guard let text = member.value.string, !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }),
                    !member.name.isEmpty, member.name.utf8.allSatisfy(Self.isTokenByte)
                else {
                    throw DocumentError(
                        path: "\(place).\(member.name)",
                        message: "a header name and a text without control characters were expected")
                }
                headers.append(Header(name: member.name, value: text))
            }
        }
        try reader.finish()
        self = try Self.parse(url, mode, headers, reader.path(of: "url"))
    }

    private static func parse(
        _ text: String, _ mode: Mode, _ headers: [Header], _ path: String
    ) throws(DocumentError) -> SinkSpec {
        for scheme in ["http://", "https://"] where text.hasPrefix(scheme) && text.utf8.count > scheme.utf8.count {
            return .http(url: text, mode: mode, headers: headers)
        }
        if text.hasPrefix("function:"), text.utf8.count > 9 { return .function(String(text.dropFirst(9))) }
        if text.hasPrefix("channel:"), text.utf8.count > 8 { return .channel(String(text.dropFirst(8))) }
        throw DocumentError(
            path: path, message: "\"\(text)\" is no sink: write function:NAME, channel:NAME, http://… or https://…")
    }

    /// RFC 9110 §5.6.2, token.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    package var document: JSONValue {
        switch self {
        case .function(let name): return .string("function:" + name)
        case .channel(let name): return .string("channel:" + name)
        case .http(let url, .binary, let headers) where headers.isEmpty: return .string(url)
        case .http(let url, let mode, let headers):
            var object: JSONObject = ["url": .string(url)]
            if mode != .binary { object["mode"] = .string(mode.rawValue) }
            if !headers.isEmpty {
                object["headers"] = .object(
                    JSONObject(members: headers.map { .init(name: $0.name, value: .string($0.value)) }))
            }
            return .object(object)
        }
    }
}
