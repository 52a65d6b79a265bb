def main(args):
    block = b"x" * 1023 + b"\n"
    block *= 1024
    for stream in (1, 2):
        for _ in range(args["mebibytes"]):
            os.write(stream, block)
    return {"written": 2 * args["mebibytes"]}
