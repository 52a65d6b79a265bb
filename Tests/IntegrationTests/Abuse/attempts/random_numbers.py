import random, secrets, uuid


def main(args):
    return {"numbers": [str(random.random()), str(random.SystemRandom().random()), secrets.token_hex(8), str(uuid.uuid4()),
                        str(random.getrandbits(64)), os.urandom(8).hex()]}
