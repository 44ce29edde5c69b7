# SPDX-License-Identifier: Apache-2.0
"""Redis behind sentinels: a master that dies, and one that dies with commits nobody else has."""
import os
import shutil
import signal
import time

import pytest

from conftest import ask, http, metrics, send, this_hour, total, wait_count, wait_for
from redis_fleet import Watched, connect, fleet_over, wait_all_counted
from test_pipeline import Poller, check_exact, hours_of


@pytest.fixture
def fleet(stack):
    return fleet_over(stack, Watched(stack))


def all_committed(agent):
    seen = metrics(agent)
    return seen["hourglass_agent_samples_received_total"] == \
        seen["hourglass_agent_samples_committed_total"]


def test_a_master_that_dies_under_load(fleet, generator):
    servers, relays, agent, queryd = fleet
    assert all(metrics(r)["hourglass_relay_store_fit"] == 1 for r in relays)
    before = this_hour()
    run = generator(agent, count=100000, rate=20000, senders=4, keys=300, payload=1400)
    wait_for(lambda: ask(queryd, "gen.key000001", "count", before)[0] == 200, "the first answer")
    poller = Poller(queryd, "gen.key000001", {200, 503})
    poller.start()
    servers.process[servers.master].kill()
    began = time.monotonic()
    wait_for(lambda: ask(queryd, "gen.key000001", "count", before)[0] == 503, "it is missed")
    wait_for(lambda: ask(queryd, "gen.key000001", "count", before)[0] == 200, "queryd answers again")
    took = time.monotonic() - began
    assert took < 10
    report = run.report()
    wait_all_counted(queryd, report, hours_of(before))
    check_exact(queryd, report, hours_of(before))
    poller.finish()
    # The old master comes back and calls itself one for some seconds: nobody listens to it.
    servers.start_data(servers.master)
    send(agent, "after:1|c")
    wait_count(queryd, "after", 1, stat="sum")
    assert connect(servers.named_master()).role()[0] == b"master"


def test_a_failover_that_forgets_commits(fleet):
    """The replicas are cut off, the master takes commits alone and dies: agents send them again."""
    servers, relays, agent, queryd = fleet
    keys = [f"lost.{n}" for n in range(50)]
    for key in keys:
        send(agent, f"{key}:1|c\n{key}:3|ms")
    wait_for(lambda: all_committed(agent), "the first part is committed")
    master = connect(servers.master)
    wait_for(lambda: master.info("replication")["min_slaves_good_slaves"] == 2, "replicas keep up")
    for port in servers.replicas:
        servers.process[port].signal(signal.SIGSTOP)
    master.config_set("min-replicas-to-write", 0)
    assert master.client_kill_filter(_type="slave") == 2
    for key in keys:
        send(agent, f"{key}:10|c\n{key}:5|ms")
    wait_for(lambda: total(agent, "hourglass_agent_samples_received_total") == 200 and
             all_committed(agent), "the second part is committed, and nobody else has it")
    servers.process[servers.master].kill()
    for port in servers.replicas:
        servers.process[port].signal(signal.SIGCONT)
    wait_for(lambda: servers.named_master() != servers.master, "another master")
    for key in keys:
        wait_count(queryd, key, 2)
        status, answer = ask(queryd, key, "sum", query="?kind=counter")
        assert (status, answer["value"]) == (200, 11), key
        status, answer = ask(queryd, key, "sum", query="?kind=distribution")
        assert (status, answer["value"]) == (200, 8), key
    assert sum(total(r, "hourglass_relay_streams_reset_total") +
               total(r, "hourglass_relay_refusals_total") for r in relays) > 0, "nothing was lost"


def test_what_the_servers_are_set_to_is_looked_at(stack):
    """The grace window follows the sentinels; a master that may forget too much is called unfit."""
    servers = Watched(stack)
    for port in servers.sentinels:
        connect(port).sentinel_set("main", "down-after-milliseconds", 30000)
    relay = stack.start_relay(redis=servers.url())
    relay.logged(r"grace ms=360000\b")
    assert metrics(relay)["hourglass_relay_store_fit"] == 1
    connect(servers.master).config_set("min-replicas-to-write", 0)
    connect(servers.master).client_kill_filter(_type="normal", skipme=True)
    relay.logged("store_unfit.*min-replicas-to-write is 0")
    assert metrics(relay)["hourglass_relay_store_fit"] == 0
    # A replica's address, or no sentinel's, is not taken for a master.
    other = stack.add("relay-2", relay.command[:1] + [
        "-o", "listen=127.0.0.1:0", "-o", "admin=127.0.0.1:0",
        "-o", f"redis=sentinel://127.0.0.1:{servers.master},127.0.0.1:{servers.sentinels[0]}/nobody"])
    other.start()
    other.logged("redis_unreachable.*this is no sentinel")
    other.logged("sentinel_knows_no_master")
    assert other.alive()


def test_a_redis_that_comes_back_empty_is_refused_until_somebody_allows_it(stack):
    """The relay goes on trying, commits nothing, and its agents keep everything."""
    stack.start_redis()
    stack.start_relay("relay-0").terminate()  # it has initialised the store
    relay = stack.start_relay(auto_init="no")
    queryd, agent = stack.start_queryd(), stack.start_agent([relay])
    send(agent, "kept:1|c")
    wait_count(queryd, "kept", 1, stat="sum")
    stack.redis_process.kill()
    shutil.rmtree(os.path.join(stack.folder, "appendonlydir"))
    stack.redis_process.start()
    stack.wait_redis()
    relay.logged("store_not_ready.*this Redis is empty and auto_init is off")
    send(agent, "kept:10|c")
    assert http(relay, "/readyz", relay.admin) == (503, "this Redis is empty and auto_init is off")
    tried_until = time.monotonic() + 3
    wait_for(lambda: time.monotonic() > tried_until, "some more attempts", 4)
    assert relay.alive() and stack.redis().keys("*") == []
    assert metrics(relay)["hourglass_relay_store_up"] == 0
    # The same while it stays connected.
    allowed = stack.start_relay("relay-x", auto_init="yes")
    wait_count(queryd, "kept", 11, stat="sum")
    allowed.kill()
    stack.redis().flushall()
    send(agent, "kept:100|c")
    wait_for(lambda: http(relay, "/readyz", relay.admin)[0] == 503, "it is refused again")
    assert relay.alive() and stack.redis().exists("hg:{fleet}") == 0
