import resource, struct


def main(args):
    """Tries to slow, limit or tie down processes of the same user, which is not a signal and needs no privilege."""
    def affinity(pid):
        return attempt(lambda: os.sched_setaffinity(pid, {0}))

    found = {}
    for pid in args["pids"]:
        found[str(pid)] = {
            "limit": attempt(lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 3))),
            "limit of files": attempt(lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))),
            "look": attempt(lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE)),
            "affinity": affinity(pid),
            "priority": attempt(lambda: os.setpriority(os.PRIO_PROCESS, pid, 19)),
            "group": attempt(lambda: os.setpriority(os.PRIO_PGRP, pid, 19)),
            "policy": attempt(lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))),
            "attributes": syscall(314, pid, struct.pack("IIQiIQQQ", 48, 5, 0, 0, 0, 0, 0, 0), 0),
            "input priority": syscall(251, 1, pid, 3 << 13),
            "environment": attempt(lambda: open("/proc/%d/environ" % pid, "rb").read()),
            "descriptors": attempt(lambda: os.listdir("/proc/%d/fd" % pid)),
            "root": attempt(lambda: os.listdir("/proc/%d/root" % pid)),
            "memory": attempt(lambda: open("/proc/%d/mem" % pid, "rb").close()),
            "queue": syscall(129, pid, 10, ctypes.create_string_buffer(128)),
        }
    # All of a user, without a number.
    everybody = {
        "everybody": attempt(lambda: os.setpriority(os.PRIO_USER, os.getuid(), 15)),
        "everybody's input": syscall(251, 3, os.getuid(), 3 << 13),
    }
    return {"found": found, "everybody": everybody}
