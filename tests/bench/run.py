#!/usr/bin/python3
"""`make bench`: what the pipeline does on this machine, as figures and as ratios.

    tests/bench/run.py --build build/release [--seconds 10] [--floods] [--only agent relay ...]

Every rate stands beside a yardstick of the same run (a receiver that only counts, Redis itself),
because machines are shared and noisy. The agent's receiver, or the relay, has core 0; all others share
core 1. HOURGLASS_BENCH_REALTIME=1 (as root) puts the agent's rows before all that others do here. --floods leaves the search for the highest rate without loss out, which takes minutes.
Nothing here is asserted: tests assert, benches print.
"""
import argparse
import datetime
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import tempfile
import time

from machine import BUILD, CORES, pin
from agent import bench_agent
from answers import bench_answers
from inputs import bench_inputs
from fleet_bench import bench_fleet, bench_memory
from dashboard import bench_dashboard
from names import bench_names
from conftest import Stack, ask, send, this_hour, total, wait_count, wait_for
from test_slow_clients import SLOW, Crowd, allow_files, measure, p99

def feed_relay(relay, *arguments):
    """Feeds a relay on core 0 from core 1: what feed.c says, and the relay's own seconds, cells and bytes, and feed's seconds."""
    host, port = relay.listen.rsplit(":", 1)
    counters = ("process_cpu_seconds_total", "hourglass_relay_commit_cells_total")
    before, rss = [total(relay, name) for name in counters], relay.rss_bytes()
    ended = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    fed = json.loads(subprocess.run(pin(1, [f"{BUILD}/bench/feed", host, port, *map(str, arguments)]),
                                    capture_output=True, check=True).stdout)
    cpu, cells = (total(relay, name) - was for name, was in zip(counters, before))
    return {**fed, "cpu": cpu, "cells": cells, "grown": relay.rss_bytes() - rss,
            "feeding": sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - ended}


def start_fed_relay(stack, **options):
    """Redis on core 1 and a relay on core 0."""
    stack.start_redis()
    relay = stack.start_relay(**options)
    os.sched_setaffinity(relay.pid, {0})
    os.sched_setaffinity(stack.redis_process.pid, {1 % CORES})
    return relay


def bench_relay(seconds):
    """Samples merged and cells committed a second by one relay on one core, fed by tests/bench/feed.c."""
    for keys, values, commit_ms in ((1000, 100, 500), (1000, 100, 50), (1000, 10, 500), (10000, 1, 500)):
        stack = Stack()
        try:
            fed = feed_relay(start_fed_relay(stack, commit_ms=commit_ms), seconds, keys, values)
            print(f"  relay, {keys} keys, {values} values a group, commits each {commit_ms} ms: "
                  f"{fed['samples'] / fed['seconds']:,.0f} samples/s and "
                  f"{fed['groups'] / fed['seconds']:,.0f} groups/s committed; "
                  f"{fed['cpu'] / fed['seconds'] * 100:.0f} % of its core, "
                  f"{fed['samples'] / max(fed['cpu'], 1e-9):,.0f} samples a CPU second, "
                  f"{fed['grown'] / keys:,.0f} bytes a live key", flush=True)
        finally:
            stack.close()
    bench_cells(seconds)


def bench_cells(seconds):
    """One batch at a time in each partition, so that every group is a cell written: Redis is the limit."""
    stack = Stack()
    try:
        relay = start_fed_relay(stack, commit_ms=1, store_share=100)
        used = stack.redis().info("cpu")
        fed = feed_relay(relay, seconds, 16000, 1, 1)
        now = stack.redis().info("cpu")
        redis = sum(now[name] - used[name] for name in ("used_cpu_user", "used_cpu_sys"))
        print(f"  relay, 16000 keys of one value, each group a cell: {fed['cells'] / fed['seconds']:,.0f} "
              f"cells/s written; {fed['cpu'] / fed['seconds'] * 100:.0f} % of its core, "
              f"{redis / fed['seconds'] * 100:.0f} % of Redis' ({redis / fed['cells'] * 1e6:.2f} us a cell), "
              f"where the feeder takes {fed['feeding'] / fed['seconds'] * 100:.0f} %", flush=True)
    finally:
        stack.close()


