# SPDX-License-Identifier: Apache-2.0
"""Redis Cluster, three masters with a replica each: a master that dies, slots that move."""
import time

import pytest

from conftest import ask, metrics, send, this_hour, total, wait_count, wait_for
from redis_fleet import Clustered, connect, fleet_over, wait_all_counted
from test_pipeline import Poller, check_exact, hours_of


@pytest.fixture
def fleet(stack):
    return fleet_over(stack, Clustered(stack))


def slot_of(servers, key):
    return connect(servers.ports[0]).cluster("KEYSLOT", key)


def keys_in(port, pattern="hg:*"):
    return connect(port).keys(pattern)


def key_at(port, names):
    """One of the names that lies in this master, by the series in its partitions' name lists."""
    for key in keys_in(port, "hg:*:nf"):
        for field in connect(port).zrange(key, 0, -1):
            if field[1:].decode() in names:
                return field[1:].decode(), key
    raise AssertionError("no key lies there")


def test_a_master_that_dies_under_load(fleet, generator):
    servers, relays, agent, queryd = fleet
    assert all(metrics(r)["hourglass_relay_store_fit"] == 1 for r in relays)
    before = this_hour()
    run = generator(agent, count=120000, rate=20000, senders=4, keys=300, payload=1400)
    names = {f"gen.key{n:06d}" for n in range(300)}
    masters = servers.masters()
    wait_for(lambda: all(keys_in(port, "hg:*:nf") for port in masters), "traffic over all masters")
    victim, other = masters[0], masters[1]
    gone, stays = key_at(victim, names)[0], key_at(other, names)[0]
    # Some commits of it, so that the replica surely has one.
    wait_for(lambda: ask(queryd, gone, "count", before)[1].get("value", 0) > 60, "it is counted")
    poller = Poller(queryd, stays, {200})
    poller.start()
    servers.process[victim].kill()
    wait_for(lambda: ask(queryd, gone, "count", before)[0] == 503, "it is missed")
    committed = sum(total(r, "hourglass_relay_samples_committed_total") for r in relays)
    wait_for(lambda: sum(total(r, "hourglass_relay_samples_committed_total") for r in relays) >
             committed, "the other slots' commits go on")
    wait_for(lambda: victim not in servers.masters() and len(servers.masters()) == 3,
             "its replica has taken its place")
    wait_for(lambda: ask(queryd, gone, "count", before)[0] == 200, "queryd answers again")
    # The new master has no replica, so it takes nothing until the old one is back as that.
    servers.start(victim, *servers.arguments[victim])
    report = run.report()
    wait_all_counted(queryd, report, hours_of(before))
    check_exact(queryd, report, hours_of(before))
    poller.finish()


def test_a_master_that_is_deposed_and_back_is_another_one_each_time(fleet):
    """Its connection may live on, and streams are looked up again all the same."""
    servers, relays, agent, queryd = fleet
    first = servers.masters()[0]
    second = next(port for port in servers.ports if port not in servers.masters() and
                  connect(port).info("replication")["master_port"] == first)
    seen = [r.log().count("store_changed") for r in relays]
    for port, other in ((second, first), (first, second)):
        servers.make_master(port)
        assert other not in servers.masters()
        wait_for(lambda: all(r.log().count("store_changed") > n for r, n in zip(relays, seen)),
                 "relays look again")
        wait_for(servers.is_whole, "the other one is its replica")
        seen = [r.log().count("store_changed") for r in relays]
    send(agent, "back:1|c")
    wait_count(queryd, "back", 1, stat="sum")


def test_slots_that_move_under_load(fleet, generator):
    servers, relays, agent, queryd = fleet
    before = this_hour()
    run = generator(agent, count=120000, rate=20000, senders=4, keys=300, payload=1400)
    masters = servers.masters()
    wait_for(lambda: all(keys_in(port, "hg:*:nf") for port in masters), "traffic over all masters")
    held = len(keys_in(masters[1]))
    nodes = servers.nodes()
    pollers = [Poller(queryd, f"gen.key{n:06d}", {200}) for n in (1, 2, 3, 4)]
    for poller in pollers:
        wait_for(lambda p=poller: ask(queryd, p.key, "count", before)[0] == 200, "an answer")
        poller.start()
    servers.cli("--cluster", "reshard", f"127.0.0.1:{masters[0]}", "--cluster-from",
                nodes[masters[0]][0], "--cluster-to", nodes[masters[1]][0], "--cluster-slots",
                "1600", "--cluster-yes", "--cluster-pipeline", "10")
    assert len(keys_in(masters[1])) > held, "whole partitions have moved"
    report = run.report()
    wait_all_counted(queryd, report, hours_of(before))
    check_exact(queryd, report, hours_of(before))
    for poller in pollers:
        poller.finish()


def test_a_slot_half_moved_is_read_at_both_its_masters(fleet):
    """ASK for what has gone, nothing written until the slot is whole, exact afterwards."""
    servers, _, agent, queryd = fleet
    send(agent, "half:1|c")
    wait_count(queryd, "half", 1, stat="sum")
    source = next(port for port in servers.masters()
                  if any(b"chalf" in connect(port).zrange(k, 0, -1) for k in keys_in(port, "hg:*:nf")))
    target = next(port for port in servers.masters() if port != source)
    names = key_at(source, {"half"})[1]
    slot, nodes = slot_of(servers, names), servers.nodes()
    connect(target).cluster("SETSLOT", slot, "IMPORTING", nodes[source][0])
    connect(source).cluster("SETSLOT", slot, "MIGRATING", nodes[target][0])

    def move(key):
        connect(source).execute_command("MIGRATE", "127.0.0.1", target, key, 0, 5000)
    in_slot = connect(source).execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000)
    cells = [key for key in in_slot if b":c:" in key]
    assert cells and names in in_slot
    for key in cells:
        move(key)
    assert ask(queryd, "half", "sum")[1]["value"] == 1
    move(names)
    for key in [key for key in in_slot if b":m:" in key]:
        move(key)
    assert ask(queryd, "half", "sum")[1]["value"] == 1
    # Half the keys of its commit are elsewhere: TRYAGAIN, until the slot is whole again.
    send(agent, "half:10|c")
    wait_for(lambda: total(agent, "hourglass_agent_samples_received_total") == 2, "it is received")
    time.sleep(1)
    assert ask(queryd, "half", "sum")[1]["value"] == 1
    for key in connect(source).execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000):
        move(key)
    for port in [target, source] + [p for p in servers.masters() if p not in (source, target)]:
        connect(port).cluster("SETSLOT", slot, "NODE", nodes[target][0])
    wait_count(queryd, "half", 11, stat="sum")
