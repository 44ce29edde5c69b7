# SPDX-License-Identifier: Apache-2.0
"""queryd with stale_ok: what it reads from replicas, how old it says that is, and what it never says.

Reads are told apart by what the servers count. No relay runs while that matters: scripts read too."""
import http.client
import os
import re
import signal
import threading
import time

import pytest

from conftest import BUILD, ask, metrics, send, wait_count, wait_for
from proxy import Proxy
from redis_fleet import Servers, Watched, connect, free_ports, try_redis
from test_compaction import past_day, spell

KEY = "stale.key"
PATIENT = {"read_timeout": "8s", "query_timeout": "20s"}  # a replica is given up after half of the first


def fetch(queryd, path, **headers):
    """(status, headers, body), over a connection of its own."""
    host, port = queryd.listen.rsplit(":", 1)
    link = http.client.HTTPConnection(host, int(port), timeout=30)
    try:
        link.request("GET", path, headers=headers)
        answer = link.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        link.close()


def age_of(queryd, path):
    """What the header says; -1: the master was read; None: there was no answer."""
    status, headers, _ = fetch(queryd, path)
    return int(headers.get("Hourglass-Stale", -1)) if status == 200 else None


def reads_master(queryd, path):
    return age_of(queryd, path) == -1


def reads_replica(queryd, path):
    age = age_of(queryd, path)
    return age is not None and age >= 0


def reads_of(port):
    """How many commands for data a server has executed."""
    stats = connect(port).info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"]
               for name in ("hgetall", "hmget", "zscore", "zrange", "hscan"))


class Mirrored(Servers):
    """A master and replicas, each behind a proxy of its own."""

    def __init__(self, stack, replicas=1):
        super().__init__(stack)
        self.master, *self.replicas = free_ports(1 + replicas)
        self.start_data(self.master)
        self.proxies = [Proxy(("127.0.0.1", self.master), seed) for seed in range(replicas)]
        for port, proxy in zip(self.replicas, self.proxies):
            self.start_data(port, "--replicaof", proxy.address.replace(":", " "))
        self.wait_in_step()

    def wait_in_step(self):
        wait_for(lambda: sum(1 for n in range(len(self.replicas))
                             if self.info().get(f"slave{n}", {}).get("state") == "online") ==
                 len(self.replicas), "the replicas are in step")

    def info(self):
        return try_redis(lambda: connect(self.master).info("replication")) or {}

    def url(self):
        return f"redis://127.0.0.1:{self.master}/0"


@pytest.fixture
def mirrored(stack):
    made = []

    def make(**options):
        made.append(Mirrored(stack, **options))
        return made[-1]
    yield make
    for servers in made:
        for proxy in servers.proxies:
            proxy.close()


def fill(stack, servers):
    """Some hours of a day that is over, committed by a pipeline that has gone since: (a queryd that reads
    the master, the day)."""
    relay = stack.start_relay(redis=servers.url())
    plain = stack.start_queryd("plain", redis=servers.url())
    agent = stack.start_agent([relay])
    day = past_day()
    for hour in (3, 4, 7):
        send(agent, "\n".join(f"{KEY}:{v}|ms|T{day + hour * 3600}" for v in range(hour, 20)))
        send(agent, f"{KEY}.other;host=a:{hour}|c|T{day + hour * 3600}")
        wait_count(plain, KEY, 20 - hour, spell(day + hour * 3600))
        wait_count(plain, f"{KEY}.other;host=a", hour, spell(day + hour * 3600), "sum")
    agent.terminate()
    relay.terminate()
    return plain, day


def paths_of(day):
    date, hour = spell(day + 3 * 3600)
    until = spell(day + 86400)[0]
    span = f"from={date}&to={until}"
    return [f"/{KEY}/median/{date}/{hour}", f"/{KEY}/p90/{date}", f"/{KEY}/max?{span}", f"/{KEY}",
            f"/v1/keys?match={KEY}*", f"/v1/query?match={KEY}&stat=p90&{span}",
            f"/v1/top?match={KEY}*&stat=count&{span}", f"/v1/ledger?{span}",
            f"/render?target={KEY}.median&format=json&from={day}&until={day + 86400}",
            f"/metrics/find?query={KEY}.*"]


def wait_replica(queryd, path):
    wait_for(lambda: reads_replica(queryd, path), "a replica is read")


