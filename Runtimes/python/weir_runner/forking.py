"""The zygote: an interpreter that has imported what many functions need, and forks workers into their sandboxes.

The launcher asks on descriptor 5, one message a worker (struct weir_fork in launcher_protocol.h) with descriptors beside it.
A sandbox is there already, made by the launcher, with a process 1 of its own: the child that is forked here moves in, gives
up all privileges, and is a runner from then on. This process is the child's parent: it says how it ended.

What is imported here every worker shares, also the seed of string hashes; random generators are seeded anew in each.
"""

import _signal
import _socket
import ctypes
import errno
import gc
import os
import resource
import select
import struct
import sys

from . import overlapping, serving, sharing, stem, wire  # noqa: F401
from .logs import open_logs

FORKS = 5

# Imported ahead: modules of the standard library that many functions use, none of which starts a thread or opens a file.
# Each makes every worker a little larger and its fork a little slower, used or not.
PRELOADED = (
    "base64 bisect collections collections.abc contextlib copy csv dataclasses datetime enum fnmatch functools glob hashlib"
    " heapq io itertools json linecache logging math operator pathlib queue random re secrets shutil string struct"
    " tempfile textwrap threading time traceback typing urllib.parse uuid weakref zlib").split()

HEAD = struct.Struct("=QIIIIIIII")
LIMIT = struct.Struct("=IIQ")
LIMITS = 8
STATUS = struct.Struct("=IiiiiIQQQ")
FAILED, ENDED, PROGRAM = 1, 2, 5
STAGE_DESCRIPTORS, STAGE_FORK, STAGE_SESSION, STAGE_LIMITS = 2, 3, 4, 6
STAGE_IDENTITY, STAGE_GROUPS, STAGE_LANDLOCK, STAGE_FILTER, STAGE_NAMESPACE = 8, 9, 13, 14, 16
START_NEW_NET, START_IDS, START_STEM, START_NEW_CGROUP = 1 << 6, 1 << 9, 1 << 17, 1 << 18

CLONE_NEWCGROUP, CLONE_NEWUSER, CLONE_NEWPID, CLONE_INTO_CGROUP = 0x02000000, 0x10000000, 0x20000000, 0x200000000
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 22, 24, 38, 47
# The numbers of the newer calls are the same on all architectures.
SYS_CLONE3, SYS_LANDLOCK_RESTRICT_SELF = 435, 446

libc = ctypes.PyDLL(None)
# Looked up once: to find a function costs more than all calls of it, and every child would pay for it with memory of its own.
setns, prctl, capset, close_range, syscall, unshare = (
    libc.setns, libc.prctl, libc.capset, libc.close_range, libc.syscall, libc.unshare)
before_fork, after_fork_child, after_fork_parent = (
    libc.PyOS_BeforeFork, libc.PyOS_AfterFork_Child, libc.PyOS_AfterFork_Parent)
syscall.restype = ctypes.c_long
error_location = libc.__errno_location
error_location.restype = ctypes.POINTER(ctypes.c_int)


class CloneArguments(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in (
        "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls", "set_tid",
        "set_tid_size", "cgroup")]


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_void_p)]


class Capabilities(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("process", ctypes.c_int)]


# Made before any fork, so that a child has nothing to make.
clone_arguments = CloneArguments()
capabilities = Capabilities(0x20080522, 0)
# The folder /proc as this process sees it, open.
processes = -1
no_capabilities = (ctypes.c_uint32 * 6)()
clone_pointer, clone_size = ctypes.byref(clone_arguments), ctypes.sizeof(clone_arguments)
capabilities_pointer = ctypes.byref(capabilities)
ALL = ctypes.c_uint(-1)
ancillary_space = _socket.CMSG_SPACE(32 * 4)
space_of_one = _socket.CMSG_SPACE(4)


class Failure(Exception):
    def __init__(self, stage, error):
        self.stage = stage
        self.error = error


def check(result, stage):
    if result < 0:
        raise Failure(stage, error_location().contents.value)


