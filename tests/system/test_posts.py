"""POST /v1/samples: what is answered 202 has counted, once, whatever happens to the agent."""
import concurrent.futures
import contextlib
import http.client as web
import json
import mmap
import os
import random
import signal
import socket
import struct
import threading
import time

from conftest import http, metrics, send, total, wait_count, wait_for

A = "hourglass_agent_"
JSON = {"Content-Type": "application/json"}


def started(stack, **options):
    """(agent, queryd), ready."""
    stack.start_redis()
    relay, queryd = stack.start_relay(), stack.start_queryd()
    agent = stack.start_agent([relay], seal_ms="50ms", **options)
    wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
    return agent, queryd


def post(agent, body, headers=None, address=None, seconds=60):
    """(status, answer); (0, None) when there was none."""
    host, port = (address or agent.admin).rsplit(":", 1)
    connection = web.HTTPConnection(host, int(port), timeout=seconds)
    try:
        connection.request("POST", "/v1/samples", body=body, headers=headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if text[:1] == "{" else text
    except (OSError, web.HTTPException):
        return 0, None
    finally:
        connection.close()


def test_lines_and_json_count_like_any_other(stack):
    agent, queryd = started(stack)
    assert post(agent, b"p.a:1:2|c\np.b:2|ms\nbad\n\np.a:x|c\np.g:5|g\np.a:3|c") == \
        (202, {"lines": 6, "samples": 5, "refused": 2})
    body = [{"key": "p.b", "value": 4.5}, {"key": "p.a", "value": 10, "type": "c"},
            {"key": "p.t;x=y", "value": 1, "type": "c"}, {"key": "hourglass.x", "value": 1}]
    assert post(agent, json.dumps(body), JSON) == (202, {"lines": 4, "samples": 3, "refused": 1})
    assert post(agent, b"") == (202, {"lines": 0, "samples": 0, "refused": 0})
    assert post(agent, b"p.a:1|c|T1") == (202, {"lines": 1, "samples": 0, "refused": 1})
    # Sealed is what was answered: nothing of it is open any more.
    seen = metrics(agent)
    assert seen[f"{A}samples_received_total"] == 9 and seen[f"{A}samples_sealed_total"] == 8
    assert seen[f'{A}lines_rejected_total{{reason="reserved_name"}}'] == 1
    wait_count(queryd, "p.a", 16, stat="sum")
    wait_count(queryd, "p.b", 6.5, stat="sum")
    wait_count(queryd, "p.t;x=y", 1, stat="sum")
    wait_count(queryd, "p.g", 5, stat="last")
    assert agent.terminate() == 0


BODY = 4 << 20  # the largest


def begun(agent, size=BODY, more=b""):
    """A connection that has announced a body."""
    made = socket.create_connection(agent.admin.rsplit(":", 1), timeout=60)
    made.sendall(b"POST /v1/samples HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n" % (more, size))
    return made


def chunks(size, count):
    for _ in range(count):
        yield b"x" * size


def test_hostile_bodies_are_refused_whole(stack):
    agent, queryd = started(stack)
    for wrong in (b"", b"{", b"[", b"[1]", b'[{"key":"a","value":1},]', b"[" * 100000,
                  b'[{"key":"h.a","value":1},{"key":"h.a"}]', b'[{"key":"h.a\\n","value":1}]'):
        status, answer = post(agent, wrong, JSON)
        assert (status, answer["error"]) == (400, "bad_json"), wrong[:40]
    for headers, status in (({"Origin": "http://evil.example"}, 403), ({"Idempotency-Key": ""}, 400),
                            ({"Idempotency-Key": "k" * 256}, 400)):
        assert post(agent, b"h.a:1|c", headers)[0] == status
    # A body may say its size or not: over 4 MiB it is refused, and nothing of it is kept.
    before = agent.rss_bytes()
    assert post(agent, b"h.a:1|c\n" * 600000)[0] in (413, 0)
    assert post(agent, chunks(100000, 43), {"Transfer-Encoding": "chunked"})[0] in (413, 0)
    assert http(agent, "/v1/samples", agent.admin)[0] == 405
    # What has come of bodies is no more than 16 MiB in all; small ones always find room.
    large = b"h.b:1|c\n" + b"h" * 70000 + b":1|c\n"
    held = []
    for _ in range(4):
        held.append(begun(agent))
        held[-1].sendall(b"h" * (BODY - 1))

    def is_full():
        with begun(agent, 65537, b"Expect: 100-continue\r\n") as asking:
            return asking.recv(12) == b"HTTP/1.1 503"
    wait_for(is_full, "there is no more room")
    assert metrics(agent)[f"{A}posts_crowded_total"] == 1
    assert post(agent, large)[0] == 503
    assert metrics(agent)[f"{A}posts_crowded_total"] == 2
    assert post(agent, b"h.b:1|c\n")[0] == 202
    assert agent.rss_bytes() - before < 24 << 20
    for one in held:
        one.close()
    wait_for(lambda: post(agent, large)[0] == 202, "there is again")
    seen = metrics(agent)
    assert seen[f'{A}lines_rejected_total{{reason="too_large"}}'] == 1
    assert seen[f"{A}samples_received_total"] == 2
    wait_count(queryd, "h.b", 2, stat="sum")
    assert agent.terminate() == 0


def test_bodies_that_dribble_keep_nobody_out(stack):
    """Four that announce all the room there is and send a byte now and then: others are answered beside them,
    and they are closed when they have fallen behind for long."""
    agent, queryd = started(stack)
    counted = 0

    def beside(size):
        """Whether an honest body was answered while all four were there."""
        before = metrics(agent)[f"{A}admin_slow_total"]
        slow = [begun(agent) for _ in range(4)]
        for one in slow:
            one.sendall(b"h")
        answer = post(agent, b"drib.a:1|c\n" * (size // 11))
        assert answer == (202, {"lines": size // 11, "samples": size // 11, "refused": 0})
        return slow, metrics(agent)[f"{A}admin_slow_total"] == before

    for size in (11, 1 << 20, BODY):
        slow, together = beside(size)
        counted += size // 11
        while not together:     # a machine so busy that they were too slow before it was answered
            slow, together = beside(size)
            counted += size // 11
        for one in slow[:0 if size == BODY else None]:
            one.close()

    def cut_off():
        for one in slow:
            with contextlib.suppress(OSError):
                one.send(b"h")
        return metrics(agent)[f"{A}admin_slow_total"] >= 4

    wait_for(cut_off, "they are closed")
    for one in slow:
        one.settimeout(60)
        with contextlib.suppress(ConnectionError):
            assert one.recv(1) == b""
        one.close()
    assert metrics(agent)[f"{A}posts_crowded_total"] == 0
    wait_count(queryd, "drib.a", counted, stat="sum")
    assert agent.terminate() == 0


def test_who_may_write(stack):
    """Beyond loopback: a secret, or an explicit word. What only shows stays open."""
    stack.start_redis()
    relay = stack.start_relay()
    secret, shown = "0123456789abcdef", {}
    for name, options, open_, bearer in (("closed", {}, 403, 403),
                                         ("secret", {"admin_secret": secret}, 401, 202),
                                         ("open", {"allow_open": "yes"}, 202, 202)):
        agent = stack.daemon(name, "hourglass-agent",
                             {"relays": relay.listen, "seal_ms": "50ms", **options},
                             {"listen": "udp://127.0.0.1:0", "admin": "0.0.0.0:0"})
        agent.admin = "127.0.0.1:" + agent.admin.rsplit(":", 1)[1]
        wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
        shown[name] = (post(agent, b"w:1|c")[0],
                       post(agent, b"w:1|c", {"Authorization": f"Bearer {secret}"})[0])
        assert shown[name] == (open_, bearer), shown
        assert post(agent, b"w:1|c", {"Authorization": f"Bearer {secret}x"})[0] == open_
        assert post(agent, b"w:1|c", {"Authorization": f"Bearer {secret[:-1]}"})[0] == open_
        assert agent.terminate() == 0


def test_nothing_is_taken_that_cannot_be_sealed(stack):
    """Before P is known there is no seal: 503, and nothing was counted."""
    stack.start_redis()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        agent = stack.daemon("agent", "hourglass-agent",
                             {"relays": "127.0.0.1:%d" % silent.getsockname()[1]},
                             {"listen": "udp://127.0.0.1:0", "admin": "127.0.0.1:0"})
        status, answer = post(agent, b"n:1|c")
        assert (status, answer["error"]) == (503, "not_now")
        assert metrics(agent)[f"{A}samples_received_total"] == 0
        assert agent.terminate() == 0


def test_a_key_that_is_in_use_or_was_used_for_another_body_is_refused(stack):
    """While the first request waits for its seal, and after it."""
    stack.start_redis()
    agent = stack.start_agent([stack.start_relay()], seal_ms="2s")
    wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
    body, key = b"reused:1|c\n", {"Idempotency-Key": "mine"}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for _ in range(10):  # a seal may come between two of these
            first = pool.submit(post, agent, body, key)
            status, answer = post(agent, body, key)
            first = first.result()
            if (status, first[0]) in ((409, 202), (202, 409)):
                break
            key = {"Idempotency-Key": key["Idempotency-Key"] + "-"}
    refused = answer if status == 409 else first[1]
    assert refused["error"] == "in_progress" and refused["message"]
    assert post(agent, body, key) == (202, {"repeated": True})
    for wrong, error in (({**key}, (422, "key_reused")), ({"Idempotency-Key": ""}, (400, "bad_key")),
                         ({"Idempotency-Key": "k" * 256}, (400, "bad_key"))):
        status, answer = post(agent, b"reused:2|c\n", wrong)
        assert (status, answer["error"]) == error and answer["message"]
    assert post(agent, b"reused:1|c\n", {"Idempotency-Key": "k" * 255})[0] == 202
    assert agent.terminate() == 0


def test_a_key_counts_once_also_when_the_agent_is_killed(stack):
    """Retried until it is 202, across kill -9 at any moment: every body has counted exactly once."""
    agent, queryd = started(stack)
    rng, done, tries = random.Random(7), threading.Event(), []
    sent = {}

    def body_of(number):
        # One series: one batch. Every third is large enough to be sealed at once.
        key, lines = f"once.k{number % 4}", 1 + number % 50
        filler = "|c:" + "x" * 30000 if number % 3 == 0 else ""
        sent[key] = sent.get(key, 0) + lines
        return "".join(f"{key}:1|c{filler}\n" for _ in range(lines)).encode()

    def client(worker):
        number = worker
        while not done.is_set():
            body, headers = body_of(number), {"Idempotency-Key": f"key-{number}"}
            for attempt in range(1200):
                status, answer = post(agent, body, headers)
                tries.append((status, answer))
                if status == 202:
                    break
                assert status in (0, 503) or (status, answer["error"]) == (409, "in_progress")
                time.sleep(0.01)
            # A retry of what was answered says so.
            assert status == 202
            again = post(agent, body, headers)
            assert again[0] in (0, 503) or again == (202, {"repeated": True}), again
            number += 1

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(client, 0)
        try:
            for _ in range(6):
                before = len(tries)
                wait_for(lambda: len(tries) > before + 8 or running.done(), "bodies are taken")
                time.sleep(rng.random() / 20)   # anywhere in a seal
                agent.kill()
                agent.start()
            wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
        finally:
            done.set()
        running.result(120)
    assert sum(status == 202 for status, _ in tries) > 20
    for key, lines in sent.items():
        wait_count(queryd, key, lines, stat="sum")
    assert agent.terminate() == 0


def kill_within_its_seal(stack, agent, answered):
    """Watches the agent's page of counters, and kills it between two batches of what a POST brought. Whether
    that was so."""
    with open(f"{stack.folder}/state-agent/counters", "rb") as file:
        page = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)

    def under_way():
        sealed, unfinished = struct.unpack_from("<Q", page, 32)[0], struct.unpack_from("<Q", page, 72)[0]
        return unfinished > 0 and sealed > unfinished - 1

    while not under_way() and not answered.is_set():
        pass
    os.kill(agent.pid, signal.SIGKILL)
    agent.kill()
    hit = under_way()
    page.close()
    return hit


def test_a_body_of_many_series_counts_once_also_when_killed_within_its_seal(stack):
    """Batches of some series are in the spool, of others not: the start takes none, and the retry counts."""
    agent, queryd = started(stack)
    body = b"".join(b"cut.k%d:1|c\n" % n for n in range(8000))
    hits = rounds = 0
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        while hits < 2 and rounds < 40:
            wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
            key = {"Idempotency-Key": f"cut-{rounds}"}
            answered = threading.Event()
            killing = pool.submit(kill_within_its_seal, stack, agent, answered)
            first = post(agent, body, key)
            answered.set()
            hit = killing.result()
            agent.start()
            hits += hit
            rounds += 1
            wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
            status, answer = 0, None
            while status in (0, 503):
                status, answer = post(agent, body, key)
            assert status == 202, answer
            assert (first[0] == 202) <= ("repeated" in answer)
            assert not (hit and "repeated" in answer), "it was cut"
    assert hits > 0, "never killed within a seal"

    def counted():
        groups = http(queryd, "/v1/query?match=cut.*&stat=sum&from=-2h&step=total")[1]["groups"]
        return groups[0]["value"] if groups else 0

    wait_for(lambda: counted() >= 8000 * rounds, "all is counted")
    assert counted() == 8000 * rounds
    top = http(queryd, "/v1/top?match=cut.*&stat=sum&n=1&from=-2h")[1]["top"][0]
    assert top["value"] == rounds, "each series as often as the others"
    assert agent.terminate() == 0


MEGABYTES = 1024 if os.environ.get("HOURGLASS_LONG") else 96


def test_bodies_without_end_take_bounded_memory(stack):
    """Three writers, one body of 4 MB after the other (a gigabyte in the long form): all counts, in little
    memory."""
    agent, queryd = started(stack)
    line = b"".join(b"gig.k%d:%d|ms\n" % (n % 97, n % 1000) for n in range(330000))
    body = line[:line.rindex(b"\n", 0, 4000000) + 1]
    before, most = agent.rss_bytes(), 0

    def write():
        while (status := post(agent, body)[0]) == 503:
            time.sleep(0.1)     # the spool is full: a client waits and asks again
        return status
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        posts = [pool.submit(write) for _ in range(MEGABYTES // 4)]
        while not all(one.done() for one in posts):
            most = max(most, agent.rss_bytes())
            time.sleep(0.02)
        assert [one.result() for one in posts] == [202] * len(posts)
    assert most - before < 160 << 20, most

    def counted():
        _, told = http(queryd, "/v1/query?match=gig.*&stat=count&from=-2h&step=total")
        return told["groups"][0]["value"] if told and told.get("groups") else 0
    wait_for(lambda: counted() == len(posts) * body.count(b"\n"),
             lambda: f"{counted()} of {len(posts) * body.count(10)}")
    assert agent.terminate() == 0


def test_bodies_from_many_at_once_add_up(stack):
    """And the ledger agrees at every instant; datagrams come in beside them."""
    agent, queryd = started(stack)
    stop = threading.Event()

    def watch():
        while not stop.is_set():
            seen = metrics(agent)
            here = sum(v for k, v in seen.items() if k.split("{")[0] in
                       (f"{A}samples_sealed_total", f"{A}samples_rejected_total", f"{A}samples_open"))
            assert seen[f"{A}samples_received_total"] == here
        return True

    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        watching = pool.submit(watch)
        posts = [pool.submit(post, agent, f"many.k{n % 7}:{n}|ms\nmany.all:1|c\n".encode() * 500)
                 for n in range(80)]
        try:
            for _ in range(200):
                send(agent, "many.all:1|c")
            assert all(one.result()[0] == 202 for one in posts)
        finally:
            stop.set()
        assert watching.result()
    wait_count(queryd, "many.all", 80 * 500 + 200, stat="sum")
    for key in range(7):
        wait_count(queryd, f"many.k{key}", 500 * sum(n for n in range(80) if n % 7 == key), stat="sum")
    assert os.path.getsize(f"{stack.folder}/state-agent/posted") == 0, "no key was sent"
    assert total(agent, f"{A}samples_lost_total") == 0
    assert agent.terminate() == 0
