"""The loss ledger: what was received is sealed, refused or open at every instant, and all can be asked."""
import signal
import socket
import urllib.parse

from conftest import (BUILD, Stack, http, metrics, send, this_hour, total, wait_count, wait_for)
from test_compaction import past_day, spell

A = "hourglass_agent_"


def family(seen, name):
    return sum(value for key, value in seen.items() if key.split("{")[0] == A + name)


def sums(queryd, key, hours):
    """The sum of a counter over the hours a test touched."""
    found = 0
    for date, hour in hours:
        status, answer = http(queryd, f"/v1/series?key={urllib.parse.quote(key)}&stat=sum"
                                      f"&date={date}&hour={hour}")
        found += answer["value"] if status == 200 else 0
    return found


def hours_of(before):
    after = this_hour()
    return [before] if before == after else [before, after]


def reported(queryd, hours):
    """What the fleet knows of the agent's counters: {(name, reason): sum}."""
    keys = http(queryd, "/v1/keys?match=hourglass.*&limit=1000")[1]["keys"]
    found = {}
    for key in keys:
        name, *tags = key.split(";")
        tags = dict(tag.split("=", 1) for tag in tags)
        if name == "hourglass.overflow":
            continue
        assert len(tags["agent"]) == 32 and tags["host"] == socket.gethostname()
        found[name[len("hourglass."):], tags.get("reason")] = sums(queryd, key, hours)
    return found


def expected(seen):
    """The same from /metrics; what is 0 is not reported."""
    names = {"datagrams.received": "datagrams_received", "lines.received": "lines_received",
             "samples.received": "samples_received", "samples.sealed": "samples_sealed",
             "samples.rejected": "samples_rejected", "lines.rejected": "lines_rejected",
             "lines.unsupported": "lines_unsupported", "kernel_drops": "kernel_drops",
             "datagrams.truncated": "datagrams_truncated"}
    found = {}
    for short, name in names.items():
        for key, value in seen.items():
            if key.split("{")[0] == f"{A}{name}_total" and value > 0:
                reason = key.split('"')[1] if "{" in key else None
                found[short, reason] = value
    return found


def test_every_instant_adds_up(stack, generator):
    """Polled under load, in one scrape each: received = sealed + refused + open."""
    stack.start_redis()
    relay = stack.start_relay()
    agent = stack.start_agent([relay], max_keys=300, seal_ms=20)
    load = generator(agent, count=300000, rate=120000, keys=500, senders=3, payload=1400)
    polls, moving = 0, set()
    while load.running():
        send(agent, "late:1:2|c|T5\nbad|c\nnever:1|q\nlate:1|ms|T99999999999")
        seen = metrics(agent)
        got = seen[f"{A}samples_received_total"]
        here = {part: family(seen, part) for part in
                ("samples_sealed_total", "samples_rejected_total", "samples_open")}
        lost = seen[A + 'samples_lost_total{reason="memory"}']
        assert got == sum(here.values()) + lost, (got, here, lost)
        polls += 1
        moving.add(got)
    assert polls > 15 and len(moving) > 10
    report = load.report()
    assert report["lines"] == 300000
    sent = report["datagrams"] + polls
    seen = wait_for(lambda: total(agent, f"{A}datagrams_received_total") + total(agent, f"{A}kernel_drops_total") == sent
                    and metrics(agent), "all is read")
    dropped = seen[f"{A}kernel_drops_total"]
    assert 2 * (polls - dropped) <= seen[f'{A}samples_rejected_total{{reason="too_old"}}'] <= 2 * polls
    assert polls - dropped <= seen[f'{A}samples_rejected_total{{reason="too_new"}}'] <= polls
    assert dropped or seen[f"{A}samples_received_total"] == 300000 + 3 * polls
    assert family(seen, "samples_overflowed_total") > 0


def test_the_fleet_knows_what_the_agent_knows(stack):
    """After all is committed, the counters in queryd are those of /metrics; a user cannot add to them."""
    before = this_hour()
    _, agent, queryd = stack.start_all(relays=1)
    wait_for(lambda: metrics(agent)[f"{A}watermark_timestamp_seconds"] > 0, "a first seal")
    idle = metrics(agent)[f"{A}batches_sealed_total"]
    assert idle == 0, "an agent that receives nothing reports nothing"
    send(agent, "ok:1|c\nok:2:3|c\nbad\nok:x|c\n_e{1,1}:a|b\n_sc|x|0\nold:1|c|T1000000000")
    send(agent, "hourglass.samples.received:1000|c\n(hourglass.samples.sealed,5)\nhourglass.x:1|g|#agent:a")
    for n in range(200):
        send(agent, f"k{n % 7}:{n}|ms")

    def agree():
        seen = metrics(agent)
        # Nothing received yet agrees with nothing reported: first all of it must have been read.
        return seen[f"{A}samples_received_total"] == 204 and seen[f"{A}samples_open"] == 0 and \
            expected(seen) == reported(queryd, hours_of(before))
    wait_for(agree, "the fleet's ledger is the agent's")
    found = reported(queryd, hours_of(before))
    assert found["samples.received", None] == 204 and found["samples.sealed", None] == 203
    assert found["lines.rejected", "reserved_name"] == 3
    assert found["samples.rejected", "too_old"] == 1
    assert found["lines.unsupported", "event"] == 1
    assert ("samples.lost", None) not in found
    # The report itself is nobody's sample, and it ends when there is nothing to say.
    seen = metrics(agent)
    assert seen[f"{A}own_samples_sealed_total"] > 0
    wait_for(lambda: metrics(agent)[f"{A}samples_committed_total"] == 203, "all is committed")
    batches = metrics(agent)[f"{A}batches_sealed_total"]
    seals = metrics(agent)[f"{A}seals_total"]
    wait_for(lambda: metrics(agent)[f"{A}seals_total"] > seals + 2, "three more seals")
    assert metrics(agent)[f"{A}batches_sealed_total"] == batches
    assert agent.terminate() == 0


