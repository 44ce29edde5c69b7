"""What a million names cost queryd: memory, a page, a glob that looks at all, and whoever asks for one key meanwhile.

Names are put into Redis as relays put them there, over all partitions, without data. Who asks keeps a
connection; each figure of the one key stands beside the same key asked alone, in the same run.
"""
import http.client
import multiprocessing
import time

from answers import fill
from conftest import Stack, ask, http as get, send, this_hour, total, wait_for

# Before a number: names of 20 bytes, and of 77.
PREFIXES = ("apps.web.key.k", "app.production.eu-central-1.checkout-service.http.server.duration.key.k")
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


def put_names(stack, prefix, count):
    """First seen in the last hour, at one second or another."""
    fill(stack, prefix, count, "hour", int(time.time()) // 3600 - 1, 0, 1, 1, "names")


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


class Peak:
    """The most memory a process has had since."""

    def __init__(self, process):
        self.folder = f"/proc/{process.pid}"
        with open(f"{self.folder}/clear_refs", "w") as out:
            out.write("5")

    def __str__(self):
        with open(f"{self.folder}/status") as status:
            kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        return f"{kilobytes * 1024 / 1e6:.0f} MB"


def while_read(queryd, path, until):
    """What one key takes until then."""
    client, took = Client(queryd), []
    while not until():
        took += [client.ask(path) * 1e3 for _ in range(20)]
    took.sort()
    return f"p50 {took[len(took) // 2]:.2f} ms, p99 {took[int(len(took) * 0.99)]:.1f} ms, max {took[-1]:.1f} ms"


def bench_refresh(stack, queryd, count, path):
    """Another daemon reads all from the start; the first one reads all anew; then a thousand new names."""
    began = time.monotonic()
    other = stack.start_queryd("other", max_names=count + 100000)
    wait_for(lambda: get(other, path)[0] == 200, "it answers")
    took = while_read(other, path, lambda: known(other) >= count)
    print(f"    all read by a new daemon in {time.monotonic() - began:.1f} s; one key meanwhile: {took}; RSS at "
          f"most {Peak(other)}", flush=True)
    other.terminate()
    r, peak = stack.redis(), Peak(queryd)
    first = next(key for key in r.scan_iter(b"hg:*:nf") if r.zcard(key) > 1)
    assert r.zrem(first, r.zrange(first, 0, 0)[0]) == 1
    before, began = known(queryd), time.monotonic()
    r.client_kill_filter(_type="normal", skipme=True)
    wait_for(lambda: get(queryd, path)[0] == 200 and get(queryd, path)[0] == 200, "it has connected again")
    took = while_read(queryd, path, lambda: known(queryd) == before - 1)
    print(f"    all read anew in {time.monotonic() - began:.1f} s; one key meanwhile: {took}; RSS at most "
          f"{peak}", flush=True)
    began, before = time.monotonic(), known(queryd)
    r.zadd(first, {f"dnew.{n}": int(time.time()) for n in range(1000)})
    wait_for(lambda: known(queryd) == before + 1000, "what is new is known")
    print(f"    1,000 new names known after {time.monotonic() - began:.1f} s (asked for once a second)",
          flush=True)


def bench_names(count):
    """Listing and globbing many names, and who asks for one key meanwhile."""
    for prefix in PREFIXES:
        bench_names_like(prefix, count)


def bench_names_like(prefix, count):
    """The same for names that begin so."""
    stack = Stack()
    try:
        stack.start_redis("--appendonly", "no")
        relay = stack.start_relay()
        agent = stack.start_agent([relay])
        send(agent, "alone:1|ms")
        put_names(stack, prefix, count)
        queryd = stack.start_queryd(max_names=count + 100000)
        path = "/alone/count/{}/{}".format(*this_hour())
        wait_for(lambda: get(queryd, path)[0] == 200, "there")
        wait_for(lambda: known(queryd) >= count, "all names are read", 600)
        client = Client(queryd)
        print(f"  queryd, {count:,} names of {len(prefix) + 6} bytes: RSS {queryd.rss_bytes() / 1e6:.0f} MB",
              flush=True)
        for what, asked in (("a page of 1,000", PAGE),
                            ("a page of 1,000 far behind", f"{PAGE}&match={prefix}9*"),
                            ("a glob that looks at all", GLOB)):
            print(f"    {what}: {told(client.many(asked, 50))}", flush=True)
        print(f"    one key alone: {told(client.many(path, 1000, 0.002))}", flush=True)
        for others in (1, 8):
            print(f"    one key beside {others} who glob{'s' if others == 1 else ''}: "
                  f"{told(beside(queryd, path, 1000, others, GLOB))}", flush=True)
        print(f"    a page of 1,000 beside 1 who globs: {told(beside(queryd, PAGE, 50, 1, GLOB))}",
              flush=True)
        bench_refresh(stack, queryd, count, path)
        print(f"    RSS at the end {queryd.rss_bytes() / 1e6:.0f} MB", flush=True)
    finally:
        stack.close()
