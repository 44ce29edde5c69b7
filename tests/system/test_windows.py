# SPDX-License-Identifier: Apache-2.0
"""The moving average of the last elements, from lines to an answer."""
import math
import signal
import time
import urllib.parse

from conftest import BUILD, http, send, total, wait_for

HOUR = 3600


def moving(queryd, key, n, query=""):
    return http(queryd, f"/{urllib.parse.quote(key)}/moving_average/{n}{query}")


def wait_all(queryd, key, count):
    """Until so many samples of a key are counted, whichever hours they are in."""
    def counted():
        _, answer = http(queryd, f"/{key}/count?from=-3h&step=total")
        return answer and answer.get("points") and answer["points"][0]["value"] == count
    wait_for(counted, f"{key} has {count} samples")


def send_all(agent, lines):
    for i in range(0, len(lines), 40):
        send(agent, "".join(lines[i:i + 40]))


def mixed(i):
    """Values of many sizes, all whole or short decimals."""
    return (-1) ** i * (1 + i * 7919 % 997) * 10.0 ** (i % 9 - 2)


def test_exactly_the_last_n_though_a_relay_dies(stack):
    """Of two relays the one that holds the window is killed between two halves of the samples, which lie
    over the end of an hour."""
    stack.start_redis()
    relays = [stack.start_relay(f"relay-{n}", **{"windows.last.*": 1000, "close_after_ms": "1s"})
              for n in (1, 2)]
    queryd = stack.start_queryd()
    agent = stack.start_agent(relays)
    values = [mixed(i) for i in range(2000)]
    half = len(values) // 2
    first = int(time.time()) - 2 * HOUR

    def second(i):
        return first + 3 * i    # 6,000 s in all, a window 3,000
    datagrams = [f"last.a:{v:g}|d|T{second(i)}\n" for i, v in enumerate(values)]
    sent = [float(f"{v:g}") for v in values]
    send_all(agent, datagrams[:half])
    wait_all(queryd, "last.a", half)
    holder = [r for r in relays if total(r, "hourglass_relay_windows") > 0]
    assert len(holder) == 1
    holder[0].kill()
    # The second half comes the wrong way round: the order is that of the seconds.
    send_all(agent, datagrams[:half - 1:-1])
    wait_all(queryd, "last.a", len(values))
    (other,) = [r for r in relays if r is not holder[0]]
    assert total(other, "hourglass_relay_windows") > 0
    for n in (1, 2, 7, 100, 999, 1000):
        status, answer = moving(queryd, "last.a", n)
        assert status == 200, answer
        want = math.fsum(sent[-n:]) / n
        assert math.isclose(answer["value"], want, rel_tol=1e-15), (n, answer, want)
        assert (answer["n"], answer["elements"], answer["window"]) == (n, n, 1000)
        assert answer["exact"] is True and answer["sampled"] is False
        assert (answer["from"], answer["to"]) == tuple(
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second(i)))
            for i in (len(values) - n, len(values) - 1))
    assert http(queryd, "/v1/series?key=last.a&stat=moving_average&n=100")[1]["value"] == \
        moving(queryd, "last.a", 100)[1]["value"]


def test_it_is_merged_by_compaction(stack):
    """Two relays write one hour; its two partials become one, the window stays."""
    stack.start_redis()
    options = {"windows.last.*": 50, "close_after_ms": "1s"}
    first = int(time.time()) // HOUR * HOUR - HOUR
    values = [mixed(i) for i in range(200)]
    queryd = None
    for n, part in ((1, slice(0, 200, 2)), (2, slice(1, 200, 2))):
        relay = stack.start_relay(f"relay-{n}", compact_every_ms=0, **options)
        queryd = queryd or stack.start_queryd()
        agent = stack.start_agent([relay], name=f"agent-{n}")
        indices = range(200)[part]
        send(agent, "".join(f"last.b:{values[i]:g}|d|T{first + i}\n" for i in indices))
        wait_all(queryd, "last.b", 100 * n)
        assert agent.terminate() == 0 and relay.terminate() == 0
    before = moving(queryd, "last.b", 50)
    assert before[0] == 200 and before[1]["elements"] == 50 and before[1]["exact"]
    sent = [float(f"{v:g}") for v in values]
    assert math.isclose(before[1]["value"], math.fsum(sent[-50:]) / 50, rel_tol=1e-15)
    relay = stack.start_relay("relay-3", compact_every_ms="200ms", **options)
    wait_for(lambda: total(relay, "hourglass_relay_compacted_partials_total") >= 2, "both are one")
    assert moving(queryd, "last.b", 50)[1]["value"] == before[1]["value"]


