"""The agent's rows of `make bench`, each beside the count-only receiver of the same run.

The receiver has core 0; generator (blast.c), a relay that acknowledges and stores nothing (sink.c)
and the agent's other threads share core 1.
"""
import os
import subprocess
import time

from machine import (BUILD, CORES, blast, count_try, cpu_seconds, hurry, lossless, pin, pin_threads, threads,
                     wakeups)
from conftest import Stack, metrics, total, wait_for

LOADS = (("timers, 100 keys, 1,432-byte datagrams", {"keys": 100}, 4e6),
         ("timers, 100,000 keys, 1,432-byte datagrams", {"keys": 100000}, 2e6),
         ("counters, 100 keys, 1,432-byte datagrams", {"keys": 100, "type": "c"}, 4e6),
         ("timers, 100 keys, one line a datagram", {"keys": 100, "payload": 0}, 2e5))
NAP_MS = 20  # agent/nap.h's longest


class Sink:
    """A relay to which agents may deliver, and nothing comes of it."""

    def __init__(self):
        self.process = subprocess.Popen(pin(1, [f"{BUILD}/bench/sink"]), stdout=subprocess.PIPE)
        self.listen = "127.0.0.1:" + self.process.stdout.readline().split()[1].decode()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Bench:
    """An agent that delivers to a sink."""

    def __init__(self, **options):
        self.stack, self.sink = Stack(), Sink()
        self.agent = self.stack.start_agent([self.sink], receive_buffer="16MiB", max_keys=200000,
                                            max_keys_per_prefix=200000, max_new_keys_per_second=10000000,
                                            **options)
        wait_for(lambda: metrics(self.agent)["hourglass_agent_relays_ready"] >= 1, "connected")
        pin_threads(self.agent, {"receiver": 0})
        hurry(self.agent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()
        self.sink.close()

    def received(self):
        return total(self.agent, "hourglass_agent_lines_received_total")

    def drops(self):
        return total(self.agent, "hourglass_agent_kernel_drops_total")

    def read(self, sent, before, drops):
        """Waits until all that was sent was read or dropped; what was read."""
        each = sent["lines"] / max(1, sent["datagrams"])
        until = time.monotonic() + 20
        while time.monotonic() < until and \
                self.received() - before + (self.drops() - drops) * each < sent["lines"]:
            time.sleep(0.05)
        return self.received() - before

    def settle(self):
        wait_for(lambda: metrics(self.agent)["hourglass_agent_samples_open"] == 0 and
                 metrics(self.agent)["hourglass_agent_samples_undelivered"] == 0, "all is delivered", 120)

    def attempt(self, seconds, rate=0, **options):
        """One run: (lines sent a second, received a second, lost, ns a line in the receiver)."""
        before, drops, cpu = self.received(), self.drops(), cpu_seconds(self.agent, "receiver")
        sent = blast(self.agent.listen, seconds, rate, **options)
        got = self.read(sent, before, drops)
        cpu = cpu_seconds(self.agent, "receiver") - cpu
        self.settle()
        return (sent["lines"] / sent["seconds"], got / sent["seconds"], sent["lines"] - got,
                cpu / max(1, got) * 1e9)


def loads(seconds, floods_only):
    with Bench() as bench:
        for name, options, start in LOADS:
            count = count_try(min(3, seconds), **options)
            flood = bench.attempt(min(3, seconds), **options)
            print(f"    {name}:\n      flood: agent {flood[1] / 1e3:,.0f} k lines/s, {flood[3]:.0f} ns a line in the"
                  f" receiver; count-only {count[1] / 1e3:,.0f} k, {count[3]:.0f} ns: {flood[1] / count[1]:.2f} of it",
                  flush=True)
            if floods_only:
                continue
            print("     without loss, the agent:", flush=True)
            agent = lossless(lambda rate: bench.attempt(seconds, rate, **options), start)
            print("     without loss, count-only:", flush=True)
            yard = lossless(lambda rate: count_try(seconds, rate, **options), start)
            print(f"      without loss for {seconds} s: agent {agent[0] / 1e3:,.0f} k lines/s ({agent[1]:.0f} ns a line)"
                  f"{', all that could be sent' if agent[2] else ''}; count-only {yard[0] / 1e3:,.0f} k "
                  f"({yard[1]:.0f} ns): {agent[0] / max(1, yard[0]):.2f} of it", flush=True)


def light(seconds):
    """What a busy host really has: 10,000 lines a second, each a datagram. The yardstick looks as often as
    the agent does."""
    load = {"payload": 0, "plain": True}
    with Bench() as bench:
        before, receiver, began = cpu_seconds(bench.agent), cpu_seconds(bench.agent, "receiver"), time.monotonic()
        blast(bench.agent.listen, seconds, 10000, **load)
        took = time.monotonic() - began
        spent, receiver = cpu_seconds(bench.agent) - before, cpu_seconds(bench.agent, "receiver") - receiver
    count = count_try(seconds, 10000, nap_ms=NAP_MS, **load)[3] * 10000 / 1e9
    print(f"    10,000 single-line datagrams/s, seal and sending included: {spent / took * 100:.2f} % of a core, the "
          f"receiver {receiver / took * 100:.2f} %; count-only {count * 100:.2f} %: {receiver / took / count:.2f} "
          f"times that", flush=True)


def memory():
    """RSS with 100,000 timer keys of 10 values each in the open interval."""
    with Bench(seal_ms="60s") as bench:
        idle = bench.agent.rss_bytes()
        # blast sends every key once a pass; another second of the clock would be another group a key.
        time.sleep(1 - time.time() % 1)
        before, began = bench.received(), time.time()
        sent = blast(bench.agent.listen, 10, 2000000, count=1000000, keys=100000)
        bench.read(sent, before, 0)
        clock = int(time.time()) - int(began) + 1
        seen = metrics(bench.agent)
        print(f"    {seen['hourglass_agent_table_series']:,.0f} timer keys of "
              f"{seen['hourglass_agent_samples_open'] / seen['hourglass_agent_table_series']:.1f} values open: "
              f"in {clock} s of the clock: RSS {bench.agent.rss_bytes() / 1e6:.1f} MB (before {idle / 1e6:.1f} MB), of it keys and values "
              f"{seen['hourglass_agent_table_bytes'] / 1e6:.1f} MB", flush=True)


def idle(seconds):
    with Bench() as bench:
        time.sleep(2)
        cpu, woken = cpu_seconds(bench.agent), wakeups(bench.agent)
        time.sleep(seconds)
        cpu, now = cpu_seconds(bench.agent) - cpu, wakeups(bench.agent)
        each = ", ".join(f"{name} {(now[name] - woken.get(name, 0)) / seconds:.1f}" for name in sorted(now))
        print(f"    idle: RSS {bench.agent.rss_bytes() / 1e6:.1f} MB, {cpu / seconds * 100:.2f} % of a core; "
              f"wake-ups a second: {each}", flush=True)


def receivers(seconds):
    """Two receivers that share the port: what is received must be what was not dropped."""
    for count in (1, 2):
        with Bench(receivers=count) as bench:
            for n, thread in enumerate(t for t, name in sorted(threads(bench.agent)) if name == "receiver"):
                os.sched_setaffinity(thread, {n % CORES})
            before = bench.received()
            sent = blast(bench.agent.listen, seconds, 2e6)
            got = bench.read(sent, before, 0)
            print(f"    receivers = {count}: {sent['lines']:,} lines sent, {got:,.0f} received, "
                  f"{bench.drops():,.0f} datagrams dropped", flush=True)
            bench.settle()


def bench_agent(seconds, floods_only=False):
    print("  agent:", flush=True)
    idle(seconds)
    light(seconds)
    memory()
    receivers(min(3, seconds))
    loads(seconds, floods_only)
