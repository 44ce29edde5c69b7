#!/usr/bin/python3
"""A believable shop: latencies with a long tail, counters, a gauge, a set of visitors.

    packaging/demo/demo.py [--port 8125] [--rate 200]

Traffic swells and ebbs over a few minutes, a deployment makes one host slow now and then.
"""
import argparse
import math
import random
import socket
import time

PAGES = ["home", "search", "product", "cart", "checkout"]
HOSTS = ["web-1", "web-2", "web-3"]


def lines(now, rng):
    """The lines of one visit."""
    host = rng.choice(HOSTS)
    page = rng.choices(PAGES, weights=[30, 25, 25, 12, 8])[0]
    slow = 3.0 if host == "web-2" and int(now) % 300 < 40 else 1.0
    latency = rng.lognormvariate(3.2 if page != "checkout" else 4.1, 0.5) * slow
    yield f"shop.page.latency:{latency:.1f}|ms|#page:{page},host:{host}"
    yield f"shop.page.views:1|c|#page:{page}"
    yield f"shop.visitors:{rng.randrange(5000)}|s"
    if page == "checkout":
        yield f"checkout.latency:{latency:.1f}|ms"
        if rng.random() < 0.02:
            yield "checkout.errors:1|c"
        else:
            yield f"checkout.revenue:{rng.lognormvariate(3.5, 0.8):.2f}|c"
    if rng.random() < 0.05:
        yield f"shop.queue.length:{max(0, int(20 + 15 * math.sin(now / 40)))}|g"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8125)
    parser.add_argument("--rate", type=float, default=200, help="visits a second, on average")
    args = parser.parse_args()
    rng = random.Random()
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect(("127.0.0.1", args.port))
    print(f"sending about {args.rate:.0f} visits a second to 127.0.0.1:{args.port}", flush=True)
    while True:
        now = time.time()
        visits = args.rate * (1 + 0.5 * math.sin(now / 60)) / 10
        text = [line for _ in range(int(visits)) for line in lines(now, rng)]
        for at in range(0, len(text), 20):
            try:
                out.send("\n".join(text[at:at + 20]).encode())
            except OSError:
                pass  # an agent that restarts: UDP senders do not care
        time.sleep(0.1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
