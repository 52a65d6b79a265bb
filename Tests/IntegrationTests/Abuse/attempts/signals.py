def main(args):
    return {str(pid): [attempt(lambda: os.kill(pid, number)) for number in (0, 9, 19)] for pid in args["pids"]}
