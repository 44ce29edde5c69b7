# SPDX-License-Identifier: Apache-2.0
"""Hours brought into one partial and days rolled up, by real relays under a real Redis, while people ask.

Data is sent into past hours with |T, in rounds; after each both relays are killed, so that every round
leaves partials of its own behind. Only then relays that compact are started."""
import time
import urllib.parse

from conftest import DEADLINE_SECONDS, http, send, total, wait_count, wait_for

PARTITIONS = 4
KEYS = 12
ROUNDS = 3
IDLE = {"partitions": PARTITIONS, "compact_every_ms": "0"}
BUSY = {"partitions": PARTITIONS, "compact_every_ms": "200ms", "close_after_ms": "0"}


def past_day():
    """The first second of the day before yesterday: all of it is closed."""
    return (int(time.time()) // 86400 - 2) * 86400


def spell(second):
    at = time.gmtime(second)
    return time.strftime("%Y-%m-%d", at), at.tm_hour


def hours_of(day):
    """The hours that data is sent into."""
    return [day + 5 * 3600, day + 6 * 3600, day + 23 * 3600]


def send_round(agent, queryd, day, number):
    """Some of every kind into every hour, by every key; different in each round."""
    for second in hours_of(day):
        at = f"|T{second + 60 * number}"
        for key in range(KEYS):
            lines = [f"c.d{key}:{(7 * i + 13 * number + key) % 50}|ms{at}" for i in range(20)]
            lines += [f"c.n{key}:{number + 1}|c{at}", f"c.s{key}:u{number}|s{at}",
                      f"c.s{key}:all|s{at}", f"c.g{key}:{10 * number + key}|g{at}"]
            send(agent, "\n".join(lines))
    for second in hours_of(day):
        for key in range(KEYS):
            wait_count(queryd, f"c.d{key}", 20 * (number + 1), spell(second))
            wait_count(queryd, f"c.g{key}", number + 1, spell(second), stat="samples")


def answers(queryd, day):
    """Everything there is to ask about the day, by every way to ask."""
    date, found = spell(day)[0], {}
    stats = [("c.d", s) for s in ("count", "sum", "min", "max", "median", "p90", "average")]
    stats += [("c.n", "sum"), ("c.n", "samples"), ("c.s", "unique"), ("c.g", "last"), ("c.g", "max"),
              ("c.g", "average")]
    for prefix, stat in stats:
        for key in range(KEYS):
            for path in [f"/{prefix}{key}/{stat}/{date}/{spell(h)[1]}" for h in hours_of(day)] + [
                    f"/{prefix}{key}/{stat}/{date}",
                    f"/{prefix}{key}/{stat}?from={date}&to={spell(day + 86400)[0]}&step=day",
                    f"/{prefix}{key}/{stat}?from={date}&to={spell(day + 86400)[0]}&step=total"]:
                status, answer = http(queryd, path)
                assert status == 200, (path, answer)
                for watched in ("complete", "waiting", "gone"):
                    answer.pop(watched, None)
                found[path] = answer
    return found


def manifests(r, day):
    """{key: partials} of the hours of the day, and the days that are rolled up."""
    date = spell(day)[0]
    hours = {k: r.hlen(k) for k in r.scan_iter(f"hg:*:m:{date}T*", count=1000)}
    return hours, sorted(r.scan_iter(f"hg:*:d:{date}", count=1000))


def partitions_of(hours):
    return {key.split(b"}")[0] for key in hours}


def is_done(r, day):
    hours, days = manifests(r, day)
    return hours and all(n == 1 for n in hours.values()) and len(days) == len(partitions_of(hours))


def restart(relays, options):
    """kill -9, and again with other options: what they held in memory is gone."""
    for relay in relays:
        relay.kill()
    return [start(relay.stack, relay.name, options) for relay in relays]


def start(stack, name, options):
    """A relay under its old name and port."""
    if name in stack.ports:
        options = {**options, **stack.ports[name]}
    relay = stack.daemon(name, "hourglass-relay",
                         {"redis": f"unix://{stack.redis_socket}", "name": name, "auto_init": "yes",
                          "compact_partials": 8, **options},
                         {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"})
    return relay


def test_hours_and_days_are_brought_together_and_nothing_changes(stack):
    stack.start_redis()
    relays = [start(stack, f"relay-{n}", IDLE) for n in (1, 2)]
    queryd = stack.start_queryd()
    agent = stack.start_agent(relays)
    day, r = past_day(), stack.redis()
    for number in range(ROUNDS):
        send_round(agent, queryd, day, number)
        relays = restart(relays, IDLE)
    hours, days = manifests(r, day)
    assert not days and sum(hours.values()) >= ROUNDS * len(hours)
    before = answers(queryd, day)
    relays = restart(relays, BUSY)
    polls, deadline = 0, time.monotonic() + DEADLINE_SECONDS
    while not is_done(r, day):
        assert a_few(queryd, day) == a_few(queryd, day, before)
        polls += 1
        assert time.monotonic() < deadline, manifests(r, day)
    assert polls > 3
    assert sum(total(x, "hourglass_relay_compacted_partials_total") for x in relays) >= \
        sum(hours.values())
    after = answers(queryd, day)
    assert after == before
    # Nothing is left over: no temporary, no cells of partials that do not count.
    keys = set(r.scan_iter("hg:*", count=1000))
    assert not [k for k in keys if b":t:" in k]
    for cells in [k for k in keys if b"}:c:" in k]:
        hour, pid = cells.rsplit(b":", 1)
        assert r.hexists(hour.replace(b"}:c:", b"}:m:"), pid), cells
        assert r.ttl(cells) > 0
    late_data(stack, agent, queryd, relays, day)


def a_few(queryd, day, known=None):
    """A few of the answers, from queryd or from what is known."""
    date = spell(day)[0]
    paths = [f"/c.d0/median/{date}", f"/c.d1/count/{date}/5",
             f"/c.n0/sum?from={date}&to={spell(day + 86400)[0]}&step=total"]
    found = []
    for path in paths:
        status, answer = (200, known[path]) if known else http(queryd, path)
        assert status == 200, (path, answer)
        found.append(answer.get("value", answer.get("points", [{}])[0:1]))
    return found


def late_data(stack, agent, queryd, relays, day):
    """After all that: more samples into the same hours, and one that had none, count once."""
    r, date = stack.redis(), spell(day)[0]
    _, days = manifests(r, day)
    versions = {k: r.hgetall(k) for k in days}
    late = [day + 5 * 3600, day + 11 * 3600]
    for second in late:
        for key in range(KEYS):
            send(agent, "\n".join([f"c.d{key}:1000|ms|T{second + 1800}"] * 5))
    for key in range(KEYS):
        wait_count(queryd, f"c.d{key}", 20 * ROUNDS + 5, spell(late[0]))
        wait_count(queryd, f"c.d{key}", 5, spell(late[1]))
        whole = 3 * 20 * ROUNDS + 10
        status, answer = http(queryd, f"/c.d{key}/count/{date}")
        assert (status, answer["value"]) == (200, whole)
        status, answer = http(queryd, f"/c.d{key}/max?from={date}&to={spell(day + 86400)[0]}&step=day")
        assert [(p["value"], p["count"]) for p in answer["points"]] == [(1000, whole)]
    # A relay leaves alone what it still writes; a new one does not know it.
    restart(relays, BUSY)
    wait_for(lambda: is_done(r, day), "the day is made anew")
    _, days = manifests(r, day)
    assert any(r.hgetall(k) != versions[k] for k in days), "where the late data lies"
    for key in range(KEYS):
        status, answer = http(queryd, f"/c.d{key}/count?from={date}&to={spell(day + 86400)[0]}&step=total")
        assert answer["points"][0]["value"] == 3 * 20 * ROUNDS + 10
        wait_count(queryd, f"c.d{key}", 20 * ROUNDS + 5, spell(late[0]))
    # Beyond the hours' retention the day is what is left of them.
    for key in r.scan_iter(f"hg:*:[mc]:{date}T*", count=1000):
        r.delete(key)
    for key in range(KEYS):
        status, answer = http(queryd, f"/c.d{key}/max/{date}")
        assert (status, answer["value"], answer["count"]) == (200, 1000, 3 * 20 * ROUNDS + 10)
        assert answer["hours"] == []
    many_keys_of_days_alone(queryd, day)


def many_keys_of_days_alone(queryd, day):
    """Questions over many keys say of a day without hours what is said of each key."""
    date, next_date = spell(day)[0], spell(day + 86400)[0]
    span = f"from={date}&to={next_date}"

    def ask_many(path):
        status, answer = http(queryd, path)
        assert status == 200, (path, answer)
        return answer

    for prefix, stat in (("c.d", "max"), ("c.d", "median"), ("c.n", "sum"), ("c.s", "unique"),
                         ("c.g", "max"), ("c.g", "average")):
        singles = {}
        for key in range(KEYS):
            points = ask_many(f"/{prefix}{key}/{stat}?{span}&step=day")["points"]
            query = f"/v1/query?match={prefix}{key}&stat={stat}&{span}&step="
            group = ask_many(query + "day")["groups"][0]
            assert len(points) == 1 and group["points"] == points, (prefix, stat)
            for whole in (group, ask_many(query + "total")["groups"][0]):
                assert (whole["value"], whole["count"]) == (points[0]["value"], points[0]["count"])
            singles[f"{prefix}{key}"] = points[0]["value"]
        top = ask_many(f"/v1/top?match={prefix}*&stat={stat}&n={KEYS}&{span}")["top"]
        assert {place["key"]: place["value"] for place in top} == singles
        target = urllib.parse.quote(f"{prefix}*.{stat}")
        drawn = ask_many(f"/render?target={target}&from={day - 10 * 86400}&until={day + 86400}"
                         "&maxDataPoints=12&format=json")
        assert {d["target"].rpartition(".")[0]: [v for v, _ in d["datapoints"] if v is not None]
                for d in drawn} == {key: [value] for key, value in singles.items()}
    sums = ask_many(f"/v1/query?match=c.n*&stat=sum&{span}&step=total")["groups"][0]
    assert sums["value"] == 3 * KEYS * sum(range(1, ROUNDS + 1))


def test_what_nobody_moves_is_swept(stack):
    stack.start_redis()
    r = stack.redis()
    relay = start(stack, "relay-1", {"partitions": 1, "compact_every_ms": "0"})
    relay.kill()
    tag = next(iter(r.scan_iter("hg:*:meta"))).decode().split(":")[1]
    old, now = int(time.time()) - 31 * 86400, int(time.time())
    floor = int(r.hget(f"hg:{tag}:meta", "floor"))
    r.hset(f"hg:{tag}:streams", mapping={b"a" * 24: f"9:c{'1' * 16}@{old}", b"b" * 24: f"9:c{'1' * 16}@{now}"})
    r.zadd(f"hg:{tag}:nf", {"cold": 1, "cnew": 1})
    r.zadd(f"hg:{tag}:nl", {"cold": floor - 1, "cnew": floor})
    r.hset("hg:{agents}", mapping={"0" * 32: f"1 {old}000 0 gone", "1" * 32: f"1 {now}000 0 here"})
    relay = start(stack, "relay-1", {**BUSY, "partitions": 1})
    wait_for(lambda: r.hlen("hg:{agents}") == 1 and total(relay, "hourglass_relay_swept_total") == 3,
             "one of each is forgotten")
    assert list(r.hkeys(f"hg:{tag}:streams")) == [b"b" * 24]
    assert r.zrange(f"hg:{tag}:nf", 0, -1) == r.zrange(f"hg:{tag}:nl", 0, -1) == [b"cnew"]


def test_samples_that_come_while_their_hours_are_compacted_count_once(stack):
    stack.start_redis()
    relays = [start(stack, f"relay-{n}", BUSY) for n in (1, 2)]
    queryd = stack.start_queryd()
    agent = stack.start_agent(relays)
    day, sent, compacted = past_day(), 0, 0
    until, kill_at = time.monotonic() + 6, time.monotonic() + 1
    while time.monotonic() < until:
        for second in hours_of(day):
            for key in range(KEYS):
                send(agent, f"l.d{key}:{sent % 100}|ms|T{second}\nl.n{key}:1|c|T{second}")
        sent += 1
        if time.monotonic() > kill_at:
            kill_at += 1
            victim = relays.pop(0)
            compacted += total(victim, "hourglass_relay_compacted_partials_total")
            victim.kill()
            relays.append(start(stack, victim.name, BUSY))
        time.sleep(0.02)  # the pace of the sender
    for second in hours_of(day):
        for key in range(KEYS):
            wait_count(queryd, f"l.d{key}", sent, spell(second))
            wait_count(queryd, f"l.n{key}", sent, spell(second), stat="sum")
    assert compacted > 0
    restart(relays, BUSY)
    r = stack.redis()
    wait_for(lambda: is_done(r, day), "all is in one piece")
    for key in range(KEYS):
        status, answer = http(queryd, f"/l.n{key}/sum/{spell(day)[0]}")
        assert (status, answer["value"]) == (200, 3 * sent)
        wait_count(queryd, f"l.d{key}", sent, spell(hours_of(day)[0]))
