def main(args):
    return {"text": "x" * args["bytes"]}
