"""What the benches share: cores, threads, generators, the yardstick.

Where there are two cores the receiver has core 0 and everything else core 1.
"""
import json
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ.setdefault("HOURGLASS_BUILD", os.path.abspath("build/release"))

from conftest import BUILD  # noqa: E402

CORES = os.cpu_count() or 1
TRIES = 3    # at a rate
SENT = 0.97  # of a rate, or it was not sent


# As root on a machine that others use too: what is measured goes before all they do. Not for long.
REALTIME = bool(os.environ.get("HOURGLASS_BENCH_REALTIME"))


def pin(core, command, priority=1):
    """A command that runs on one core, where there are several."""
    before = ["chrt", "-f", str(priority)] if REALTIME else []
    return ["taskset", "-c", str(core % CORES), *before, *command]


def hurry(process):
    """All threads of a process go before what others do here."""
    if REALTIME:
        subprocess.run(["chrt", "-a", "-f", "-p", "1", str(process.pid)], check=True)


def threads(process):
    """(thread id, name) of each."""
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{thread}/comm") as comm:
            yield int(thread), comm.read().strip()


def pin_threads(process, cores):
    """Moves the threads whose name is in {name: core} there, one after the other; others to core 1."""
    for thread, name in threads(process):
        os.sched_setaffinity(thread, {cores.get(name, 1) % CORES})


def cpu_seconds(process, name=None):
    """CPU of the threads with that name, or of all; to the nanosecond, where /proc has schedstat."""
    spent = 0
    for thread, comm in threads(process):
        if name is None or comm == name:
            with open(f"/proc/{process.pid}/task/{thread}/schedstat") as stat:
                spent += int(stat.read().split()[0])
    return spent / 1e9


def wakeups(process):
    """How often its threads have gone to sleep by themselves, by thread name."""
    out = {}
    for thread, comm in threads(process):
        with open(f"/proc/{process.pid}/task/{thread}/status") as status:
            waits = next(int(line.split()[1]) for line in status if line.startswith("voluntary"))
        out[comm] = out.get(comm, 0) + waits
    return out


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def blast(address, seconds, rate=0, **options):
    """tests/bench/blast.c on core 1: what it sent."""
    command = [f"{BUILD}/bench/blast", "--to", address, "--seconds", str(seconds), "--rate", str(rate)]
    for name, value in options.items():
        command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return json.loads(subprocess.run(pin(1, command, 2), capture_output=True, check=True).stdout)


class Count:
    """The yardstick: a receiver that counts newlines and nothing else, on core 0."""

    def __init__(self, nap_ms=0):
        self.listen = f"127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(pin(0, [f"{BUILD}/bench/count", self.listen.split(":")[1], str(nap_ms)]),
                                        stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def end(self):
        self.process.terminate()
        got = json.loads(self.process.stdout.read())
        self.process.wait()
        return got


def count_try(seconds, rate=0, nap_ms=0, **options):
    """One run into the yardstick: (lines sent a second, received a second, lost, ns a line)."""
    one = Count(nap_ms)
    sent = blast(one.listen, seconds, rate, **options)
    time.sleep(0.3)
    got = one.end()
    return (sent["lines"] / sent["seconds"], got["lines"] / sent["seconds"], sent["lines"] - got["lines"],
            got["cpu_seconds"] / max(1, got["lines"]) * 1e9)


def trial(attempt, rate, quiet):
    """The best of up to TRIES at a rate: others who use the machine must not decide. The first that sends
    and loses nothing ends it; else the one that sent most without loss, or the last."""
    best = None
    for _ in range(TRIES):
        sent, _, lost, ns = attempt(rate)
        if not quiet:
            print(f"      {rate / 1e3:,.0f} k asked, {sent / 1e3:,.0f} k sent, {lost:,.0f} lost, {ns:.0f} ns",
                  flush=True)
        if best is None or best[1] or (not lost and sent > best[0]):
            best = (sent, lost, ns)
        if not lost and sent >= SENT * rate:
            break
    return best


def lossless(attempt, start, precision=0.04, quiet=False):
    """The highest rate at which attempt(rate) = (sent, received, lost, ns) loses nothing: (lines a second, ns,
    whether no more could be sent)."""
    low, high, best, rate = 0, None, (0, 0), start
    while high is None or high - low > precision * high:
        sent, lost, ns = trial(attempt, rate, quiet)
        if lost:
            high = rate
        else:
            low, best = rate, (sent, ns)
            if sent < SENT * rate:
                return (*best, True)
        rate = rate * 1.5 if high is None else (low + high) / 2
        if rate < 10000:
            break
    return (*best, False)