def test_no_ledger_when_it_is_not_wanted(stack):
    stack.start_redis()
    relay = stack.start_relay()
    queryd = stack.start_queryd()
    agent = stack.start_agent([relay], ledger="no")
    send(agent, "a:1|c\nbad")
    wait_count(queryd, "a", 1, stat="sum")
    wait_for(lambda: "a" in http(queryd, "/v1/keys?match=*")[1]["keys"], "the key is listed")
    assert http(queryd, "/v1/keys?match=*")[1]["keys"] == ["a"]
    assert metrics(agent)[f"{A}own_samples_sealed_total"] == 0


def listed(queryd, match):
    """All keys that match, page by page."""
    keys, after = [], ""
    while after is not None:
        answer = http(queryd, f"/v1/keys?match={match}&limit=1000&after={urllib.parse.quote(after)}")[1]
        keys, after = keys + answer["keys"], answer["next"]
    return keys


def test_totals_are_exact_over_a_limit_on_keys(stack):
    """5,000 keys where 1,000 may be: the rest counts under its prefix, and /top says whose it is."""
    before = this_hour()
    stack.start_redis()
    relay = stack.start_relay()
    queryd = stack.start_queryd()
    agent = stack.start_agent([relay], max_keys=1000, seal_ms="2s", drain_ms="60s")
    wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
    seals = metrics(agent)[f"{A}seals_total"]
    wait_for(lambda: metrics(agent)[f"{A}seals_total"] > seals, "an interval begins")
    lines = [f"flood.k{n}:3|c" for n in range(4500)] + [f"web.k{n}:3|c" for n in range(500)]
    for at in range(0, len(lines), 50):
        send(agent, "\n".join(lines[at:at + 50]))
    wait_for(lambda: metrics(agent)[f"{A}samples_received_total"] == 5000, "all is received")
    assert agent.terminate() == 0  # seals and delivers
    hours = hours_of(before)
    wait_for(lambda: len(listed(queryd, "*.k*")) >= 1000, "1,000 keys are listed")
    assert len(listed(queryd, "*.k*")) == 1000
    over = [sums(queryd, f"hourglass.overflow;prefix={p}", hours) for p in ("flood", "web")]
    assert over == [3 * 3500, 3 * 500]
    assert sums(queryd, "flood.k7", hours) == 3


def test_who_floods_is_said(stack):
    stack.start_redis()
    relay = stack.start_relay()
    agent = stack.start_agent([relay], max_keys_per_prefix=50, seal_ms=50)
    for n in range(200):
        send(agent, f"flood.k{n}:1|c\nweb.a:1|c\nweb.a:2|c\nweb.a:3|c\nodd.x:y|c")

    def top(by):
        status, answer = http(agent, f"/top?by={by}&n=5", agent.admin)
        assert status == 200 and answer["by"] == by
        return {p["prefix"]: p for p in answer["prefixes"]}, answer["prefixes"]
    wait_for(lambda: sum(p["lines"] for p in top("lines")[1]) == 800, "all is sealed")
    by_lines = top("lines")[1]
    assert [(p["prefix"], p["lines"]) for p in by_lines] == [("web", 600), ("flood", 200)]
    assert by_lines[1]["overflowed"] == metrics(agent)[
        A + 'samples_overflowed_total{limit="max_keys_per_prefix"}']
    assert top("keys")[1][0]["prefix"] == "flood" and top("keys")[1][0]["keys"] <= 50
    assert top("rejects")[0] == {"odd": {"prefix": "odd", "lines": 0, "keys": 0, "rejects": 200,
                                         "overflowed": 0}}
    assert http(agent, "/top?by=age", agent.admin)[0] == 400
    assert http(agent, "/top?n=0", agent.admin)[0] == 400


