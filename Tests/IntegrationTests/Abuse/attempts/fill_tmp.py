def main(args):
    written, reason = 0, None
    block = b"x" * (1 << 20)
    try:
        with open("/tmp/fill", "wb", buffering=0) as file:
            while written < 8 << 30:
                written += file.write(block)
    except OSError as error:
        reason = name_of(error.errno)
    return {"written": written, "reason": reason}
