# SPDX-License-Identifier: Apache-2.0
"""A thousand agents lose their relays at once, and come back without a storm.

tests/bench/agents.c runs the agent's own delivery a thousand times in one process, over real sockets."""
import json
import signal
import subprocess

import pytest

from conftest import BUILD, http, this_hour, total, wait_for
from test_pipeline import hours_of

AGENTS, KEYS = 1000, 4
ACCEPTED = "hourglass_relay_sessions_accepted_total"


@pytest.fixture
def agents():
    made = []

    def start(relays, **options):
        command = [f"{BUILD}/bench/agents", str(AGENTS), str(KEYS), "600", "-o", "state_dir=",
                   "-o", "relays=" + ",".join(r.listen for r in relays)]
        for name, value in options.items():
            command += ["-o", f"{name}={value}"]
        made.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert made[-1].stdout.readline() == "ready\n"
        return made[-1]
    yield start
    for process in made:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_sessions(relays):
    """All agents have a session with each of these."""
    wait_for(lambda: all(total(r, "hourglass_relay_sessions") == AGENTS for r in relays),
             lambda: f"sessions: {[total(r, 'hourglass_relay_sessions') for r in relays]}")


def most_connects(fleet):
    """The most connections that any one agent has made to all relays since this was asked last."""
    fleet.send_signal(signal.SIGUSR2)
    word, count = fleet.stdout.readline().split()
    assert word == "connects"
    return int(count)


def test_a_thousand_agents_come_back_with_two_connects_each_at_most(stack, agents):
    before = this_hour()
    stack.start_redis()
    relays = [stack.start_relay(f"relay-{n}") for n in (1, 2)]
    queryd = stack.start_queryd()
    fleet = agents(relays, seal_ms="2s")
    wait_sessions(relays)
    first, second = relays
    seen = total(second, ACCEPTED)
    assert most_connects(fleet) >= 2
    first.kill()
    wait_for(lambda: total(second, "hourglass_relay_sessions") == AGENTS, "all are with the other one")
    first.start()
    wait_sessions(relays)
    assert AGENTS <= total(first, ACCEPTED) <= 2 * AGENTS
    assert total(second, ACCEPTED) - seen <= 2 * AGENTS
    lost_one = most_connects(fleet)
    assert 1 <= lost_one <= 2
    for relay in relays:
        relay.kill()
    for relay in relays:
        relay.start()
    wait_sessions(relays)
    assert all(AGENTS <= total(r, ACCEPTED) <= 2 * AGENTS for r in relays)
    lost_both = most_connects(fleet)
    assert 2 <= lost_both <= 2 * len(relays)
    print(f"most of one agent: {lost_one} after one relay was gone, {lost_both} after both")
    print(f"connects after both were gone: {[total(r, ACCEPTED) / AGENTS for r in relays]} an agent")
    # Nothing was lost or counted twice on the way.
    fleet.terminate()
    report = json.loads(fleet.stdout.readline())
    assert report["undelivered"] == 0 and report["sealed"] > AGENTS * KEYS

    def counted():
        answers = [http(queryd, f"/fleet.key{k:05d}/count/{date}/{hour}")
                   for k in range(KEYS) for date, hour in hours_of(before)]
        return sum(body["value"] for status, body in answers if status == 200)
    wait_for(lambda: counted() == report["sealed"], lambda: f"{counted()} of {report['sealed']}")
