import socket


def tcp(address):
    def go():
        with socket.socket() as one:
            one.settimeout(2)
            one.connect(tuple(address))
    return attempt(go)


def send_udp(address):
    def go():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(2)
            one.sendto(b"x", tuple(address))
    return attempt(go)


def unix(path):
    def go():
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(2)
            one.connect(path)
    return attempt(go)


def make(family, kind, protocol=0):
    return attempt(lambda: socket.socket(family, kind, protocol).close())


def resolve(name):
    return attempt(lambda: socket.getaddrinfo(name, 80))


def main(args):
    return {
        "canary": tcp(["127.0.0.1", args["canary"]]), "api": tcp(["127.0.0.1", args["api"]]),
        "outside": tcp(["192.0.2.1", 80]), "udp": send_udp(["192.0.2.1", 53]),
        "udp loopback": send_udp(["127.0.0.1", args["canary"]]),
        "dns": resolve("example.org"), "abstract": unix("\0" + args["abstract"]), "path": unix(args["path"]),
        "raw": make(socket.AF_INET, socket.SOCK_RAW, 1), "packet": make(17, socket.SOCK_RAW, 0x0300),
        "netlink": make(16, socket.SOCK_RAW, 0), "vsock": make(40, socket.SOCK_STREAM), "alg": make(38, 5),
        "bluetooth": make(31, 3, 1), "can": make(29, 3, 1),
    }
