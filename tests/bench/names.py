"""What a million names cost queryd: memory, a page, a glob that looks at all, and whoever asks for one key meanwhile.

Names are put into Redis as relays put them there, without data. Who asks keeps a connection; each figure
of the one key stands beside the same key asked alone, in the same run.
"""
import http.client
import multiprocessing
import time

from conftest import Stack, ask, http as get, send, this_hour, total, wait_for

BATCH = 10000
PAGE = "/v1/keys?limit=1000"
GLOB = "/v1/keys?match=*.key.*nowhere"


class Client:
    """Asks over one connection and keeps how long each answer took."""

    def __init__(self, queryd):
        host, port = queryd.listen.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)

    def ask(self, path):
        """Seconds until the whole answer was there."""
        began = time.monotonic()
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        answer.read()
        assert answer.status == 200, (path, answer.status)
        return time.monotonic() - began

    def many(self, path, times, pause=0):
        """As (median, p99, max) in ms."""
        took = []
        for _ in range(times):
            took.append(self.ask(path) * 1e3)
            time.sleep(pause)
        took.sort()
        return took[len(took) // 2], took[int(len(took) * 0.99)], took[-1]


def told(figures):
    return "median {:.1f} ms, p99 {:.1f} ms, max {:.1f} ms".format(*figures)


def fill(redis, count, node):
    """Puts names into the first partition, a batch a command."""
    first = next(redis.scan_iter(b"hg:*:nf"))
    for at in range(0, count, BATCH):
        now = int(time.time())
        redis.zadd(first, {f"d{node}.{n % 1000}.key.{n}": now for n in range(at, min(count, at + BATCH))})


def known(queryd):
    return total(queryd, "hourglass_queryd_names")


def beside(queryd, path, times, others, glob):
    """The figures of one path while so many ask a glob, each again as soon as it is answered."""
    stop = multiprocessing.Event()

    def crowd():
        client = Client(queryd)
        while not stop.is_set():
            client.ask(glob)
    # Processes, or Python's own lock would be measured.
    crowds = [multiprocessing.Process(target=crowd) for _ in range(others)]
    for one in crowds:
        one.start()
    try:
        return Client(queryd).many(path, times, 0.002)
    finally:
        stop.set()
        for one in crowds:
            one.join()


def bench_refresh(stack, queryd, count, path):
    """A second daemon reads all from the start, asked for one key meanwhile; then a thousand new names."""
    began = time.monotonic()
    other = stack.start_queryd("other", max_names=count + 100000)
    wait_for(lambda: get(other, path)[0] == 200, "it answers")
    client, took = Client(other), []
    while known(other) < count:
        took += [client.ask(path) * 1e3 for _ in range(50)]
    took.sort()
    print(f"    all read anew in {time.monotonic() - began:.1f} s; one key meanwhile: "
          f"p99 {took[int(len(took) * 0.99)]:.1f} ms, max {took[-1]:.1f} ms; "
          f"RSS {other.rss_bytes() / 1e6:.0f} MB", flush=True)
    began, before = time.monotonic(), known(queryd)
    fill(stack.redis(), 1000, "new")
    wait_for(lambda: known(queryd) == before + 1000, "what is new is known")
    print(f"    1,000 new names known after {time.monotonic() - began:.1f} s (asked for once a second)",
          flush=True)


def bench_names(count):
    """Listing and globbing many names, and who asks for one key meanwhile."""
    stack = Stack()
    try:
        stack.start_redis()
        relay = stack.start_relay()
        queryd = stack.start_queryd(max_names=count + 100000)
        agent = stack.start_agent([relay])
        send(agent, "alone:1|ms")
        wait_for(lambda: ask(queryd, "alone", "count")[0] == 200, "there")
        path = "/alone/count/{}/{}".format(*this_hour())
        fill(stack.redis(), count, "app")
        wait_for(lambda: known(queryd) >= count, "all names are read", 600)
        client = Client(queryd)
        print(f"  queryd, {count:,} names: RSS {queryd.rss_bytes() / 1e6:.0f} MB", flush=True)
        for what, asked in (("a page of 1,000", PAGE),
                            ("a page of 1,000 far behind", PAGE + "&match=app.9*"),
                            ("a glob that looks at all", GLOB)):
            print(f"    {what}: {told(client.many(asked, 100))}", flush=True)
        print(f"    one key alone: {told(client.many(path, 1000, 0.002))}", flush=True)
        for others in (1, 8):
            print(f"    one key beside {others} who glob{'s' if others == 1 else ''}: "
                  f"{told(beside(queryd, path, 1000, others, GLOB))}", flush=True)
        print(f"    a page of 1,000 beside 1 who globs: {told(beside(queryd, PAGE, 100, 1, GLOB))}",
              flush=True)
        bench_refresh(stack, queryd, count, path)
        print(f"    RSS at the end {queryd.rss_bytes() / 1e6:.0f} MB", flush=True)
    finally:
        stack.close()
