import subprocess, time


def main(args):
    """Leaves processes that nothing ties to it, and files, and stays itself."""
    marker = args["marker"]
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.setsid()
                for one in range(64):
                    try:
                        os.close(one)
                    except OSError:
                        pass
                os.open("/dev/null", os.O_RDWR)
                os.execv("/bin/sh", ["sh", "-c", "sleep 600; : " + marker])
            os._exit(0)
    folder = os.environ["TMPDIR"]
    os.makedirs(folder + "/a/b/c")
    for number in range(50):
        open(folder + "/a/b/c/%d" % number, "w").write("x" * 1000)
    os.chmod(folder + "/a", 0)
    if args.get("memory"):
        block = bytearray(args["memory"])
        for place in range(0, len(block), 4096):
            block[place] = 1
    print("up", flush=True)
    time.sleep(args.get("seconds", 600))
    return {}
