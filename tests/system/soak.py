#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Chaos for as long as wanted: every daemon and every link at once, round after round.

    soak.py --build build/release --seconds 3600 --seed 1

A round is a new fleet (two agents, three relays, two queryd, Redis, a faulty proxy on each link
between agents, relays and Redis) and a plan drawn from its seed; after it everything must be
counted exactly once. Rounds have seeds seed, seed + 1... The table of all rounds comes last; a
round that fails ends the soak, says its seed and keeps its folder. Exit status 1 then.
"""
import argparse
import collections
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROUND_SECONDS = 120
COUNTED = {"sent": "samples sent", "counted": "counted", "unsealed": "died unsealed, reported",
           "missing": "lost undeclared", "declared": "lost declared", "too_many": "counted twice",
           "kernel_drops": "datagrams dropped by the kernel"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--seconds", type=int, default=600, help="at least so long in all")
    parser.add_argument("--round", type=int, default=ROUND_SECONDS, help="seconds of load a round")
    parser.add_argument("--rate", type=int, default=10000, help="samples a second")
    parser.add_argument("--period", type=float, default=2, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--no-links", action="store_true", help="leave the links alone")
    return parser.parse_args()


def one_round(args, seed, table):
    """One fleet from its start to its count; what it found is added to the table."""
    from chaos import Chaos, plan
    from fleet import Fleet, Poller, kept_on_failure
    with kept_on_failure(seed) as stack:
        fleet = Fleet(stack, seed, proxied=not args.no_links)
        fleet.load(args.rate, args.round)
        poller = Poller(fleet, [f"chaos.both{n:06}" for n in range(150)])
        chaos = Chaos(fleet, plan(seed, args.round, fleet.victims(), True, args.period))
        chaos.run(args.round)
        fleet.collect()
        poller.finish()
        fleet.settle(300)
        row = fleet.compare()
        polls, answered, said = poller.shares(chaos.store_away)
        for name in COUNTED:
            table[name] += row.get(name, 0)
        table["polls"] += polls
        for fault, times in chaos.done.items():
            table[f"fault {fault}"] += times
        table["faults"] += len(chaos.faults)
        print(f"seed {seed}: {row['sent']} sent, {row['counted']} counted, {row['unsealed']} died "
              f"unsealed, {row['declared']} declared lost, {len(chaos.faults)} faults, {polls} "
              f"polls, {answered:.2%} answered while Redis was there, {said:.2%} or told why not",
              flush=True)
        assert row["exact"], {name: row[name] for name in row if name != "keys"}
        assert not chaos.deaths, chaos.deaths
        assert min(answered, said) >= 0.99


def show(table, seconds):
    """The table that the README prints."""
    for name, means in {**COUNTED, "polls": "answers asked for", "faults": "faults"}.items():
        print(f"| {means} | {table[name]:,} |")
    for name in sorted(n for n in table if n.startswith("fault ")):
        print(f"| {name.removeprefix('fault ')} | {table[name]:,} |")
    print(f"| seconds | {seconds:.0f} |")


def main():
    args = arguments()
    os.environ["HOURGLASS_BUILD"] = os.path.abspath(args.build)
    sys.path.insert(0, HERE)
    from fleet import Failed
    table, began, seed, failed = collections.Counter(), time.monotonic(), args.seed, False
    while not failed and (seed == args.seed or time.monotonic() - began < args.seconds):
        try:
            one_round(args, seed, table)
        except (AssertionError, Failed) as error:
            print(f"FAILED seed {seed}: {error}", flush=True)
            failed = True
        seed += 1
    show(table, time.monotonic() - began)
    print(f"soak: {seed - args.seed} rounds, {'FAILED' if failed else 'exact'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