def test_what_cannot_be_answered_says_what_to_do(stack):
    stack.start_redis()
    relay = stack.start_relay(max_windows=1, **{"windows.last.*": 5})
    queryd = stack.start_queryd()
    agent = stack.start_agent([relay])
    now = int(time.time())
    send(agent, f"last.a:1|d|T{now}\n")
    wait_all(queryd, "last.a", 1)
    send(agent, f"last.b:1|d|T{now}\nother:1|d\nhits:1|c\n")
    wait_all(queryd, "other", 1)
    wait_all(queryd, "last.b", 1)
    wait_all(queryd, "hits", 1)
    assert total(relay, "hourglass_relay_windows_over_limit_total") == 1
    assert total(relay, "hourglass_relay_windows") == 1
    for key, n, status, error, word in (
            ("last.a", 6, 400, "bad_limit", "[windows]"),
            ("last.b", 5, 404, "no_data", "max_windows"),
            ("other", 5, 404, "no_data", "[windows]"),
            ("hits", 5, 400, "stat_not_for_kind", "counter"),
            ("nobody", 5, 404, "no_data", "not known"),
            ("last.a", 0, 400, "bad_limit", "moving_average/N")):
        answer = moving(queryd, key, n)
        assert (answer[0], answer[1]["error"]) == (status, error), answer
        assert word in answer[1]["message"]
    assert moving(queryd, "other", 5)[1]["reason"] == "no_window"
    assert moving(queryd, "last.a", 5)[1]["elements"] == 1


def test_sighup_takes_windows(stack):
    stack.start_redis()
    path, now = f"{stack.folder}/windows.conf", int(time.time())

    def write(*lines):
        with open(path, "w") as conf:
            conf.write("\n".join([f"redis = unix://{stack.redis_socket}", "name = relay-1",
                                  "auto_init = yes", "listen = 127.0.0.1:0",
                                  "admin = 127.0.0.1:0", *lines, ""]))
    write()
    relay = stack.add("relay-1", [f"{BUILD}/hourglass-relay", "-c", path]).start()
    relay.logged(r"(?m)^(<\d>)?ready\b")
    relay.listen, relay.admin = (stack.bound(relay, o, ":0") for o in ("listen", "admin"))
    queryd = stack.start_queryd()
    agent = stack.start_agent([relay])

    def count_three(key):
        send(agent, f"{key}:1|d|T{now}\n{key}:2|d|T{now}\n{key}:6|d|T{now}\n")
        wait_all(queryd, key, 3)
        return moving(queryd, key, 3)
    assert count_three("last.a")[1]["reason"] == "no_window"
    write("image_max = 2MiB", "[windows]", "last.* = 3")
    relay.signal(signal.SIGHUP)
    relay.logged("reloaded")
    relay.logged("restart_needed key=image_max")
    status, answer = count_three("last.b")
    assert (status, answer["value"], answer["exact"]) == (200, 3, True)
    with open(path, "a") as conf:
        conf.write("last.c = nonsense\n")
    relay.signal(signal.SIGHUP)
    relay.logged("configuration_refused")
    assert count_three("last.d")[1]["value"] == 3
    assert total(relay, "hourglass_relay_windows") == 2
    # The samples of a key in the midst of its hour are still without one.
    send(agent, f"last.a:9|d|T{now}\n")
    wait_all(queryd, "last.a", 4)
    assert moving(queryd, "last.a", 3)[1]["reason"] == "no_window"
    assert relay.terminate() == 0
