# SPDX-License-Identifier: Apache-2.0
"""Links that cut, stall, dribble, reset and swallow: agents to relays, and relays to Redis.

Every fault is held for a moment under load on every link of a sort at once, then taken away; what
was sent must flow again before the next one comes, and in the end every key must be exact.
"""
import os
import random
import time

import pytest

from conftest import total, wait_for
from fleet import Fleet, kept_on_failure
from proxy import KINDS

LONG = os.environ.get("HOURGLASS_LONG") == "1"
SEED = int(os.environ.get("HOURGLASS_CHAOS_SEED", "4"))
# Agents give a silent relay up after 1 s: what stands still must do so for longer.
SECONDS = {"cut": 0.4, "reset": 0.4, "delay": 0.8, "dribble": 0.8,
           "half_up": 1.5, "half_down": 1.5, "swallow": 1.5}
if LONG:
    SECONDS = {kind: 8 for kind in KINDS}
RATE = 2000


def committed(fleet):
    return sum(total(a, "hourglass_agent_samples_committed_total") for a in fleet.agents)


def faulty(fleet, end, kind):
    """Holds one fault on all links that have this end; whether it touched anything."""
    links = [p for name, p in fleet.proxies.items() if name.endswith(end)]
    before = sum(p.counts[kind] for p in links)
    fleet.note(f"{kind} begins")
    for link in links:
        link.begin(kind)
    until = time.monotonic() + SECONDS[kind]
    wait_for(lambda: time.monotonic() > until and sum(p.counts[kind] for p in links) > before,
             f"{kind} touches something", SECONDS[kind] + 5)
    for link in links:
        link.heal()
    fleet.note(f"{kind} ends")
    now = committed(fleet)
    wait_for(lambda: committed(fleet) > now + RATE / 4, f"samples flow again after {kind}")


@pytest.mark.parametrize("end", ["agents", "redis"])
def test_a_link_may_do_anything_but_lie(end):
    with kept_on_failure(SEED) as stack:
        fleet = Fleet(stack, SEED, relays=2, proxied=True, confirm_ms=200, grace_ms=500)
        kinds = sorted(KINDS)
        random.Random(SEED).shuffle(kinds)
        for kind in kinds:
            fleet.load(RATE, SECONDS[kind] + 0.5, keys=20, values=50)
            faulty(fleet, end, kind)
        fleet.collect()
        fleet.settle()
        fleet.check_exact()
