import time


def main(args):
    made, reason = 0, None
    try:
        while made < 5000:
            if os.fork() == 0:
                time.sleep(600)
                os._exit(0)
            made += 1
    except OSError as error:
        reason = name_of(error.errno)
    return {"made": made, "reason": reason}
