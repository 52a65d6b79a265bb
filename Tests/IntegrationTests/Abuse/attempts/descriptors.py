import stat


def main(args):
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target, mode = os.readlink("/proc/self/fd/" + name), os.fstat(int(name)).st_mode
        except OSError:
            continue
        if "/proc/" in target and target.endswith("/fd"):
            continue
        kind = [text for text, test in (
            ("folder", stat.S_ISDIR), ("file", stat.S_ISREG), ("pipe", stat.S_ISFIFO), ("socket", stat.S_ISSOCK),
            ("device", stat.S_ISCHR)) if test(mode)]
        found[name] = [kind[0] if kind else "other", target]
        if stat.S_ISDIR(mode):
            # A folder's descriptor must not lead out.
            up = attempt(lambda: os.listdir(os.open("../../../../..", os.O_RDONLY, dir_fd=int(name))))
            found[name].append(up)
    return found