def test_answers_come_from_the_replica(stack, mirrored):
    servers = mirrored()
    plain, day = fill(stack, servers)
    paths = paths_of(day)
    plain.terminate()
    plain = stack.start_queryd("fresh", redis=servers.url())  # it knows all names, if any
    wait_for(lambda: b'"complete":true' in fetch(plain, paths[5])[2], "its watermarks are read")
    wanted = [fetch(plain, path) for path in paths]
    plain.terminate()
    stale = stack.start_queryd("stale", redis=servers.url(), stale_ok="yes", **PATIENT)
    wait_replica(stale, paths[0])
    wait_for(lambda: b'"complete":true' in fetch(stale, paths[5])[2], "its watermarks are read")
    at_master, at_replica = reads_of(servers.master), reads_of(servers.replicas[0])
    for path, (status, headers, body) in zip(paths, wanted):
        got = fetch(stale, path)
        assert (got[0], got[2]) == (status, body), path
        assert got[1]["ETag"] == headers["ETag"]
        assert 0 <= int(got[1]["Hourglass-Stale"]) < 30 and "Hourglass-Stale" not in headers
    status, headers, body = fetch(stale, paths[0], **{"If-None-Match": wanted[0][1]["ETag"]})
    assert (status, body) == (304, b"") and "Hourglass-Stale" in headers
    status, headers, _ = fetch(stale, paths[0].replace(KEY, "nobody"))
    assert status == 404 and "Hourglass-Stale" in headers
    assert reads_of(servers.replicas[0]) - at_replica > 10
    assert reads_of(servers.master) == at_master
    seen = metrics(stale)
    assert seen["hourglass_queryd_replica"] == 1
    assert seen["hourglass_queryd_answers_stale_total"] >= len(paths) - 2  # but those of names alone
    assert seen["hourglass_queryd_replica_age_seconds"] < 30
    # One that nobody told to keeps to the master.
    keeps = stack.start_queryd("keeps", redis=servers.url())
    assert reads_master(keeps, paths[0]) and reads_of(servers.master) > at_master


class Asker(threading.Thread):
    """Asks for one path again and again; every answer is kept as (status, age or None)."""

    def __init__(self, queryd, path):
        super().__init__(daemon=True)
        self.queryd, self.path, self.seen, self.going = queryd, path, [], True

    def run(self):
        while self.going:
            status, headers, _ = fetch(self.queryd, self.path)
            self.seen.append((status, headers.get("Hourglass-Stale")))
            time.sleep(0.01)

    def finish(self):
        self.going = False
        self.join(60)
        return self.seen


def test_a_replica_that_hangs_or_dies_is_left(stack, mirrored):
    servers = mirrored(replicas=2)
    plain, day = fill(stack, servers)
    path = paths_of(day)[0]
    stale = stack.start_queryd("stale", redis=servers.url(), stale_ok="yes", **PATIENT)
    wait_replica(stale, path)
    asker = Asker(stale, path)
    asker.start()
    first = int(re.findall(r"reading server=127.0.0.1:(\d+) replica=yes", stale.log())[-1])
    servers.process[first].signal(signal.SIGSTOP)
    wait_for(lambda: metrics(stale)["hourglass_queryd_reads_again_total"] > 0, "it is left")
    wait_replica(stale, path)  # the other one
    servers.process[first].signal(signal.SIGCONT)
    for port in servers.replicas:
        servers.process[port].kill()
    wait_for(lambda: reads_master(stale, path), "the master is read")
    for port in servers.replicas:
        servers.start_data(port, *servers.arguments[port][-2:])
    wait_replica(stale, path)
    seen = asker.finish()
    assert {status for status, _ in seen} == {200}, "an answer was not given within read_timeout"


FAKE = "f" * 32  # an agent, in hg:{agents}


def say_mark(servers, until_ms):
    """An agent that was seen just now has delivered all up to then."""
    connect(servers.master).hset("hg:{agents}", FAKE, f"{until_ms} {int(time.time() * 1000)} 0 fake")


