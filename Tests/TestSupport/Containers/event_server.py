"""A server that takes CloudEvents over HTTP, one a POST, and answers by what the event's data ask for."""
import http.server, json, os, sys, time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, data=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(data) if data else {}
        kind, event = body.get("want", "seen"), self.headers
        print("event", event["ce-id"], "of", event["ce-type"], flush=True)
        if kind == "nothing":
            self.answer(204)
        elif kind == "binary":
            self.answer(200, b'{"a": 1}', ce_specversion="1.0", ce_id="r-" + event["ce-id"], ce_source="test:container",
                        ce_type="test.reply", ce_subject=event.get("ce-subject", ""), Content_Type="application/json")
        elif kind == "structured":
            reply = {"specversion": "1.0", "id": "s", "source": "test:container", "type": "test.reply", "data": {"b": 2}}
            self.answer(200, json.dumps(reply).encode(), Content_Type="application/cloudevents+json")
        elif kind == "batch":
            replies = [{"specversion": "1.0", "id": str(n), "source": "x:y", "type": "test.reply"} for n in range(2)]
            self.answer(200, json.dumps(replies).encode(), Content_Type="application/cloudevents-batch+json")
        elif kind == "text":
            self.answer(200, "as it is: é".encode(), Content_Type="text/plain; charset=utf-8")
        elif kind == "fail":
            self.answer(500, b'{"error": "no luck"}', Content_Type="application/json")
        elif kind == "picture":
            self.answer(200, b"\x89PNG", Content_Type="image/png")
        elif kind == "large":
            self.answer(200, b'"' + b"x" * (2 << 20) + b'"', Content_Type="application/json")
        elif kind == "exit":
            os._exit(7)
        elif kind == "sleep":
            time.sleep(600)
        else:
            seen = {name.lower(): value for name, value in event.items()}
            reply = {"headers": seen, "data": body, "environment": dict(os.environ), "user": os.getuid()}
            self.answer(200, json.dumps(reply).encode(), Content_Type="application/json")


http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
