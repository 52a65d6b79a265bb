import mmap


def main(args):
    block = mmap.mmap(-1, args["bytes"])
    for place in range(0, len(block), 4096):
        block[place] = 1
    return {"held": len(block)}
