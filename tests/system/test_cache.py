# SPDX-License-Identifier: Apache-2.0
"""queryd's cache: what it says is what a queryd without one says, at once, whatever is written meanwhile.

Each question goes to two of them, to one without a cache first; so the other has no moment to be behind in."""
import http.client
import json
import os
import signal
import time

from conftest import ask, http as get, send, total, wait_count, wait_for
from test_compaction import BUSY, IDLE, is_done, past_day, restart, spell, start
from test_tokens import make_token, request

KEY = "cache.key"
GONE = "4s"


def counted(queryd, what):
    return total(queryd, f"hourglass_queryd_cache_{what}")


class Both:
    """One with a cache, one without."""

    def __init__(self, stack):
        self.cached = stack.start_queryd("cached", agent_gone_after=GONE)
        self.plain = stack.start_queryd("plain", agent_gone_after=GONE, cache=0)

    def same(self, path):
        """What both answer: the values of the one without a cache."""
        expected = get(self.plain, path)
        got = get(self.cached, path)
        for _, answer in (expected, got):
            if isinstance(answer, list):  # of Graphite
                continue
            for watched in ("complete", "waiting", "gone"):  # each hears of agents by itself
                answer.pop(watched, None)
        assert got == expected
        return got[1]

    def rise(self, path, what):
        """How much a counter rises by asking the one with a cache."""
        before = counted(self.cached, what)
        assert get(self.cached, path)[0] == 200
        return counted(self.cached, what) - before


def paths(second):
    """One hour, its day, and a range of days around it."""
    date, hour = spell(second)
    return [f"/{KEY}/median/{date}/{hour}", f"/{KEY}/count/{date}/{hour}", f"/{KEY}/max/{date}",
            f"/{KEY}/p90?from={date}&to={spell(second + 86400)[0]}&step=hour"]


def commit(both, agent, second, values, count):
    """Sends values, waits until the one without a cache has them, then asks both."""
    send(agent, "\n".join(f"{KEY}:{v}|ms|T{second}" for v in values))
    wait_count(both.plain, KEY, count, spell(second))
    assert both.same(paths(second)[1])["value"] == count
    return [both.same(path) for path in paths(second)]


def test_an_answer_changes_in_the_same_read_as_its_hour(stack):
    stack.start_redis()
    relays = [start(stack, "relay-1", IDLE)]
    both, agent, day = Both(stack), stack.start_agent(relays), past_day()
    second, r = day + 5 * 3600, stack.redis()
    path = paths(second)[0]
    for number in range(4):
        commit(both, agent, second, range(10 * number, 10 * number + 10), 10 * (number + 1))
        relays = restart(relays, IDLE)  # what comes next is a partial of its own
    assert counted(both.cached, "stale_total") > 0
    before = [both.same(p) for p in paths(second)]

    cells = total(both.cached, "hourglass_queryd_cells_read_total")
    assert both.rise(path, "hits_total") == 1
    assert total(both.cached, "hourglass_queryd_cells_read_total") == cells
    assert counted(both.cached, "entries") > 0 and counted(both.cached, "bytes") > 0
    assert both.rise(path, "misses_total") == 0

    relays = restart(relays, BUSY)
    wait_for(lambda: is_done(r, day), "compacted")
    assert both.rise(path, "stale_total") == 1
    assert [both.same(p) for p in paths(second)] == before
    assert both.rise(path, "hits_total") == 1

    # Late data, into the day that is rolled up.
    late = commit(both, agent, second, [1e6], 41)
    assert late[2]["value"] == 1e6
    for name in ("hits_total", "misses_total", "stale_total", "entries", "bytes"):
        assert counted(both.plain, name) == 0


def many_paths(second):
    """Questions over many keys: an hour, its day by hours and whole, drawn, the highest, the ledger."""
    date, hour = spell(second)
    since, until = f"{date}T{hour:02}", spell(second + 86400)[0]
    return [f"/v1/query?match=cache.m*&stat=count&from={since}&to={until}",
            f"/v1/query?match=cache.m*&stat=p90&from={date}&to={until}&step=day",
            f"/v1/query?match=cache.*&stat=median&from={date}&to={until}&step=total&by=host",
            f"/v1/top?match=cache.m*&stat=max&n=5&from={date}&to={until}",
            f"/render?target=cache.*.max&target=sumSeries(cache.m1*.count)&from={second - 7200}&until={second + 7200}",
            f"/v1/ledger?from={date}&to={until}"]


