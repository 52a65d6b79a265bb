def main(args):
    """Memory tricks: writing through /proc/self/mem to read-only pages, executing data, memfd programs."""
    import mmap, subprocess
    def memfd():
        one = os.memfd_create("program")
        os.write(one, b"#!/bin/sh\necho ran\n")
        os.fchmod(one, 0o700)
        return subprocess.run(["/proc/self/fd/%d" % one], pass_fds=[one], capture_output=True, text=True).stdout
    return {
        "core": put("/proc/sys/kernel/core_pattern", "|/tmp/x"),
        "other memory": [attempt(lambda: open("/proc/%d/mem" % pid, "r+b").close()) for pid in (1, args["pid"])],
        "oom": put("/proc/self/oom_score_adj", "-1000"),
        "release agent": put("/sys/fs/cgroup/memory/release_agent", "/tmp/x"),
        "huge pages": syscall(9, 0, 1 << 30, 3, 0x40022, -1, 0),
    }
