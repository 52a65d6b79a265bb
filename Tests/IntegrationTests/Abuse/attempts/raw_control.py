def main(args):
    """Speaks the worker's own protocol out of turn."""
    kind = args["kind"]
    if kind == "length":
        os.write(3, (0xFFFFFFF0).to_bytes(4, "little") + b"x" * 100)
    elif kind == "answers":
        line = b"[0,1,{\"forged\":true}]\n" * 500
        os.write(3, len(line).to_bytes(4, "little") + line)
    elif kind == "noise":
        os.write(3, os.urandom(4096))
    elif kind == "close":
        os.close(3)
    import time
    time.sleep(30)
    return {"survived": True}
