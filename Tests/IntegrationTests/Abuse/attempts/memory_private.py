def main(args):
    block = bytearray(args["bytes"])
    for place in range(0, len(block), 4096):
        block[place] = 1
    return {"held": len(block)}
