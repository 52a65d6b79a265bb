import ctypes, errno, os, sys, time

_libc = ctypes.CDLL(None, use_errno=True)


def name_of(number):
    return errno.errorcode.get(number, str(number))


def syscall(number, *arguments):
    """'ok' or the name of the error."""
    ctypes.set_errno(0)
    result = _libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return "ok" if result >= 0 else name_of(ctypes.get_errno())


def libc(function, *arguments):
    ctypes.set_errno(0)
    result = getattr(_libc, function)(*arguments)
    return "ok" if result == 0 else name_of(ctypes.get_errno())


def attempt(action):
    """'ok' or the name of the error, for what raises OSError."""
    try:
        action()
        return "ok"
    except OSError as error:
        return name_of(error.errno) if error.errno else error.__class__.__name__ + ": " + str(error)
    except (ValueError, PermissionError) as error:
        return error.__class__.__name__


def in_child(action):
    """Does it in a child, so that a success changes nothing here."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, str(action()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    text = os.read(reader, 256).decode()
    os.close(reader)
    status = os.waitpid(pid, 0)[1]
    return text or "killed by %d" % (status & 127)


def put(path, text):
    """Writes to what is there already."""
    def write():
        one = os.open(path, os.O_WRONLY)
        try:
            os.write(one, text.encode())
        finally:
            os.close(one)
    return attempt(write)


def fill_in_children(share):
    """Sixteen processes that each hold so many bytes until they are ended."""
    for _ in range(16):
        if os.fork() == 0:
            block = bytearray(share)
            for place in range(0, share, 4096):
                block[place] = 1
            time.sleep(600)


def held_by_all():
    """What the processes that are seen here hold, bytes."""
    held = 0
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                held += int(open("/proc/%s/statm" % pid).read().split()[1]) * 4096
            except OSError:
                pass
    return held
