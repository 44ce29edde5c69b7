"""From a UDP line to a JSON answer, and through the deaths of every part in between."""
import os
import signal
import subprocess
import threading
import time

from conftest import (BUILD, ask, http, metrics, send, this_hour, total, wait_count, wait_for)

LONG = os.environ.get("HOURGLASS_LONG") == "1"


def check_exact(queryd, report, hours, seconds=60):
    """Every key's count, sum, min, max and median are what the generator computed.

    `hours` are those the run touched; a run across the hour's end is added up over both, and then
    only count, sum, min and max can be compared.
    """
    expected = report["keys"]
    first = next(iter(expected))

    def answers(key, stat):
        found = [ask(queryd, key, stat, when) for when in hours]
        return [a["value"] for status, a in found if status == 200]

    def arrived():
        return all(sum(answers(key, "count")) == expected[key]["count"] for key in probe)
    probe = [first] + list(expected)[::max(1, len(expected) // 40)]
    wait_for(arrived, f"all samples of {len(probe)} probed keys are counted", seconds)
    def wrong(key):
        want = expected[key]
        for stat, fold in (("count", sum), ("sum", sum), ("min", min), ("max", max)):
            values = answers(key, stat)
            if not values or fold(values) != want[stat]:
                return key, stat, values, want[stat]
        if len(hours) == 1 and answers(key, "median") != [want["median"]]:
            return key, "median", answers(key, "median"), want["median"]
        return None

    # A partition of keys that were not probed may be a commit behind: those are asked again.
    pending = [found for found in map(wrong, expected) if found]

    def settled():
        pending[:] = [found for found in (wrong(key) for key, *_ in pending) if found]
        return not pending
    deadline = time.monotonic() + 10
    while pending and time.monotonic() < deadline:
        settled()
    assert not pending, f"{len(pending)} wrong, the first: {pending[:3]}"


def hours_of(before):
    """The hours between a (date, hour) noted before a run and now: one, or two at its end."""
    after = this_hour()
    return [before] if before == after else [before, after]


class Poller(threading.Thread):
    """Asks queryd for one key every 50 ms and notes what did not answer as it should."""

    def __init__(self, queryd, key, allowed):
        super().__init__(daemon=True)
        self.queryd, self.key, self.allowed = queryd, key, allowed
        self.polls, self.bad, self.slowest = 0, [], 0.0
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.05):
            began = time.monotonic()
            status, answer = ask(self.queryd, self.key, "count")
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.polls += 1
            if status not in self.allowed:
                self.bad.append((status, answer))

    def finish(self):
        self.done.set()
        self.join(10)
        assert self.polls > 5 and not self.bad, f"{len(self.bad)} of {self.polls}: {self.bad[:3]}"


def test_first_answer(stack):
    _, agent, queryd = stack.start_all()
    host, port = agent.listen.rsplit(":", 1)
    when = this_hour()
    subprocess.run(["nc", "-u", "-w1", host, port], check=True,
                   input=b"a.b:1|ms\na.b:2|ms\na.b:10|ms\n")
    wait_count(queryd, "a.b", 3, when)
    for stat, value in (("average", 4.333333333333333), ("min", 1), ("max", 10), ("median", 2)):
        status, answer = ask(queryd, "a.b", stat, when)
        assert status == 200
        assert answer["value"] == value and answer["exact"] is True and answer["count"] == 3
        assert answer["kind"] == "distribution" and answer["rank_error"] == 0
        assert answer["sampled"] is False and answer["complete"] is False
    # The bytes too: shortest numbers, nothing quoted.
    date, hour = when
    raw = subprocess.run(["curl", "-s", f"{queryd.listen}/a.b/average/{date}/{hour}"],
                         capture_output=True, check=True).stdout.decode()
    assert '"value":4.333333333333333,' in raw and '"count":3,' in raw


def test_every_kind_by_every_name(stack):
    _, agent, queryd = stack.start_all(relays=1)
    when = this_hour()
    send(agent, "x:1|c\nx:2|c|@0.5\nx:7|ms\nx:5|g\nx:+2|g\nx:joe|s\nx:ann|s\nx:joe|s\n"
                "t:1|ms|#b:2,a:1\nweb/home:3|h\nplain 4.5\ns:100|ms|@0.1")
    wait_count(queryd, "s", 10, when)
    for kind, stat, value in (("counter", "sum", 5), ("counter", "samples", 2),
                              ("distribution", "median", 7), ("gauge", "last", 7),
                              ("set", "unique", 2), ("set", "samples", 3)):
        status, answer = ask(queryd, "x", stat, when, f"?kind={kind}")
        assert (status, answer["value"], answer["kind"]) == (200, value, kind)
    assert ask(queryd, "x", "sum", when)[1]["kind"] == "distribution"  # the first that has it
    assert ask(queryd, "t,b=2,a=1", "max", when)[1]["key"] == "t;a=1;b=2"
    assert ask(queryd, "web/home", "max", when)[0] == 200
    date, hour = when
    status, answer = http(queryd, f"/v1/series?key=web%2Fhome&stat=max&date={date}&hour={hour}")
    assert (status, answer["value"]) == (200, 3)
    assert ask(queryd, "plain", "max", when)[1]["value"] == 4.5
    assert ask(queryd, "s", "median", when)[1]["sampled"] is True
    assert ask(queryd, "s", "median", when)[1]["exact"] is False
    status, day = http(queryd, f"/x/max/{date}")
    assert status == 200 and day["value"] == 7 and day["hours"][0]["value"] == 7
    status, known = http(queryd, "/x")
    assert status == 200 and sorted(known["kinds"]) == ["counter", "distribution", "gauge", "set"]
    wait_for(lambda: [key for key in http(queryd, "/v1/keys?match=*")[1]["keys"]
                      if not key.startswith("hourglass.")] ==
             ["plain", "s", "t;a=1;b=2", "web/home", "x"], "/v1/keys lists every key")


def test_errors_say_what_to_do(stack):
    _, agent, queryd = stack.start_all(relays=1)
    send(agent, "e:1|ms")
    date, hour = when = this_hour()
    wait_count(queryd, "e", 1, when)
    for path, status, error in (
            (f"/nobody/median/{date}/{hour}", 404, "no_data"),
            (f"/e/p999/{date}/{hour}", 400, "bad_stat"),
            (f"/e/last/{date}/{hour}", 400, "stat_not_for_kind"),
            (f"/e/median/2026-02-30/{hour}", 400, "bad_date"),
            (f"/e/median/{date}/24", 400, "bad_hour"),
            (f"/e%00/median/{date}/{hour}", 400, "bad_key"),
            (f"/e/median/{date}/{hour}?kind=nothing", 400, "bad_kind"),
            ("/v1/nothing", 404, "not_found")):
        got, answer = http(queryd, path)
        assert (got, answer["error"]) == (status, error), path
        assert answer["message"]
    assert http(queryd, f"/nobody/median/{date}/{hour}")[1]["reason"] == "unknown_key"
    assert http(queryd, f"/e/median/{date[:-2]}01/0")[1]["error"] == "no_data"


def test_a_million_samples_from_ten_senders(stack, generator):
    relays, agent, queryd = stack.start_all()
    before = this_hour()
    report = generator(agent, count=1000000, rate=100000, senders=10, keys=1000,
                       payload=1400).report()
    assert report["lines"] == 1000000 and report["send_errors"] == 0
    drops = total(agent, "hourglass_agent_kernel_drops_total")
    if drops == 0:
        check_exact(queryd, report, hours_of(before))
    wait_for(lambda: total(agent, "hourglass_agent_samples_committed_total") ==
             total(agent, "hourglass_agent_samples_received_total"), "all received is committed")
    received = total(agent, "hourglass_agent_samples_received_total")
    assert received + drops >= 1000000 if drops else received == 1000000
    # Both relays had a part of it.
    assert all(total(relay, "hourglass_relay_samples_committed_total") > 0 for relay in relays)
    # To a relay the samples of the agent's own counters are samples like any other.
    wait_for(lambda: sum(total(r, "hourglass_relay_samples_committed_total") for r in relays) ==
             received + total(agent, "hourglass_agent_own_samples_sealed_total"),
             "the relays have committed what was received, and the agent's ledger")


def test_a_relay_killed_in_the_middle(stack, generator):
    relays, agent, queryd = stack.start_all()
    before = this_hour()
    run = generator(agent, count=1000000, rate=100000, senders=10, keys=1000, payload=1400)
    wait_for(lambda: total(relays[0], "hourglass_relay_samples_committed_total") > 50000,
             "the relay is at work")
    poller = Poller(queryd, "gen.key000001", {200, 404})
    poller.start()
    relays[0].kill()
    report = run.report()
    assert report["send_errors"] == 0 and report["slow_sends"] == 0, "a sender was disturbed"
    assert total(agent, "hourglass_agent_kernel_drops_total") == 0
    check_exact(queryd, report, hours_of(before))
    poller.finish()
    relays[0].start()
    wait_for(lambda: total(relays[0], "hourglass_relay_sessions") == 1, "the agent comes back to it")


def test_both_relays_away_for_ten_seconds(stack, generator):
    relays, agent, queryd = stack.start_all()
    before = this_hour()
    run = generator(agent, count=600000, rate=40000, senders=4, keys=500, payload=1400)
    wait_for(lambda: total(relays[0], "hourglass_relay_samples_committed_total") > 1000,
             "the relays are at work")
    poller = Poller(queryd, "gen.key000001", {200, 404})
    poller.start()
    for relay in relays:
        relay.kill()
    away_until = time.monotonic() + 10
    wait_for(lambda: time.monotonic() > away_until, "ten seconds")
    for relay in relays:
        relay.start()
    report = run.report()
    assert report["send_errors"] == 0
    check_exact(queryd, report, hours_of(before))
    poller.finish()


def test_redis_away_and_back(stack, generator):
    _, agent, queryd = stack.start_all()
    before = this_hour()
    run = generator(agent, count=300000, rate=30000, senders=4, keys=200, payload=1400)
    wait_for(lambda: ask(queryd, "gen.key000001", "count", before)[0] == 200, "the first answer")
    # -9: what was not yet synced to the append-only file is forgotten, and comes again.
    stack.redis_process.kill()

    def refused():
        began = time.monotonic()
        status, answer = ask(queryd, "gen.key000001", "count")
        return status == 503 and answer["error"] == "store_unavailable" and \
            time.monotonic() - began < 1.5
    wait_for(refused, "queryd answers 503 in JSON", 15)
    assert http(queryd, "/healthz")[0] == 200 and http(queryd, "/readyz")[0] == 503
    away_until = time.monotonic() + 3
    wait_for(lambda: time.monotonic() > away_until, "three seconds")
    stack.redis_process.start()
    stack.wait_redis()
    report = run.report()
    check_exact(queryd, report, hours_of(before))


def test_a_stopped_redis_is_said_within_a_second(stack):
    _, agent, queryd = stack.start_all(relays=1)
    send(agent, "r:1|ms")
    wait_count(queryd, "r", 1)
    stack.redis_process.signal(signal.SIGSTOP)
    began = time.monotonic()
    status, answer = ask(queryd, "r", "count")
    took = time.monotonic() - began
    send(agent, "r:2|ms")
    stack.redis_process.signal(signal.SIGCONT)
    assert (status, answer["error"]) == (503, "store_unavailable") and took < 2
    wait_count(queryd, "r", 2)


def test_an_agent_killed_under_its_socket(stack):
    """systemd keeps the descriptor: a connected sender sees no error, queued lines are read later."""
    import socket
    stack.start_redis()
    relay = stack.start_relay()
    queryd = stack.start_queryd()
    held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    held.bind(("127.0.0.1", 0))
    os.makedirs(f"{stack.folder}/state")
    # sd_listen_fds(3): descriptor 3, for the process that LISTEN_PID names.
    script = f'exec 3<&{held.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
    agent = stack.add("agent", ["bash", "-c", script, "bash", f"{BUILD}/hourglass-agent",
                                "-o", f"relays={relay.listen}", "-o", "admin=127.0.0.1:0",
                                "-o", f"state_dir={stack.folder}/state"],
                      pass_fds=[held.fileno()])
    agent.start()
    agent.logged(r"\bready\b")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(held.getsockname())
        sender.send(b"k:1|ms")
        wait_count(queryd, "k", 1)
        agent.kill()
        for value in range(2, 12):
            sender.send(f"k:{value}|ms".encode())  # raises if the port were closed
        agent.start()
        wait_count(queryd, "k", 11)
    held.close()


def test_sigterm_drains_what_was_sent(stack):
    relays, agent, queryd = stack.start_all()
    for n in range(50):
        send(agent, f"d:{n}|ms")
    assert agent.terminate() == 0
    assert ask(queryd, "d", "count")[1]["value"] == 50
    for relay in relays:
        assert relay.terminate() == 0
    assert queryd.terminate() == 0


def test_what_was_received_is_accounted_for(stack):
    _, agent, queryd = stack.start_all(relays=1)
    send(agent, "ok:1|c\nbad\nok:x|c\n_e{1,1}:a|b\nok:2:3|c\nold:1|c|T1000000000")
    wait_count(queryd, "ok", 6, stat="sum")
    seen = metrics(agent)
    assert seen["hourglass_agent_lines_received_total"] == 6
    assert seen['hourglass_agent_lines_rejected_total{reason="bad_value"}'] == 1
    assert seen['hourglass_agent_lines_rejected_total{reason="no_value"}'] + \
        seen['hourglass_agent_lines_rejected_total{reason="no_type"}'] == 1
    assert seen["hourglass_agent_samples_received_total"] == 4
    assert seen['hourglass_agent_samples_rejected_total{reason="too_old"}'] == 1
    wait_for(lambda: total(agent, "hourglass_agent_samples_committed_total") == 3, "3 committed")


def test_an_hour_is_complete_when_every_agent_has_passed_it(stack):
    """The running hour is not complete; its start lies behind every watermark."""
    _, agent, queryd = stack.start_all(relays=1)
    second = stack.start_agent([stack.processes[1]], "agent-2")
    send(agent, "w:1|ms")
    wait_count(queryd, "w", 1)
    assert ask(queryd, "w", "count")[1]["complete"] is False
    # An hour that is over, with data in it: sent late.
    late = int(time.time()) // 3600 * 3600 - 10
    send(agent, f"w:5|ms|T{late}")
    day, hour = time.strftime("%Y-%m-%d", time.gmtime(late)), time.gmtime(late).tm_hour
    wait_count(queryd, "w", 1, (day, hour))
    wait_for(lambda: ask(queryd, "w", "count", (day, hour))[1]["complete"] is True,
             "an hour that both agents have passed is complete")
    second.kill()
    answer = ask(queryd, "w", "count", (day, hour))[1]
    assert answer["complete"] is True, "it had reported past that hour before it died"
