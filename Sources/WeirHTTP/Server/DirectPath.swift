import HTTPTypes

/// Which requests of a connection are answered right where they are read, and which go the long way.
///
/// The two requests that come by the ten thousand, events that are published and functions that are called, need none of
/// what a stream of body parts costs: they are collected and handed to the same responder whole. Everything else, and
/// everything of unknown or great length, goes on to the server above. Answers keep the order of the requests: while one
/// is made here nothing is read, and while one is made above nothing is taken here.
struct DirectPath {
    enum Route: Equatable {
        /// Hand it on.
        case pass
        /// Keep it: it belongs to the request that is being collected.
        case keep
        /// The request that was collected is whole: answer it.
        case answer
    }

    /// Bytes of a body that is collected here.
    private let limit: Int
    private(set) var isCollecting = false
    private(set) var isAnswering = false
    /// Requests that went on and are not answered yet.
    private var passed = 0
    /// Whether the rest of a request that went on is still to come.
    private var isPassing = false

    init(limit: Int) {
        self.limit = limit
    }

    /// Whether a request must be answered before anything else is read or told.
    var isBusy: Bool { isCollecting || isAnswering }

    mutating func readHead(_ head: HTTPRequest) -> Route {
        guard passed == 0, !isPassing, takes(head) else {
            passed += 1
            isPassing = true
            return .pass
        }
        isCollecting = true
        return .keep
    }

    func readBody() -> Route { isCollecting ? .keep : .pass }

    mutating func readEnd() -> Route {
        guard isCollecting else {
            isPassing = false
            return .pass
        }
        isCollecting = false
        isAnswering = true
        return .answer
    }

    mutating func answered() { isAnswering = false }

    /// An answer from above is written to its end.
    mutating func answeredAbove() { passed -= 1 }

    private func takes(_ head: HTTPRequest) -> Bool {
        guard head.method == .post, let target = head.path else { return false }
        let path = target.utf8.prefix { $0 != UInt8(ascii: "?") }
        let isHot =
            path.starts(with: "/v1/channels/".utf8) && path.suffix(7).elementsEqual("/events".utf8)
            || path.starts(with: "/v1/functions/".utf8) && path.suffix(7).elementsEqual("/invoke".utf8)
            || path.starts(with: "/api/v1/namespaces/".utf8) || path.starts(with: "/api/v1/web/".utf8)
        guard isHot, head.headerFields[.expect] == nil, head.headerFields[.transferEncoding] == nil else {
            return false
        }
        // Without a length there is no body (RFC 9112 §6.3).
        guard let text = head.headerFields[.contentLength] else { return true }
        return Int(text).map { $0 <= limit } ?? false
    }
}
