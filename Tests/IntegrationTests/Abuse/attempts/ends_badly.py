import signal, subprocess, sys, time


def main(args):
    """Ways to leave the server waiting, or with more than it can hold."""
    how = args["how"]
    if how == "one line":
        # No line end in all of it.
        block = b"x" * (1 << 20)
        for _ in range(256):
            os.write(1, block)
    elif how == "closed":
        for one in range(64):
            try:
                os.close(one)
            except OSError:
                pass
        time.sleep(600)
    elif how == "logs closed":
        os.close(1)
        os.close(2)
    elif how == "swapped":
        # The answers go to the log, the log to nowhere.
        os.dup2(1, 3)
        time.sleep(600)
    elif how == "shut":
        import socket
        socket.socket(fileno=os.dup(3)).shutdown(socket.SHUT_RDWR)
        time.sleep(600)
    elif how == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif how == "stopped by another":
        subprocess.Popen(["/bin/sh", "-c", "kill -STOP %d; exec sleep 600" % os.getpid()], start_new_session=True)
        time.sleep(600)
    elif how == "deaf":
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True:
            pass
    elif how == "sessions":
        # Each leaves its session and its parent.
        for _ in range(8):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.setsid()
                    time.sleep(600)
                os._exit(0)
        os._exit(9)
    elif how == "deep":
        answer = {}
        for _ in range(100000):
            answer = {"a": answer}
        return answer
    elif how == "no json":
        return {"a": object()}
    elif how == "no text":
        return {"a": "\ud800", "b": float("nan")}
    elif how == "recursion":
        def again(): return again()
        sys.setrecursionlimit(1 << 30)
        return again()
    return {"end": how}
