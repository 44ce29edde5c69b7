# SPDX-License-Identifier: Apache-2.0
"""Faults drawn from a seed, and what carries them out on a fleet.

    with kept_on_failure(seed) as stack:
        fleet = Fleet(stack, seed)
        fleet.load(rate=10000, seconds=20)
        Chaos(fleet, plan(seed, 20, fleet.victims())).run(20)
        fleet.collect()
        fleet.settle()
        fleet.check_exact()

A rollback is Redis killed and its append-only file cut to the size it had a moment ago: what a loss
of power does under `appendfsync everysec`.
"""
import collections
import contextlib
import dataclasses
import glob
import heapq
import itertools
import os
import random
import signal
import socket
import time

from conftest import wait_for
from proxy import KINDS

PERIOD_SECONDS = 2            # between two faults
FORGET_SECONDS = (0.2, 1.5)   # what a rollback takes: within the fleet's grace
MOST_AGENT_STOP_SECONDS = 15  # the kernel's buffer of the agent's socket must hold that long


@dataclasses.dataclass(frozen=True)
class Fault:
    at: float               # seconds after the beginning
    victim: str
    kind: str               # kill, stop, rollback, or a proxy's
    seconds: float          # until it is mended


def sort_of(victim):
    """relay-2 is a relay, link:relay-2:redis a link:redis."""
    if victim.startswith("link:"):
        return "link:" + victim.split(":")[2]
    return victim.split("-")[0]


def lasting(rng, victim, kind, long):
    """Seconds until a fault is mended."""
    if kind in KINDS:
        return rng.uniform(0.3, 3)
    if kind != "stop":
        return rng.uniform(0.1, 1.5)
    seconds = rng.uniform(20, 60) if long and rng.random() < 0.1 else rng.uniform(0.5, 4)
    return min(seconds, MOST_AGENT_STOP_SECONDS) if sort_of(victim) == "agent" else seconds


def plan(seed, seconds, victims, long=False, period=PERIOD_SECONDS):
    """Faults of one run, the same for the same arguments; `victims` maps a name to its faults.

    Each sort of daemon gets each kind of fault before any comes again, in a random order. A victim
    is left alone until it is mended, and one queryd is always left: that one of two answers is the
    promise, not that none does.
    """
    rng, faults, busy_until, deck = random.Random(seed), [], {}, []
    at = 1.5
    while at < seconds:
        busy = {v for v in victims if busy_until.get(v, 0) >= at}
        if any(sort_of(v) == "queryd" for v in busy):
            busy |= {v for v in victims if sort_of(v) == "queryd"}
        if not deck:
            deck = sorted({(sort_of(v), kind) for v in victims for kind in victims[v]})
            rng.shuffle(deck)
        for card in deck:
            free = sorted(v for v in victims if sort_of(v) == card[0] and v not in busy and
                          card[1] in victims[v])
            if not free:
                continue
            deck.remove(card)
            victim = rng.choice(free)
            seconds_away = lasting(rng, victim, card[1], long)
            faults.append(Fault(at, victim, card[1], seconds_away))
            busy_until[victim] = at + seconds_away + 1
            break
        at += period
    return faults


class Chaos:
    """Carries out a plan; mends all in the end; starts again what ends by itself, and tells."""

    def __init__(self, fleet, faults):
        self.fleet, self.faults = fleet, faults
        self.began = time.monotonic()
        self.queue = []         # (when, number, function, arguments)
        self.numbers = itertools.count()
        self.away = set()       # names that we have killed or stopped
        self.store_away = []    # [begin, end) of Redis being away
        self.store_since = None
        self.sizes = collections.deque()    # (when, file, bytes) of the append-only file
        self.deaths, self.done = [], collections.Counter()
        for fault in faults:
            self.later(fault.at, self.strike, fault)

    def later(self, at, function, *arguments):
        heapq.heappush(self.queue, (at, next(self.numbers), function, arguments))

    def elapsed(self):
        return time.monotonic() - self.began

    def run(self, seconds):
        """Until then and until the last fault is mended, whichever is later."""
        while self.elapsed() < seconds or self.queue:
            while self.queue and self.queue[0][0] <= self.elapsed():
                _, _, function, arguments = heapq.heappop(self.queue)
                function(*arguments)
            self.watch()
            time.sleep(0.02)
        wait_for(lambda: self.watch() is None and self.store_since is None, "Redis is back", 60)

    # ---- striking and mending ----
    def strike(self, fault):
        self.fleet.note(f"{fault.kind} {fault.victim} for {fault.seconds:.2f} s")
        self.done[f"{fault.kind} {sort_of(fault.victim)}"] += 1
        if fault.victim in self.fleet.proxies:
            self.fleet.proxies[fault.victim].begin(fault.kind)
            self.later(fault.at + fault.seconds, self.fleet.proxies[fault.victim].heal)
            return
        process = self.fleet.parts[fault.victim]
        self.away.add(fault.victim)
        if fault.victim == "redis":
            self.store_since = time.monotonic()
        if fault.kind == "stop":
            process.signal(signal.SIGSTOP)
        else:
            process.kill()
        if fault.kind == "rollback":
            self.forget()
        self.later(fault.at + fault.seconds, self.mend, fault)

    def mend(self, fault):
        process = self.fleet.parts[fault.victim]
        if fault.kind == "stop":
            process.signal(signal.SIGCONT)
        else:
            self.fleet.launch(fault.victim)
        self.away.discard(fault.victim)
        self.fleet.note(f"{fault.victim} {'goes on' if fault.kind == 'stop' else 'is started'}")

    def forget(self):
        """Cuts the append-only file to its size of a moment ago, as a loss of power does."""
        age = random.Random(f"{self.fleet.seed}{len(self.fleet.timeline)}").uniform(*FORGET_SECONDS)
        before = time.monotonic() - age
        path = self.append_only_file()
        known = [(when, size) for when, name, size in self.sizes if name == path]
        size = max([(w, s) for w, s in known if w <= before] or known[:1], default=(0, None))[1]
        if size is None:
            return
        cut = os.path.getsize(path) - size
        os.truncate(path, size)
        self.fleet.note(f"redis forgot {age:.2f} s, {cut} bytes")
        self.done["bytes forgotten"] += cut

    def append_only_file(self):
        files = glob.glob(f"{self.fleet.stack.folder}/appendonlydir/*.incr.aof")
        return max(files, key=lambda f: int(f.split(".")[-3]), default=None)

    # ---- watching ----
    def watch(self):
        now = time.monotonic()
        path = self.append_only_file()
        if path and "redis" not in self.away:
            with contextlib.suppress(FileNotFoundError):
                self.sizes.append((now, path, os.path.getsize(path)))
        while self.sizes and self.sizes[0][0] < now - 3:
            self.sizes.popleft()
        if self.store_since is not None and "redis" not in self.away and self.redis_answers():
            self.store_away.append((self.store_since, time.monotonic()))
            self.store_since = None
        for name, process in self.fleet.parts.items():
            if name not in self.away and not process.alive():
                code = process.process.returncode
                self.deaths.append(f"{name} ended by itself with {code}")
                self.fleet.note(self.deaths[-1])
                self.fleet.launch(name)

    def redis_answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(0.2)
                one.connect(self.fleet.stack.redis_socket)
                one.sendall(b"PING\r\n")
                return one.recv(64).startswith(b"+PONG")
        except OSError:
            return False
