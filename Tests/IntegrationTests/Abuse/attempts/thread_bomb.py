import threading


def main(args):
    wait = threading.Event()
    made, reason = 0, None
    try:
        while made < 20000:
            threading.Thread(target=wait.wait, daemon=True).start()
            made += 1
    except RuntimeError as error:
        reason = str(error)
    except MemoryError:
        reason = "MemoryError"
    wait.set()
    return {"made": made, "reason": reason}
