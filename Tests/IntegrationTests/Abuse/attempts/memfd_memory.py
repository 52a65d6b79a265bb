def main(args):
    made, reason = 0, None
    block = b"x" * (1 << 20)
    try:
        one = os.memfd_create("fill")
        while made < args["bytes"]:
            made += os.write(one, block)
    except OSError as error:
        reason = name_of(error.errno)
    return {"held": made, "reason": reason}