def test_drops_of_the_kernel_are_reported_once(stack, generator):
    """A stopped agent's socket overflows: what was sent is received or counted as dropped, here and there."""
    before = this_hour()
    stack.start_redis()
    relay = stack.start_relay()
    queryd = stack.start_queryd()
    agent = stack.start_agent([relay], receive_buffer="4KiB")
    wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
    agent.signal(signal.SIGSTOP)
    report = generator(agent, count=5000, rate=100000, keys=10, payload=0).report()
    agent.signal(signal.SIGCONT)
    wait_for(lambda: metrics(agent)[f"{A}samples_received_total"] +
             metrics(agent)[f"{A}kernel_drops_total"] == report["lines"], "every line is accounted for")
    drops = metrics(agent)[f"{A}kernel_drops_total"]
    assert drops > 1000
    wait_for(lambda: reported(queryd, hours_of(before)).get(("kernel_drops", None)) == drops,
             "the fleet knows of the drops")


def test_a_reload_adds_a_relay_tags_and_limits(stack):
    stack.start_redis()
    first, second = stack.start_relay("relay-1"), stack.start_relay("relay-2")
    queryd = stack.start_queryd()
    conf = f"{stack.folder}/agent.conf"

    def configure(**options):
        with open(conf, "w") as out:
            out.writelines(f"{key} = {value}\n" for key, value in options.items())
    common = {"listen": "udp://127.0.0.1:0", "admin": "127.0.0.1:0", "log_level": "info"}
    # A port where nobody listens, and a relay added later: the agent starts without any.
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = "127.0.0.1:%d" % nobody.getsockname()[1]
    configure(relays=away, **common)
    agent = stack.add("agent", [f"{BUILD}/hourglass-agent", "-c", conf]).start()
    agent.logged(r"(?m)^(<\d>)?ready\b")
    agent.listen = Stack.bound(agent, "listen", ":0").replace("udp://", "")
    agent.admin = Stack.bound(agent, "admin", ":0")
    send(agent, "early:1|c")
    # What is read after the reload has its tags.
    wait_for(lambda: metrics(agent)[f"{A}samples_received_total"] == 1, "it is received")
    assert metrics(agent)[f"{A}relays_known"] == 1
    configure(relays=f"{first.listen},{second.listen}", add_tags="zone=a", max_tags=2,
              **common)
    agent.signal(signal.SIGHUP)
    agent.logged(r"\breloaded\b")
    wait_count(queryd, "early", 1, stat="sum")
    wait_for(lambda: metrics(agent)[f"{A}relays_ready"] == 2, "both relays are used")
    assert metrics(agent)[f"{A}relays_known"] == 2
    send(agent, "late:1|c\nlate:1|c|#b:c,d:e")
    wait_count(queryd, "late;zone=a", 1, stat="sum")
    assert metrics(agent)[A + 'lines_rejected_total{reason="too_many_tags"}'] == 1
    # A mistake changes nothing.
    configure(relays="nonsense", **common)
    agent.signal(signal.SIGHUP)
    agent.logged(r"nonsense")
    send(agent, "later:1|c")
    wait_count(queryd, "later;zone=a", 1, stat="sum")
    assert agent.alive() and total(agent, f"{A}relays_ready") == 2


def test_the_ledger_of_days_alone(stack):
    """Reports come with the hour they are sent in: here the cells of that hour are made those of a day long ago."""
    _, agent, queryd = stack.start_all(relays=1)
    send(agent, "ok:1|c\nok:2:3|c\nbad\nok:x|c\n_e{1,1}:a|b\nold:1|c|T1000000000")
    total_now = {}

    def whole():
        total_now.update(http(queryd, "/v1/ledger?from=-2h")[1]["total"])
        return (total_now["received"], total_now["counted"]) == (4, 3) and len(total_now["rejected"]) >= 2 and \
            total_now["unsupported"] == {"event": 1}
    wait_for(whole, lambda: f"all is reported: {total_now}")
    r, first = stack.redis(), past_day() - 50 * 86400
    hours = sorted({key.split(b":")[3] for key in r.scan_iter("hg:*:m:*")})
    for n, hour in enumerate(hours):
        date = spell(first + n * 86400)[0]
        for key in r.scan_iter(b"hg:*:c:" + hour + b":*"):
            tag = key.split(b":")[1].decode()
            r.hset(f"hg:{tag}:dc:{date}", mapping=r.hgetall(key))
            r.hset(f"hg:{tag}:d:{date}", "0" * 15 + "1", "0" * 15 + "2")
    dates = [spell(first + n * 86400)[0] for n in (-1, 0, len(hours), len(hours) + 300)]
    now = http(queryd, "/v1/ledger?from=-2h")[1]
    for since, until in ((dates[1], dates[2]), (dates[0], dates[2]), (dates[0] + "T07", dates[2] + "T05")):
        status, answer = http(queryd, f"/v1/ledger?from={since}&to={until}")
        assert status == 200 and answer["agents"] == now["agents"] and answer["total"] == now["total"], (since, until)
    # Half a day is hours, and there are none.
    assert http(queryd, f"/v1/ledger?from={dates[0]}&to={dates[1]}T23")[1]["total"]["received"] == 0
    assert http(queryd, f"/v1/ledger?from={dates[2]}&to={dates[2]}T23")[1]["total"]["received"] == 0
