def main(args):
    """Kernel memory by pipes and sockets that are filled."""
    import fcntl, socket
    held, ends = 0, []
    try:
        while held < args["bytes"]:
            reader, writer = os.pipe()
            ends += [reader, writer]
            try:
                fcntl.fcntl(writer, 1031, 1 << 20)
            except OSError:
                pass
            os.set_blocking(writer, False)
            try:
                while True:
                    held += os.write(writer, b"x" * 65536)
            except BlockingIOError:
                pass
    except OSError as error:
        return {"held": held, "reason": name_of(error.errno)}
    return {"held": held, "reason": None}
