# As memory_children, before there is a function that could be called; as long as it takes to be seen several times.
fill_in_children(40 << 20)
time.sleep(5)


def main(args):
    return {"held": held_by_all()}
