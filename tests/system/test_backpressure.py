# SPDX-License-Identifier: Apache-2.0
"""What happens when more comes than goes: BUSY, orderly stops, outages and the backlog after them."""
import os
import signal
import time

import msgpack

from conftest import (DEADLINE_SECONDS, metrics, send, this_hour, total, wait_count, wait_for)
from test_auth import BATCH, CFG, OPEN, STATE, Peer
from test_pipeline import check_exact, hours_of

MIB = 1 << 20
COMMITTED, PING, PONG, GOAWAY = 7, 12, 13, 15
AWAY_SECONDS = 10 if os.environ.get("HOURGLASS_LONG") else 3


def committed(agent):
    return total(agent, "hourglass_agent_samples_committed_total")


def undelivered(agent):
    seen = metrics(agent)
    return seen["hourglass_agent_samples_undelivered"] + seen["hourglass_agent_samples_open"]


def check_some(queryd, report, before):
    """check_exact of every key would be most of this suite's time: every fiftieth is asked."""
    some = dict(list(report["keys"].items())[::50])
    check_exact(queryd, {**report, "keys": some}, hours_of(before))


def test_a_relay_that_cannot_commit_says_busy_and_holds_no_more(stack, generator):
    """Redis stands still: the relay takes buffer_max and what was on its way, the agent keeps the rest."""
    stack.start_redis()
    relay = stack.start_relay(buffer_max=MIB)
    queryd = stack.start_queryd()
    agent = stack.start_agent([relay], seal_ms=100)
    before = this_hour()
    warm = generator(agent, count=2000, rate=20000, senders=1, keys=500, prefix="warm").report()
    wait_for(lambda: committed(agent) >= warm["lines"], "a stream is open in every partition")
    stack.redis_process.signal(signal.SIGSTOP)
    run = generator(agent, count=120000, rate=60000, senders=2, keys=20000, payload=1400)
    wait_for(lambda: metrics(relay)["hourglass_relay_busy"] == 1, "agents are told to wait")
    sent = metrics(agent)["hourglass_agent_batches_sent_total"]
    report = run.report()
    wait_for(lambda: metrics(agent)["hourglass_agent_samples_open"] == 0, "all is sealed")
    held, seen = metrics(relay)["hourglass_relay_held_bytes"], metrics(agent)
    assert MIB < held <= 2 * MIB
    assert seen["hourglass_agent_batches_sent_total"] - sent <= 32, "what was on its way at BUSY"
    assert seen["hourglass_agent_spool_bytes"] > 3 * held / 2, "the agent has the rest"
    stack.redis_process.signal(signal.SIGCONT)
    wait_for(lambda: undelivered(agent) == 0, "all is delivered")
    check_some(queryd, report, before)
    wait_for(lambda: metrics(relay)["hourglass_relay_busy"] == 0, "agents are told to go on")
    assert metrics(relay)['hourglass_relay_batches_total{outcome="dropped"}'] == 0


def test_an_orderly_stop_moves_agents_first_and_sends_nothing_twice(stack, generator):
    """Seals of 10 ms: there are always batches on their way to the relay that is stopped."""
    stack.start_redis()
    relays = [stack.start_relay(name, commit_ms=50) for name in ("relay-1", "relay-2")]
    agent = stack.start_agent(relays, seal_ms=10)
    queryd = stack.start_queryd()
    before = this_hour()
    run = generator(agent, count=50000, rate=20000, senders=4, keys=500, payload=1400)
    wait_for(lambda: all(total(r, "hourglass_relay_samples_committed_total") > 2000 for r in relays),
             "both relays are at work")
    relays[0].signal(signal.SIGTERM)
    relays[0].process.wait(10)
    assert "drained complete=yes" in relays[0].log()
    assert metrics(relays[1])["hourglass_relay_sessions"] == 1
    report = run.report()
    wait_for(lambda: undelivered(agent) == 0, "all is delivered")
    check_some(queryd, report, before)
    seen = metrics(agent)
    assert seen["hourglass_agent_batches_sent_total"] == seen["hourglass_agent_batches_sealed_total"]
    assert seen["hourglass_agent_failovers_total"] == 0, "every lane had moved before the relay ended"
    assert seen["hourglass_agent_rewinds_total"] == 0
    for outcome in ("duplicate", "stale", "dropped", "refused"):
        assert metrics(relays[1])[f'hourglass_relay_batches_total{{outcome="{outcome}"}}'] == 0
    assert agent.log().index("relay_leaving") < agent.log().index("peer_down")


