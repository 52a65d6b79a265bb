import time


def main(args):
    if os.fork() == 0:
        time.sleep(600)
        os._exit(0)
    zombies = 0
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                if open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[0] == "Z":
                    zombies += 1
            except OSError:
                pass
    return {"processes": sum(1 for pid in os.listdir("/proc") if pid.isdigit()), "zombies": zombies}