def test_questions_over_many_keys_use_it_too_and_are_never_behind(stack):
    stack.start_redis()
    relays = [start(stack, "relay-1", IDLE)]
    both, agent, day = Both(stack), stack.start_agent(relays), past_day()
    second, r = day + 9 * 3600, stack.redis()
    for number in range(3):
        send(agent, "\n".join(f"cache.m{k}:{10 * number + k}|ms|T{second + n}" for k in range(15) for n in range(number + 1)))
        send(agent, f"cache.m1:{number}|ms|T{second - 3600}|#host:a")
        for k in range(15):
            wait_count(both.plain, f"cache.m{k}", (number + 1) * (number + 2) // 2, spell(second))
        wait_count(both.plain, "cache.m1;host=a", number + 1, spell(second - 3600))
        for queryd in (both.plain, both.cached):
            wait_for(lambda: len(get(queryd, "/v1/keys?match=cache.*")[1]["keys"]) == 16, "all names are known")
        first = [both.same(path) for path in many_paths(second)]
        assert first[0]["groups"][0]["value"] == 15 * (number + 1) * (number + 2) // 2
        relays = restart(relays, IDLE)
    assert counted(both.cached, "stale_total") > 0
    cells = total(both.cached, "hourglass_queryd_cells_read_total")
    assert both.rise(many_paths(second)[0], "hits_total") >= 15
    assert both.rise(many_paths(second)[3], "misses_total") == 0
    assert total(both.cached, "hourglass_queryd_cells_read_total") == cells
    relays = restart(relays, BUSY)
    wait_for(lambda: is_done(r, day), "compacted, and the day rolled up")
    assert both.rise(many_paths(second)[0], "stale_total") >= 15
    assert [both.same(path) for path in many_paths(second)] == first
    assert counted(both.plain, "hits_total") == counted(both.cached, "passed_total") == 0


def test_what_agents_owe_is_never_from_the_cache(stack):
    _, agent, _ = stack.start_all(relays=1)
    both = Both(stack)
    when = spell(past_day() + 3600)
    send(agent, f"{KEY}:1|ms|T{past_day() + 3600 + 60}")
    wait_count(both.cached, KEY, 1, when)
    wait_for(lambda: ask(both.cached, KEY, "max", when)[1]["complete"], "the agent is past the day")
    now = spell(int(time.time()))
    send(agent, f"{KEY}:1|ms|T{int(time.time())}")
    wait_count(both.cached, KEY, 1, now)
    verdict = [None]

    def says(*wanted):
        _, verdict[0] = ask(both.cached, KEY, "max", now)
        # Complete: the hour has ended meanwhile.
        return (verdict[0].get("waiting"), verdict[0].get("gone")) == wanted or verdict[0]["complete"]
    wait_for(lambda: says(1, 0), lambda: f"the agent is waited for: {verdict}")
    os.kill(agent.pid, signal.SIGSTOP)
    before = counted(both.cached, "hits_total")
    wait_for(lambda: says(0, 1), lambda: f"the same answer says that it is gone: {verdict}")
    assert counted(both.cached, "hits_total") > before


def test_a_token_hears_nothing_of_what_another_has_asked(stack):
    _, agent, _ = stack.start_all(relays=1)
    (mine, my_hash), (other, other_hash) = make_token(), make_token()
    queryd = stack.start_queryd("guarded", **{"tokens.mine": f"{my_hash} cache.",
                                              "tokens.all": f"{other_hash} *"})
    second = past_day() + 7200
    send(agent, f"cache.a:17|ms|T{second}\nsecret.a:18|ms|T{second}")
    date, hour = spell(second)
    theirs, ours = (f"/{key}/max/{date}/{hour}".encode() for key in ("secret.a", "cache.a"))
    for path in (theirs, ours):
        wait_for(lambda: request(queryd, path, other)[0] == 200, "there")
    before = request(queryd, theirs, other)[2]
    assert '"value":18' in before
    status, _, text = request(queryd, theirs, mine)
    assert status == 403 and "18" not in text
    assert request(queryd, theirs)[0] == 401
    assert '"value":17' in request(queryd, ours, mine)[2]
    assert request(queryd, theirs, other)[2] == before


def test_requests_at_once_share_a_manifest_and_are_right(stack):
    _, agent, _ = stack.start_all(relays=1)
    both = Both(stack)
    second = past_day() + 10800
    send(agent, f"{KEY}:1|ms|T{second}\n{KEY}:3|ms|T{second}")
    wait_count(both.plain, KEY, 2, spell(second))
    path = paths(second)[0]
    host, port = both.cached.listen.rsplit(":", 1)
    connections = [http.client.HTTPConnection(host, int(port), timeout=60) for _ in range(8)]

    def share():
        for one in connections:
            one.request("GET", path)
        for one in connections:
            answer = one.getresponse()
            assert answer.status == 200 and json.loads(answer.read())["value"] == 2
        return total(both.cached, "hourglass_queryd_manifests_shared_total") > 0
    wait_for(share, "some came in the same turn")
    for one in connections:
        one.close()