def test_what_was_on_its_way_at_a_stop_is_committed(stack):
    """A batch that was sent before GOAWAY was read: it comes after it, and before the PONG."""
    stack.start_redis()
    relay = stack.start_relay()
    peer = Peer(relay.listen)
    stream = b"agent-0123456789" + b"\7" + b"\0" * 7
    peer.hello()
    peer.say(OPEN, [[[stream, 13, 0]]])  # XXH3("checkout.latency") mod 32 (BATCH.md)
    _, (_, ((_, _, nonce),)) = peer.await_frame(STATE)
    relay.signal(signal.SIGTERM)
    assert peer.await_frame(GOAWAY)[0] == GOAWAY
    _, (token, _) = peer.await_frame(PING)
    batch = msgpack.packb([1, CFG, 13, 1, 0, int(time.time()), 1,
                           [[ord("c"), "checkout.latency", 0, b"\1\0\1\2\0"]]])
    peer.say(BATCH, [stream, nonce, 0, batch])
    peer.say(PONG, [token, 0])
    kind, states = peer.await_frame(COMMITTED)
    assert kind == COMMITTED and states[0][0][2].startswith("1:c")
    assert relay.process.wait(5) == 0


def test_a_backlog_drains_at_ten_times_the_live_rate_and_starves_nobody(stack, generator):
    """The only relay is away at 20,000 lines a second; live lines go on all the time."""
    stack.start_redis()
    relay = stack.start_relay(commit_ms=100)
    agent, other = (stack.start_agent([relay], name, seal_ms=100) for name in ("agent", "other"))
    queryd = stack.start_queryd()
    before = this_hour()
    run = generator(agent, count=20000 * (AWAY_SECONDS + 4), rate=20000, senders=4, keys=500,
                    payload=1400)
    send(other, "live:1|c")
    wait_count(queryd, "live", 1, stat="sum")
    wait_for(lambda: committed(agent) > 10000, "it is under way")
    relay.kill()
    away_until = time.monotonic() + AWAY_SECONDS
    wait_for(lambda: time.monotonic() > away_until, "the time away")
    back, seen = metrics(agent), None
    relay.start()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while seen is None:  # `back` becomes the last look before the first commit
        now = metrics(agent)
        backlog = back["hourglass_agent_samples_undelivered"]
        done = now["hourglass_agent_samples_committed_total"] - \
            back["hourglass_agent_samples_committed_total"]
        if done == 0:
            back = now
        elif done >= backlog:
            seen = now
        assert time.monotonic() < deadline, f"{done:.0f} of {backlog:.0f} are delivered"
    live = seen["hourglass_agent_samples_sealed_total"] - back["hourglass_agent_samples_sealed_total"]
    assert backlog >= 16000 * AWAY_SECONDS
    assert live <= backlog / 10 + 4000, \
        f"while {backlog:.0f} were delivered, {live:.0f} came (a seal is 2,000)"
    # A live sample of another agent passes within some seals of the busy one (100 ms each).
    wait_for(lambda: total(other, "hourglass_agent_relays_ready") == 1, "the other is back as well")
    sealed = total(agent, "hourglass_agent_seals_total")
    was = committed(other)
    send(other, "live:1|c")
    wait_for(lambda: committed(other) > was, "its sample is committed")
    assert total(agent, "hourglass_agent_seals_total") - sealed <= 10
    wait_count(queryd, "live", 2, stat="sum")
    report = run.report()
    check_exact(queryd, report, hours_of(before))


def test_a_relay_over_its_share_asks_agents_to_seal_less_often(stack, generator):
    """One per cent of Redis is not enough for this: the interval grows, and agents follow."""
    stack.start_redis()
    relay = stack.start_relay(store_share=1, commit_ms=50)
    agent = stack.start_agent([relay], seal_ms=50)
    run = generator(agent, count=50000, rate=20000, senders=2, keys=2000, payload=1400)
    relay.logged(r"pace commit_ms=100 ")
    assert metrics(relay)["hourglass_relay_commit_interval_milliseconds"] >= 100
    first = metrics(agent)["hourglass_agent_seals_total"]
    at = time.monotonic()
    wait_for(lambda: time.monotonic() > at + 1, "a second")
    seals = metrics(agent)["hourglass_agent_seals_total"] - first
    assert seals <= 13, f"{seals} seals a second; 20 are configured, and 10 or fewer asked for"
    report = run.report()
    wait_for(lambda: committed(agent) >= report["lines"], "it is only slower")
    # Nothing to do any more: it comes back to what is configured.
    relay.logged(r"pace commit_ms=50 ")
    wait_for(lambda: metrics(relay)["hourglass_relay_commit_interval_milliseconds"] == 50, "it is back")
