def main(args):
    how = args["how"]
    if how == "segfault":
        ctypes.string_at(0)
    elif how == "abort":
        os.abort()
    elif how == "exit":
        os._exit(7)
    elif how == "kill":
        os.kill(os.getpid(), 9)
    elif how == "stop":
        os.kill(os.getpid(), 19)
        import time
        time.sleep(600)
    return {"pid": os.getpid()}
