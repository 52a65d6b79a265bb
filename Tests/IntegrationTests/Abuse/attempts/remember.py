import builtins
import threading, time

ticks = 0


def tick():
    global ticks
    while True:
        ticks += 1
        for _ in range(1000):
            pass


def main(args):
    if args.get("plant"):
        builtins.planted = args["plant"]
        os.environ["PLANTED"] = args["plant"]
        open("/tmp/planted", "w").write(args["plant"])
        return {"pid": os.getpid()}
    if args.get("thread"):
        threading.Thread(target=tick, daemon=True).start()
        return {"pid": os.getpid()}
    if args.get("cpu"):
        return {"ticks": ticks, "cpu": time.process_time()}
    found = []
    wanted = args["look"]
    if getattr(builtins, "planted", None) == wanted: found.append("globals")
    if os.environ.get("PLANTED") == wanted: found.append("environ")
    if os.path.exists("/tmp/planted"): found.append("/tmp")
    for folder, _, names in os.walk("/tmp"):
        for name in names:
            try:
                if wanted in open(os.path.join(folder, name), errors="replace").read(): found.append(name)
            except OSError:
                pass
    return {"found": found, "pid": os.getpid()}
