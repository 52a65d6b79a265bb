def readable(path):
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20)
    except OSError as error:
        return None


def main(args):
    """What of the host is seen: processes, environments, memory, kernel files, folders."""
    pids = sorted(int(p) for p in os.listdir("/proc") if p.isdigit()) if os.path.isdir("/proc") else []
    canary = args["canary"].encode()
    found = []
    for pid in pids + [args["host"], args["server"], 1]:
        for name in ("environ", "cmdline", "maps", "mem", "status", "mountinfo"):
            text = readable("/proc/%d/%s" % (pid, name))
            if text and canary in text:
                found.append("/proc/%d/%s" % (pid, name))
    import gc
    for thing in gc.get_objects():
        if isinstance(thing, (str, bytes)) and (thing if isinstance(thing, bytes) else thing.encode()) == canary:
            found.append("an object")
    if any(canary in (k + v).encode() for k, v in os.environ.items()):
        found.append("environ")
    return {
        "pids": pids, "found": found, "uid": os.getuid(), "groups": os.getgroups(),
        "caps": [line.split()[1] for line in (readable("/proc/self/status") or b"").decode().splitlines()
                 if line.startswith("Cap")],
        "open": [path for path in (
            "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/kcore", "/proc/kallsyms", "/sys/kernel",
            "/proc/kmsg", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/kvm", "/proc/config.gz",
            "/root/.profile", "/root/.ssh", "/root/.bashrc", "/home", "/etc/shadow", "/var/lib", "/proc/1/root", "/proc/1/cwd", args["data"],
            args["data"] + "/admin.key", args["data"] + "/registry.sqlite", args["data"] + "/code", args["file"])
            if _opens(path)],
        "writable": [path for path in (
            "/", "/etc", "/usr", "/usr/bin", "/bin", "/lib", "/proc", "/dev", "/var", "/code", "/opt", "/run", "/mnt",
            os.path.dirname(os.path.abspath(__file__)))
            if attempt(lambda: os.close(os.open(path + "/weir-abuse", os.O_CREAT | os.O_WRONLY))) == "ok"],
        "setuid": attempt(lambda: os.setuid(0)) if os.getuid() != 0 else "is root",
    }


def _opens(path):
    if os.path.isdir(path):
        try:
            return len(os.listdir(path)) > 0
        except OSError:
            return False
    try:
        os.close(os.open(path, os.O_RDONLY))
        return True
    except OSError:
        return False
