def main(args):
    made, reason = 0, None
    try:
        while made < 100000:
            os.close(os.open("/tmp/f%d" % made, os.O_CREAT | os.O_WRONLY))
            made += 1
    except OSError as error:
        reason = name_of(error.errno)
    return {"made": made, "reason": reason}