class Request:
    """What one child needs. Nothing in it outlives the fork in this process but `status` and `stay`."""

    def __init__(self, message, descriptors):
        (self.slot, self.flags, self.uid, self.gid, limit_count, tasks, has_unified, filter_bytes,
         self.umask) = HEAD.unpack_from(message)
        self.limits = [LIMIT.unpack_from(message, HEAD.size + LIMIT.size * index) for index in range(limit_count)]
        start = HEAD.size + LIMIT.size * LIMITS
        self.filter = None
        if filter_bytes:
            self.instructions = ctypes.create_string_buffer(message[start:start + filter_bytes], filter_bytes)
            self.filter = Filter(filter_bytes // 8, ctypes.addressof(self.instructions))
        self.descriptors = list(descriptors)
        count = 5 if self.flags & START_NEW_NET else 4
        self.process_namespace, *self.namespaces = self.descriptors[:count]
        (self.control, self.ledger, self.output, self.error, self.status, self.there,
         self.stay) = self.descriptors[count:count + 7]
        rest = self.descriptors[count + 7:]
        self.tasks = rest[:tasks]
        self.unified = rest[tasks] if has_unified else -1

    def close(self, keeping=()):
        for descriptor in self.descriptors:
            if descriptor not in keeping:
                os.close(descriptor)


def clone(request):
    """Forks into the sandbox's process namespace, and into its control group if that is one of version 2."""
    check(setns(request.process_namespace, CLONE_NEWPID), STAGE_NAMESPACE)
    if request.unified < 0:
        return os.fork()
    clone_arguments.flags = CLONE_INTO_CGROUP
    clone_arguments.exit_signal = _signal.SIGCHLD
    clone_arguments.cgroup = request.unified
    before_fork()
    pid = syscall(SYS_CLONE3, clone_pointer, clone_size)
    error = 0
    if pid == 0:
        after_fork_child()
    else:
        error = error_location().contents.value if pid < 0 else 0
        after_fork_parent()
    if pid < 0:
        raise Failure(STAGE_FORK, error)
    return pid


def move_in(request):
    """In the child: waits until the sandbox is there, and becomes one of its processes, without any privilege."""
    socket = _socket.socket(fileno=request.there)
    word, ancillary, _, _ = socket.recvmsg(1, space_of_one)
    socket.detach()
    if not word:
        # The sandbox could not be made, and says so itself.
        os._exit(127)
    rules = struct.unpack("i", ancillary[0][2][:4])[0] if ancillary else -1
    for namespace in request.namespaces:
        check(setns(namespace, 0), STAGE_NAMESPACE)
    try:
        for task in request.tasks:
            os.write(task, b"0")
    except OSError as error:
        raise Failure(STAGE_GROUPS, error.errno) from None
    if request.flags & START_NEW_CGROUP:
        check(unshare(CLONE_NEWCGROUP), STAGE_NAMESPACE)
    if not request.flags & START_IDS:
        be_alone()
    os.setsid()
    os.umask(request.umask)
    place(request, rules)
    try:
        for kind, _, value in request.limits:
            resource.setrlimit(kind, (value, value))
    except OSError as error:
        raise Failure(STAGE_LIMITS, error.errno) from None
    except ValueError:
        # What the module makes of EPERM: the limit was lowered before.
        raise Failure(STAGE_LIMITS, errno.EPERM) from None
    drop(request)
    if rules >= 0:
        check(syscall(SYS_LANDLOCK_RESTRICT_SELF, 5, 0), STAGE_LANDLOCK)
    if request.filter:
        check(prctl(PR_SET_SECCOMP, 2, ctypes.byref(request.filter), 0, 0), STAGE_FILTER)
    # The status socket last: until here it may have to say what failed. Who says this is seen by the kernel.
    os.write(6, STATUS.pack(PROGRAM, 0, 0, 0, 0, 0, 0, 0, 0))
    os.closerange(5, 8)


def be_alone():
    """A user namespace of its own, with the one user that there is: limits of processes count by user and namespace, and one
    worker must not use up another's."""
    user, group = os.getuid(), os.getgid()
    check(unshare(CLONE_NEWUSER), STAGE_IDENTITY)
    try:
        # By the zygote's own view of processes: that of the sandbox is read-only.
        for file, text in (
                ("setgroups", "deny"), ("uid_map", "%d %d 1" % (user, user)), ("gid_map", "%d %d 1" % (group, group))):
            opened = os.open("self/" + file, os.O_WRONLY | os.O_CLOEXEC, dir_fd=processes)
            os.write(opened, text.encode())
            os.close(opened)
    except OSError as error:
        raise Failure(STAGE_IDENTITY, error.errno) from None


def place(request, rules):
    """The descriptors of a runner: 0 to 4; the rules at 5, the status at 6; everything else is closed."""
    # All that came along lies above 7: those below are this process's own, and open.
    for descriptor, number in (
            (request.output, 1), (request.error, 2), (request.control, 3), (request.ledger, 4)):
        os.dup2(descriptor, number, inheritable=number < 3)
    if rules >= 0:
        os.dup2(rules, 5, inheritable=False)
    os.dup2(request.status, 6, inheritable=False)
    request.status = 6
    check(close_range(7, ALL, 0), STAGE_DESCRIPTORS)


def drop(request):
    """No capabilities, no way to get one, and the user of the slot."""
    number = 0
    while prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1
    prctl(PR_CAP_AMBIENT, 4, 0, 0, 0)
    if request.flags & START_IDS:
        try:
            os.setgroups([])
            os.setresgid(request.gid, request.gid, request.gid)
            os.setresuid(request.uid, request.uid, request.uid)
        except OSError as error:
            raise Failure(STAGE_IDENTITY, error.errno) from None
    check(capset(capabilities_pointer, no_capabilities), STAGE_IDENTITY)
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), STAGE_IDENTITY)
    # Another user's process must not be looked into, says the kernel; this one's are all its own again.
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def live(request):
    """The child's whole life."""
    try:
        _signal.set_wakeup_fd(-1)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        move_in(request)
    except BaseException as error:
        stage, number = (error.stage, error.error) if isinstance(error, Failure) else (
            STAGE_SESSION, getattr(error, "errno", 0) or 5)
        os.write(request.status, STATUS.pack(FAILED, number, stage, 0, 0, 0, 0, 0, 0))
        os._exit(127)
    try:
        os.chdir("/")
        sys.modules["random"].seed()
        numbers = sys.modules.get("numpy.random")
        if numbers is not None:
            numbers.seed()
        for hooks in fork_hooks:
            os.register_at_fork(**hooks)
        gc.enable()
        control = wire.Control()
        if request.flags & START_STEM:
            stem.rehearse()
            control.frame(b'{"stem":true}\n')
        serving.serve(control)
        serving.flush_logs()
    finally:
        os._exit(0)