def test_nothing_is_complete_that_is_not_there(stack, mirrored):
    """The replica is behind, to and fro: data, and the watermark that vouches for it, are on the master alone."""
    servers = mirrored()
    relay = stack.start_relay(redis=servers.url())
    agent = stack.start_agent([relay])
    plain = stack.start_queryd("plain", redis=servers.url())
    second = past_day() + 5 * 3600
    say_mark(servers, second * 1000)
    send(agent, f"{KEY}:1|c|T{second}\nother:1|c|T{second}")
    wait_count(plain, KEY, 1, spell(second), "sum")
    stale = stack.start_queryd("stale", redis=servers.url(), stale_ok="yes", stale_max="600s",
                               read_timeout="4s", query_timeout="20s")
    date, hour = spell(second)
    path = f"/{KEY}/sum/{date}/{hour}"
    wait_replica(stale, path)
    assert ask(stale, KEY, "sum", (date, hour))[1]["complete"] is False

    lies, answers, going = [], [0], [True]
    many = f"/v1/query?match={KEY}&stat=sum&from={date}T{hour:02}&to={date}T{hour + 1:02}&step=total"

    def watch():
        while going[0]:
            for asked in (path, many):
                status, headers, body = fetch(stale, asked)
                answers[0] += status == 200
                if b'"complete":true' in body and b'"value":11,' not in body:
                    lies.append((headers.get("Hourglass-Stale"), body))
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    proxy, replica = servers.proxies[0], servers.process[servers.replicas[0]]
    proxy.begin("half_down")  # it hears nothing, and does not know it
    send(agent, f"{KEY}:10|c|T{second}")
    wait_count(plain, KEY, 11, (date, hour), "sum")
    say_mark(servers, (second + 3600) * 1000)
    wait_for(lambda: ask(plain, KEY, "sum", (date, hour))[1]["complete"], "it is complete")
    wait_for(lambda: (age_of(stale, path) or 0) >= 3, "its age is told")
    status, answer = ask(stale, KEY, "sum", (date, hour))
    assert (status, answer["value"], answer["complete"], answer["waiting"]) == (200, 1, False, 1)

    def complete():
        body = ask(stale, KEY, "sum", (date, hour))[1]
        return body.get("value") == 11 and body["complete"]
    for _ in range(3 if os.environ.get("HOURGLASS_LONG") else 1):
        replica.signal(signal.SIGSTOP)  # the master is read, watermarks too...
        wait_for(complete, "the master says that it is complete")
        replica.signal(signal.SIGCONT)  # ...and must not vouch for a replica that is behind
        wait_replica(stale, path)
        status, answer = ask(stale, KEY, "sum", (date, hour))
        assert (status, answer["value"], answer["complete"]) == (200, 1, False)
    proxy.heal()
    wait_for(lambda: reads_replica(stale, path) and complete(), "the replica has caught up")
    proxy.begin("cut")  # it knows that it hears nothing
    wait_for(lambda: reads_master(stale, path), "the master is read")
    going[0] = False
    watcher.join(60)
    assert not lies and answers[0] > 20


def test_answers_go_on_without_a_master_until_they_are_too_old(stack, mirrored):
    servers = mirrored()
    plain, day = fill(stack, servers)
    path = paths_of(day)[0]
    stale = stack.start_queryd("stale", redis=servers.url(), stale_ok="yes", stale_max="4s", **PATIENT)
    wait_replica(stale, path)
    asker = Asker(stale, path)
    asker.start()
    servers.process[servers.master].kill()
    wait_for(lambda: fetch(plain, path)[0] == 503, "it is missed")
    wait_for(lambda: 503 in [status for status, _ in asker.seen], "it is too old")
    seen = asker.finish()
    first = [status for status, _ in seen].index(503)
    assert 2 <= max(int(age) for _, age in seen[:first] if age) <= 4, "the replica has answered until then"
    servers.start_data(servers.master)
    wait_for(lambda: fetch(stale, path)[0] == 200, "the master is back")


def test_a_failover_by_sentinels(stack):
    servers = Watched(stack)
    plain, day = fill(stack, servers)
    path = paths_of(day)[0]
    wait_for(lambda: b'"complete":true' in fetch(plain, path)[2], "its watermarks are read")
    body = fetch(plain, path)[2]
    stale = stack.start_queryd("stale", redis=servers.url(), stale_ok="yes", **PATIENT)
    wait_replica(stale, path)
    for port in servers.sentinels:  # they take their time
        connect(port).sentinel_set("main", "down-after-milliseconds", 3000)
    servers.process[servers.master].kill()
    wait_for(lambda: fetch(plain, path)[0] == 503, "it is missed")
    answers = 0
    while servers.named_master() == servers.master:
        status, headers, _ = fetch(stale, path)
        answers += status == 200 and "Hourglass-Stale" in headers
    assert answers > 0, "a replica answered while there was no master"

    def is_whole():
        status, headers, got = fetch(stale, path)
        return (status, got) == (200, body) and "Hourglass-Stale" in headers
    wait_for(is_whole, "a replica of the new master is read, watermarks too")


def test_a_replica_may_be_named_itself(stack, mirrored):
    servers = mirrored()
    plain, day = fill(stack, servers)
    path = paths_of(day)[0]
    stale = stack.start_queryd("stale", redis=f"redis://127.0.0.1:{servers.replicas[0]}",
                               stale_ok="yes", stale_max="4s", **PATIENT)
    wait_replica(stale, path)
    wait_for(lambda: fetch(stale, path)[2] == fetch(plain, path)[2], "equal answers")
    servers.proxies[0].begin("cut")
    wait_for(lambda: fetch(stale, path)[0] == 503, "it is too old")
    servers.proxies[0].heal()
    wait_for(lambda: fetch(stale, path)[0] == 200, "it is in step again")


def test_of_a_cluster_masters_are_read(stack):
    port, = free_ports(1)
    queryd = stack.add("queryd", [f"{BUILD}/hourglass-queryd", "-o", "listen=127.0.0.1:0", "-o",
                                  f"redis=cluster://127.0.0.1:{port}", "-o", "stale_ok=yes"])
    queryd.start()
    queryd.logged("stale_ok_ignored.*masters of a Cluster")
