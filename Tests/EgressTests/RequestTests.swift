import Testing
import TestSupport

@testable import Egress

/// What a function asks the proxy for, read strictly.
@Suite struct RequestTests {
    private func parse(_ text: String) throws(ProxyRequest.Fault) -> ProxyRequest {
        try ProxyRequest(parsing: Array(text.utf8)[...])
    }

    private func fault(_ text: String) -> ProxyRequest.Fault? {
        do throws(ProxyRequest.Fault) {
            _ = try parse(text)
            return nil
        } catch {
            return error
        }
    }

    @Test func tunnelsNameAHostAndAPort() throws {
        let request = try parse(
            "CONNECT Example.ORG:443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic eDp5\r\n\r\n")
        #expect(request.kind == .tunnel && request.host == "example.org" && request.port == 443)
        #expect(request.authorization == "Basic eDp5")
        let six = try parse("CONNECT [2001:db8::7]:8443 HTTP/1.0\r\n\r\n")
        #expect(six.host == "2001:db8::7" && six.port == 8443)
    }

    @Test func aRequestIsRewrittenForItsServer() throws {
        let request = try parse(
            "POST http://Example.org:8080/a?b=c HTTP/1.1\r\nHost: other.example\r\nProxy-Connection: keep-alive\r\n"
                + "Connection: x-secret, Keep-Alive, Content-Length\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n"
                + "Proxy-Authorization: Basic eDp5\r\nContent-Length: 3\r\nAccept:  */*  \r\n\r\n")
        guard case .forward(let head, var body) = request.kind else {
            Issue.record("no forward")
            return
        }
        #expect(
            String(decoding: head, as: UTF8.self)
                == "POST /a?b=c HTTP/1.1\r\nHost: example.org:8080\r\nContent-Length: 3\r\nAccept: */*\r\nVia: 1.1 weir\r\n"
                + "Connection: close\r\n\r\n")
        #expect(body.take(Array("abcGET /".utf8)[...]) == 3 && body.isDone)
        guard case .forward(let bare, _) = try parse("GET http://a.example?x HTTP/1.1\r\n\r\n").kind else { return }
        #expect(String(decoding: bare, as: UTF8.self).hasPrefix("GET /?x HTTP/1.1\r\nHost: a.example\r\n"))
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n\r\n", 400), ("GET https://a.example/ HTTP/1.1\r\n\r\n", 400),
        ("CONNECT a.example HTTP/1.1\r\n\r\n", 400),
        ("CONNECT a.example:0 HTTP/1.1\r\n\r\n", 400), ("CONNECT a.example:99999 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT user@a.example:443 HTTP/1.1\r\n\r\n", 400), ("CONNECT http://a.example:443 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT ::1:443 HTTP/1.1\r\n\r\n", 400), ("CONNECT [::1%lo]:443 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT [::1]x:443 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT a..b:443 HTTP/1.1\r\n\r\n", 400), ("CONNECT a:443 HTTP/2.0\r\n\r\n", 505),
        ("CONNECT  a:443 HTTP/1.1\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\n\n", 400), ("GET http://a/ HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\nA : b\r\n\r\n", 400), ("GET http://a/ HTTP/1.1\r\n b: c\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\nA: b\0c\r\n\r\n", 400), ("GET http://u:p@a/ HTTP/1.1\r\n\r\n", 400),
        ("GET http://a/#f HTTP/1.1\r\n\r\n", 400),
        ("POST http://a/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST http://a/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        ("POST http://a/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400),
        ("POST http://a/ HTTP/1.1\r\nContent-Length: 1,1\r\n\r\n", 400),
        ("POST http://a/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        ("GET http://é/ HTTP/1.1\r\n\r\n", 400),
    ])
    func whatIsNotClearIsRefused(text: String, status: Int) {
        #expect(fault(text)?.status == status, "\(text)")
    }

    @Test func aHeadHasLimits() {
        let many = "GET http://a/ HTTP/1.1\r\n" + String(repeating: "a: b\r\n", count: 101) + "\r\n"
        #expect(fault(many)?.status == 431)
    }

    @Test func chunkedBodiesEndWhereTheyEnd() {
        let text = "5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"
        for cut in 0...text.utf8.count {
            var body = RequestBody(.chunked)
            let bytes = Array(text.utf8)
            #expect(body.take(bytes[..<cut]) == cut)
            #expect(body.isDone == (cut == bytes.count))
            #expect(body.take((bytes[cut...] + Array("GET".utf8))[...]) == bytes.count - cut && body.isDone)
        }
        for bad in [
            "x\r\n", "5hello", "5\r\nhelloX", "5\nhello\r\n", "\r\n", "ffffffffffffffff\r\n", "0\r\n\nx",
            "5\r\nhello\r\nx",
        ] {
            var body = RequestBody(.chunked)
            #expect(body.take(Array(bad.utf8)[...]) == nil, "\(bad)")
        }
        var endless = RequestBody(.chunked)
        #expect(endless.take(Array(("5;" + String(repeating: "x", count: 5_000)).utf8)[...]) == nil)
    }
}