class Zygote:
    def __init__(self):
        self.forks = _socket.socket(fileno=FORKS)
        # What came to know of a child's end: (its status socket, the pipe whose end ends its sandbox).
        self.children = {}

    def fork(self):
        message, ancillary, _, _ = self.forks.recvmsg(1 << 16, ancillary_space)
        if not message:
            os._exit(0)
        descriptors = struct.unpack("%di" % (len(ancillary[0][2]) // 4), ancillary[0][2]) if ancillary else ()
        request = Request(message, descriptors)
        try:
            pid = clone(request)
        except (Failure, OSError) as error:
            stage, number = (error.stage, error.error) if isinstance(error, Failure) else (STAGE_FORK, error.errno)
            os.write(request.status, STATUS.pack(FAILED, number, stage, 0, 0, 0, 0, 0, 0))
            request.close()
            return
        if pid == 0:
            live(request)
        request.close(keeping=(request.status, request.stay))
        self.children[pid] = (request.status, request.stay)

    def reap(self):
        while self.children:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            record = STATUS.pack(
                ENDED, 0, 0, 0, status, 0, int(usage.ru_utime * 1e6), int(usage.ru_stime * 1e6), usage.ru_maxrss)
            said, stay = self.children.pop(pid)
            try:
                os.write(said, record)
            except OSError:
                # Its sandbox has ended, and with it the reader.
                pass
            os.close(said)
            # Ends the sandbox with all that the worker has left.
            os.close(stay)

    def run(self):
        wake, woken = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        _signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        poll = select.poll()
        for descriptor in (wire.CONTROL, FORKS, wake):
            poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == FORKS:
                    self.fork()
                elif descriptor == wake:
                    os.read(wake, 4096)
                    self.reap()
                else:
                    # The server has nothing to say but that it is time to go.
                    os._exit(0)


# What imported modules want to be called for around a fork. In a child of this process, which has one thread and holds no
# lock, there is nothing to repair for them, and their looking would cost each worker half a megabyte of its own. A worker's
# own children are another matter: there they are called.
fork_hooks = []


def preload():
    register = os.register_at_fork
    os.register_at_fork = lambda **hooks: fork_hooks.append(hooks)
    try:
        for name in PRELOADED:
            try:
                __import__(name)
            except ImportError:
                pass
    finally:
        os.register_at_fork = register


def main():
    preload()
    # A child has these numbers taken by its own.
    for number in (0, 4, 6):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open("/dev/null", os.O_RDWR), number)
    global processes
    processes = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    # Once, so that no child is the first to call them.
    setns(-1, 0), prctl(3, 0, 0, 0, 0), capset(None, None), close_range(1, 0, 0), syscall(-1), unshare(-1), error_location()
    # A child's logs are on the same numbers.
    open_logs()
    stem.warm()
    os.write(wire.CONTROL, b"\x0e\0\0\0" + b'{"stem":true}\n')
    gc.disable()
    gc.collect()
    gc.freeze()
    Zygote().run()