def bench_visible(samples):
    """From send() to the answer that has it, with the defaults and light load."""
    stack = Stack()
    try:
        _, agent, queryd = stack.start_all()
        took = []
        for n in range(samples):
            began, when = time.monotonic(), this_hour()
            send(agent, f"visible.{n}:1|ms")
            wait_for(lambda: ask(queryd, f"visible.{n}", "count", when)[0] == 200, "visible")
            took.append(time.monotonic() - began)
            time.sleep(0.037 * (n % 13))  # not in step with the seal
        took.sort()
        print(f"  visible after: p50 {took[len(took) // 2] * 1e3:.0f} ms, "
              f"p99 {took[int(len(took) * 0.99)] * 1e3:.0f} ms, max {took[-1] * 1e3:.0f} ms "
              f"({samples} samples, defaults)", flush=True)
    finally:
        stack.close()


def bench_slow(samples):
    """A client of queryd beside a thousand that dribble, and without them."""
    allow_files()
    stack = Stack()
    try:
        _, agent, queryd = stack.start_all(relays=1)
        send(agent, "slow.key:1|ms")
        wait_count(queryd, "slow.key", 1)
        path = "/v1/series?key=slow.key&stat=max&from=-3h"
        alone = p99(measure(queryd, path, samples))
        crowd = Crowd(queryd, SLOW)
        try:
            beside = p99(measure(queryd, path, samples, lambda n: n % 40 == 0 and crowd.nudge()))
        finally:
            crowd.close()
        print(f"  queryd, one client: p99 {alone:.2f} ms alone, {beside:.2f} ms beside {SLOW} slow "
              f"clients; RSS {queryd.rss_bytes() / 1e6:.0f} MB", flush=True)
    finally:
        stack.close()


def instructions(loop, count):
    """What callgrind counts of one loop of bench_sketch."""
    with tempfile.NamedTemporaryFile() as out:
        said = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
                               f"{BUILD}/bench/bench_sketch", loop, str(count)],
                              capture_output=True, text=True).stderr
    return int(re.search(r"Collected : (\d+)", said).group(1))


def bench_sketch():
    """Instructions an insert, where valgrind is installed; time otherwise."""
    if not shutil.which("valgrind"):
        print(subprocess.run([f"{BUILD}/bench/bench_sketch"], capture_output=True, text=True).stdout)
        return
    for loop in ("insert-digest", "insert-exact"):
        once, twice = instructions(loop, 200000), instructions(loop, 400000)
        print(f"  sketch, {loop}: {(twice - once) / 200000:.0f} instructions", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--floods", action="store_true")
    parser.add_argument("--only", nargs="*", default=["agent", "inputs", "relay", "sketch", "visible",
                                                       "answers", "dashboard", "names", "slow", "fleet",
                                                       "memory"])
    args = parser.parse_args()
    with open("/proc/cpuinfo") as info:
        model = next((l.split(":")[1].strip() for l in info if l.startswith("model name")), "?")
    print(f"{datetime.date.today()} {platform.node()}: {CORES} x {model}, Linux {platform.release()}")
    print(f"load average {os.getloadavg()[0]:.1f}: what others do here takes from what is measured")
    benches = {"agent": lambda: bench_agent(args.seconds, args.floods),
               "inputs": lambda: bench_inputs(args.seconds),
               "relay": lambda: bench_relay(args.seconds), "sketch": bench_sketch,
               "visible": lambda: bench_visible(100), "slow": lambda: bench_slow(2000),
               "answers": lambda: bench_answers(args.seconds), "dashboard": lambda: bench_dashboard(args.seconds),
               "names": lambda: bench_names(1000000),
               "fleet": lambda: bench_fleet(10000, 100, "5s", 30), "memory": lambda: bench_memory(20000)}
    for name in args.only:
        benches[name]()


if __name__ == "__main__":
    main()
