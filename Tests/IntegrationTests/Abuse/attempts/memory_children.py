def main(args):
    """Many processes, each below its own limit."""
    fill_in_children(args["bytes"] // 16)
    time.sleep(args["seconds"])
    return {"held": held_by_all()}
