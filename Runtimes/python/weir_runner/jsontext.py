"""JSON to values and back, by the interpreter's C code without the `json` package around it."""

try:
    from _json import encode_basestring, make_encoder, make_scanner
except ImportError:  # an interpreter without the C code
    make_encoder = make_scanner = None


class Reading:
    """What `json.JSONDecoder` would tell the scanner."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__


def unserialisable(value):
    raise TypeError("Object of type %s is not JSON serializable" % value.__class__.__name__)


def _make():
    try:
        # One C encoder for all answers: JSONEncoder.encode makes a new one every time.
        fast = make_encoder(None, unserialisable, encode_basestring, None, ":", ",", False, False, False)
        scan = make_scanner(Reading)
        if "".join(fast({"a": [1, "b"]}, 0)) == '{"a":[1,"b"]}' and scan('{"a":[1]}', 0) == ({"a": [1]}, 9):
            return scan, lambda value: "".join(fast(value, 0))
    except Exception:
        pass
    import json

    options = {"ensure_ascii": False, "allow_nan": False, "separators": (",", ":")}
    return json.JSONDecoder().scan_once, json.JSONEncoder(**options).encode


scan, encode = _make()


def loads(data):
    text = str(data, "utf-8").strip()
    try:
        value, end = scan(text, 0)
    except StopIteration:
        raise ValueError("there is no JSON value") from None
    if end != len(text):
        raise ValueError("there is more behind the JSON value")
    return value
