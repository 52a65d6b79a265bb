"""A server that speaks OpenWhisk's /init and /run, as runtime images do: the function is Python with `main(args)`.

Run as the only program of a container. `WEIR_NO_SENTINEL` leaves the marks out, as images of users do.
"""
import http.server, io, json, os, sys, traceback

SENTINEL = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"
function = None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        try:
            status, answer = {"/init": self.init, "/run": self.run}.get(self.path, lambda _: (404, {}))(body)
        except Exception:
            traceback.print_exc()
            status, answer = 502, {"error": "An error has occurred: " + traceback.format_exc().splitlines()[-1]}
        if self.path == "/run" and "WEIR_NO_SENTINEL" not in os.environ:
            for stream in (sys.stdout, sys.stderr):
                print(SENTINEL, file=stream, flush=True)
        if answer is not None:
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def init(self, body):
        global function
        value = body.get("value", {})
        if function is not None:
            return 403, {"error": "Cannot initialize the action more than once."}
        os.environ.update(value.get("env", {}))
        scope = {}
        if value.get("code") is None:
            # As a user's image: the function is inside.
            with open(os.environ.get("ACTION", "/action.py")) as file:
                exec(file.read(), scope)
        elif value.get("binary"):
            import base64, zipfile

            with zipfile.ZipFile(io.BytesIO(base64.b64decode(value["code"]))) as archive:
                archive.extractall("/tmp/code")
            sys.path.insert(0, "/tmp/code")
            with open("/tmp/code/__main__.py") as file:
                exec(file.read(), scope)
        else:
            exec(value["code"], scope)
        function = scope[value.get("main", "main")]
        return 200, {"OK": True}

    def run(self, body):
        for name, value in body.items():
            if name != "value":
                os.environ["__OW_" + name.upper()] = str(value)
        return 200, function(body.get("value", {}))


http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
