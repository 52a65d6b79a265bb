import mmap, time


def main(args):
    """Many processes, each below its own limit."""
    share = args["bytes"] // 16
    for _ in range(16):
        if os.fork() == 0:
            block = bytearray(share)
            for place in range(0, share, 4096):
                block[place] = 1
            time.sleep(600)
    time.sleep(args["seconds"])
    held = 0
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                held += int(open("/proc/%s/statm" % pid).read().split()[1]) * 4096
            except OSError:
                pass
    return {"held": held}
