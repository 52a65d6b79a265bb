def main(args):
    """Forks twice, closes everything, leaves its session: a marked process that wants to stay."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, b"%d" % os.getpid())
            os.closerange(0, 1024)
            os.execv("/bin/sleep", [args["marker"], "600"])
        os._exit(0)
    os.wait()
    os.close(writer)
    return {"left": int(os.read(reader, 16))}
