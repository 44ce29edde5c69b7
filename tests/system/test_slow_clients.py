"""Slow clients: half requests, requests and readers of a byte a second, beside a client like any other."""
import resource
import selectors
import socket
import statistics
import time

import pytest

from conftest import http, send, wait_for

SLOW = 1000
NORMAL = 400
BIG = b"GET /functions HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20  # answers that nobody reads


def allow_files():
    """The test holds as many sockets as the daemon. Returns what it was allowed before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    return soft, hard


@pytest.fixture(scope="module", autouse=True)
def many_files():
    before = allow_files()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def connect(queryd, small=False):
    host, port = queryd.listen.rsplit(":", 1)
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if small:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    made.settimeout(60)
    made.connect((host, int(port)))
    return made


class Crowd:
    """Three kinds of slow clients in turn; nudge() moves each of the dribbling ones by one byte."""

    def __init__(self, queryd, count):
        self.clients = [connect(queryd, n % 3 == 2) for n in range(count)]
        self.at = 0
        self.text = b"GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"x" * 4000
        for n, client in enumerate(self.clients):
            client.sendall((b"GET / HT", b"G", BIG)[n % 3])
            client.setblocking(False)

    def nudge(self):
        self.at += 1
        for n, client in enumerate(self.clients):
            try:
                if n % 3 == 1:
                    client.send(self.text[self.at:self.at + 1])
                elif n % 3 == 2:
                    client.recv(1)
            except (BlockingIOError, ConnectionError):
                pass

    def ended(self):
        """How many the daemon has cut off, as far as their sockets tell without being read."""
        poll = selectors.PollSelector()
        try:
            for client in self.clients:
                poll.register(client, selectors.EVENT_READ)
            gone = 0
            for key, _ in poll.select(0):
                try:
                    gone += key.fileobj.recv(1 << 20) == b""
                except BlockingIOError:
                    pass
                except ConnectionError:
                    gone += 1
            return gone
        finally:
            poll.close()

    def close(self):
        for client in self.clients:
            client.close()


def measure(queryd, path, count, between=lambda n: None):
    """Milliseconds of each answer, on one connection; all must be 200."""
    took = []
    client = connect(queryd)
    reader = client.makefile("rb")
    try:
        for n in range(count):
            between(n)
            began = time.perf_counter()
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert reader.readline().split()[1] == b"200"
            size = 0
            while (line := reader.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    size = int(line.split(b":")[1])
            assert len(reader.read(size)) == size > 0
            took.append((time.perf_counter() - began) * 1000)
    finally:
        reader.close()
        client.close()
    return took


def p99(took):
    return statistics.quantiles(took, n=100)[98]


def test_a_normal_client_is_served_beside_a_thousand_slow_ones(stack):
    _, agent, queryd = stack.start_all(relays=1)
    send(agent, "slow.key:1|ms")
    # From memory: a busy machine's Redis may take longer than queryd waits for it.
    path = "/v1/keys?match=slow.*"
    wait_for(lambda: http(queryd, path)[1].get("keys") == ["slow.key"], "the key is listed")
    alone = measure(queryd, path, NORMAL)
    crowd = Crowd(queryd, SLOW)
    try:
        beside = measure(queryd, path, NORMAL, lambda n: n % 40 == 0 and crowd.nudge())
        assert http(queryd, "/v1/keys")[0] == 200  # and a new connection, too
    finally:
        crowd.close()
    print(f"p99 {p99(alone):.2f} ms alone, {p99(beside):.2f} ms beside {SLOW} slow clients; "
          f"RSS {queryd.rss_bytes() / 1e6:.0f} MB")
    assert len(beside) == NORMAL


def test_who_dribbles_for_ever_is_cut_off(stack):
    stack.start_redis()
    stack.start_relay()
    queryd = stack.start_queryd(slow_client="1s")
    crowd = Crowd(queryd, 30)
    gone = [0]

    def all_gone():
        crowd.nudge()
        gone[0] = crowd.ended()
        return gone[0] == 30
    try:
        wait_for(all_gone, lambda: f"{gone[0]} of 30 are cut off")
    finally:
        crowd.close()
    wait_for(lambda: http(queryd, "/readyz")[0] == 200, "others are served")


MANY_NAMES = 1000
UNREAD = 12


def test_answers_that_nobody_reads_are_bounded(stack):
    """Twelve clients ask for megabytes each and read nothing: what does not fit into max_unread is refused,
    and a small answer is never."""
    _, agent, queryd = stack.start_all(relays=1)
    bounded = stack.start_queryd("bounded", max_unread="32MiB", query_timeout="60s")
    names = [f"unread.{n:04}.{'x' * 900}" for n in range(MANY_NAMES)]
    for at in range(0, MANY_NAMES, 40):
        send(agent, "\n".join(f"{name}:1|c" for name in names[at:at + 40]))
    wait_for(lambda: len(http(bounded, "/v1/keys?match=unread.*&limit=1000")[1]["keys"]) == MANY_NAMES,
             "all are listed")
    # Each target has a thousand series, and each of them its name twice: 14 MB in all.
    big = "/render?format=json&from=-1h&until=now" + "&target=unread.*.*.sum" * 8
    clients = [connect(bounded, small=True) for _ in range(UNREAD)]
    try:
        for client in clients:
            client.sendall(f"GET {big} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        refused = {}

        def all_answered():
            for client in clients:
                if client not in refused:
                    try:
                        refused[client] = client.recv(200, socket.MSG_DONTWAIT)[:12] == b"HTTP/1.1 503"
                    except BlockingIOError:
                        pass
            return len(refused) == UNREAD
        wait_for(all_answered, lambda: f"{len(refused)} of {UNREAD} are answered")
        assert 0 < sum(refused.values()) < UNREAD
        assert http(bounded, "/v1/keys?limit=1")[0] == 200
        status, answer = http(bounded, big)
        assert (status, answer["error"]) == (503, "busy") and "max_unread" in answer["message"]
    finally:
        for client in clients:
            client.close()
    wait_for(lambda: http(bounded, big)[0] == 200, "there is room again")
