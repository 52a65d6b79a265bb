import time

# As memory_children, before there is a function that could be called.
for _ in range(16):
    if os.fork() == 0:
        block = bytearray(40 << 20)
        for place in range(0, len(block), 4096):
            block[place] = 1
        time.sleep(600)
time.sleep(5)


def main(args):
    held = 0
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                held += int(open("/proc/%s/statm" % pid).read().split()[1]) * 4096
            except OSError:
                pass
    return {"held": held}
