# SPDX-License-Identifier: Apache-2.0
"""Random faults under load, and every sample counted once all the same.

`HOURGLASS_CHAOS_SECONDS` and `HOURGLASS_CHAOS_SEED` make other runs; `HOURGLASS_LONG=1` makes
faults last longer.
What fails prints its seed, the faults and the logs' ends, and keeps its folder.
"""
import os
import time

from chaos import Chaos, Fault, plan
from conftest import total, wait_for
from fleet import MORTAL, Fleet, Poller, kept_on_failure

LONG = os.environ.get("HOURGLASS_LONG") == "1"
SECONDS = int(os.environ.get("HOURGLASS_CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("HOURGLASS_CHAOS_SEED", "4"))
RATE = 10000


def check_answers(poller, store_away):
    polls, answered, said = poller.shares(store_away)
    strange = [p[2] for p in poller.polls if p[2] not in ("ok", "empty", "unavailable", "none")]
    assert not strange, strange[:3]
    assert answered >= 0.99, f"{answered:.4f} of {polls} polls were answered while Redis was there"
    assert said >= 0.99, f"{said:.4f} of {polls} polls were answered at all"
    return polls, answered, said


def test_everything_is_killed_and_stopped_in_turn(capsys):
    with kept_on_failure(SEED) as stack:
        fleet = Fleet(stack, SEED)
        fleet.load(RATE, SECONDS)
        poller = Poller(fleet, [f"chaos.both{n:06}" for n in range(150)])
        chaos = Chaos(fleet, plan(SEED, SECONDS, fleet.victims(), LONG))
        chaos.run(SECONDS)
        fleet.collect()
        poller.finish()
        fleet.settle()
        row = fleet.check_exact()
        polls, answered, said = check_answers(poller, chaos.store_away)
        assert not chaos.deaths, chaos.deaths
    with capsys.disabled():
        print(f"\n  seed {SEED}, {SECONDS} s, {row['sent']} samples, {row['unsealed']} died "
              f"unsealed, {dict(chaos.done)}, {polls} polls: {answered:.2%} answered while Redis "
              f"was there, {said:.2%} answered or told why not")


def test_a_rolling_restart_costs_nothing():
    """SIGTERM and a new start for each daemon, one after the other, senders and readers at work."""
    with kept_on_failure(SEED) as stack:
        fleet = Fleet(stack, SEED, confirm_ms=200, grace_ms=500)
        fleet.load(RATE, 2)
        poller = Poller(fleet, [f"chaos.both{n:06}" for n in range(150)])
        wait_for(lambda: total(fleet.relays[0], "hourglass_relay_samples_committed_total") > 1000,
                 "the relays are at work")
        away = []
        for name in ("relay-1", "relay-2", "relay-3", "queryd-1", "queryd-2", "agent-1", "agent-2",
                     "redis"):
            fleet.note(f"restart of {name}")
            fleet.load(RATE, 1)
            began = time.monotonic()
            assert fleet.parts[name].terminate() == 0, f"{name} did not stop in order"
            fleet.launch(name)
            if name == "redis":
                stack.wait_redis()
                away.append((began, time.monotonic()))
            wait_for(fleet.all_ready, f"all are ready after the restart of {name}")
        fleet.collect()
        poller.finish()
        fleet.settle()
        fleet.check_exact()
        _, answered, said = poller.shares(away)
        assert answered >= 0.99 and said >= 0.99


def test_an_agent_killed_again_and_again_while_no_relay_is_there():
    """What it had sealed comes from the disk of its fifth successor; the rest is told by number."""
    with kept_on_failure(SEED) as stack:
        fleet = Fleet(stack, SEED, relays=2, confirm_ms=200, grace_ms=500)
        name = fleet.mortal.name
        fleet.generate(fleet.mortal, MORTAL, "ms", 3000, 5)
        kills = [Fault(0.9 + 0.7 * n, name, "kill", 0.1) for n in range(5)]
        relays = [Fault(1.2, relay.name, "kill", 2.8) for relay in fleet.relays]
        chaos = Chaos(fleet, kills + relays)
        chaos.run(5)
        fleet.collect()
        fleet.settle()
        row = fleet.check_exact()
        assert 0 < row["unsealed"] < row["sent"] and not chaos.deaths
