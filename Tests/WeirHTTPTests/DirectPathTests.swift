import HTTPTypes
import Testing

@testable import WeirHTTP

@Suite struct DirectPathTests {
    private static func head(
        _ path: String, method: HTTPRequest.Method = .post, headers: HTTPFields = [.contentLength: "10"]
    ) -> HTTPRequest {
        HTTPRequest(method: method, scheme: "http", authority: "x", path: path, headerFields: headers)
    }

    @Test(arguments: [
        (head("/v1/channels/a/events"), true), (head("/v1/channels/a/events?namespace=b"), true),
        (head("/v1/functions/a/b/invoke?blocking=true"), true), (head("/v1/functions/a/invoke", headers: [:]), true),
        (head("/v1/channels/a/events", method: .get), false), (head("/v1/channels/a"), false),
        (head("/v1/channels/a/events", headers: [.contentLength: "101"]), false),
        (head("/v1/channels/a/events", headers: [.contentLength: "x"]), false),
        (head("/v1/channels/a/events", headers: [.transferEncoding: "chunked"]), false),
        (head("/v1/channels/a/events", headers: [.contentLength: "10", .expect: "100-continue"]), false),
    ])
    func shortRequestsOfTheHotRoutesAreTaken(_ head: HTTPRequest, _ expected: Bool) {
        var path = DirectPath(limit: 100)
        #expect(path.readHead(head) == (expected ? .keep : .pass))
        #expect(path.readBody() == (expected ? .keep : .pass))
        #expect(path.readEnd() == (expected ? .answer : .pass))
        #expect(path.isAnswering == expected)
    }

    @Test func nothingOvertakesARequestThatIsAnsweredAbove() {
        var path = DirectPath(limit: 100)
        #expect(path.readHead(Self.head("/v1/status", method: .get)) == .pass)
        #expect(path.readEnd() == .pass)
        #expect(path.readHead(Self.head("/v1/channels/a/events")) == .pass)
        path.answeredAbove()
        // The second is still being read, and is not answered.
        #expect(path.readBody() == .pass)
        #expect(path.readEnd() == .pass)
        path.answeredAbove()
        #expect(path.readHead(Self.head("/v1/channels/a/events")) == .keep)
        #expect(path.isBusy)
        #expect(path.readEnd() == .answer)
        path.answered()
        #expect(!path.isBusy)
    }

    @Test(arguments: [
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (1_709_208_000, "Thu, 29 Feb 2024 12:00:00 GMT"),
    ])
    func datesAreWrittenAsHTTPWantsThem(_ seconds: Int, _ text: String) {
        #expect(HTTPDate.text(seconds: seconds) == text)
    }
}
