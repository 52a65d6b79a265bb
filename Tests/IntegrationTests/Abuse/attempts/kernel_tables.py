import socket


def until_refused(action, most):
    """How many there could be, and why not more."""
    made = 0
    while made < most:
        ctypes.set_errno(0)
        if action() < 0:
            return [made, name_of(ctypes.get_errno())]
        made += 1
    return [made, None]


def main(args):
    """Takes what the kernel gives to all together: System V objects, queues, watches, timers."""
    timer = ctypes.c_void_p()
    context = ctypes.c_ulong(0)
    found = {
        "semaphores": until_refused(lambda: _libc.semget(0, 250, 0o1600), 300),
        "segments": until_refused(lambda: _libc.shmget(0, 4096, 0o1600), 300),
        "messages": until_refused(lambda: _libc.msgget(0, 0o1600), 300),
        "queues": until_refused(lambda: _libc.syscall(240, b"weir-abuse", 0o102, 0o600, 0), 1),
        "watches": until_refused(lambda: _libc.inotify_init1(0), 4000),
        "timers": until_refused(lambda: _libc.timer_create(1, None, ctypes.byref(timer)), 4000),
        "asynchronous": until_refused(lambda: _libc.syscall(206, 60000, ctypes.byref(context)), 50),
        "locked": until_refused(lambda: _libc.mlockall(3), 1),
        "memory files": until_refused(lambda: _libc.memfd_create(b"x", 0), 1),
    }
    return found
