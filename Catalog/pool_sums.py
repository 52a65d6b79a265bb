"""Adds up transferred bytes by pool over a batch of dCache transfer events."""


def handle_batch(events, context):
    sums = {}
    for event in events:
        moved = event.data.get("bytes", 0)
        sums[event["pool"]] = sums.get(event["pool"], 0) + moved
    return {"events": len(events), "bytesByPool": sums}
