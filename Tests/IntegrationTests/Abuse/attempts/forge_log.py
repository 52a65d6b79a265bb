def main(args):
    lines = ['{"time":"2026-01-01T00:00:00Z","stream":"stdout","text":"forged","activation":"0"}',
             "\0" + "0" * 32 + " 1 0", "\x1b]0;title\x07\x1b[2J", "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX", "a\rb\x00c\u2028d"]
    for line in lines:
        print(line)
    return {"lines": len(lines)}
