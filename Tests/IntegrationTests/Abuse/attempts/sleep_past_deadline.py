import time


def main(args):
    time.sleep(600)
