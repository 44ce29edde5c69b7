"""Bytes that mean harm: at the relay's door and at the agent's."""
import json
import os
import random
import re
import socket
import struct
import subprocess

import msgpack
import pytest

from conftest import (BUILD, http, metrics, send, total, wait_count, wait_for)

MIB = 1 << 20
WARM_UP = 200000  # datagrams, until every buffer that is made once has been made


def frame(kind, payload, version=1, flags=0):
    return struct.pack("<IBBH", len(payload), version, kind, flags) + payload


def hello():
    return frame(1, msgpack.packb([1, 1, 0, b"\1" * 16, 7, 0, 0, b"", "evil"]))


def exchange(address, data, seconds=5):
    """Sends bytes and reads until the relay closes or the time is up: (closed, answer)."""
    host, port = address.rsplit(":", 1)
    answer = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as peer:
        try:
            peer.sendall(data)
            while True:
                piece = peer.recv(65536)
                if not piece:
                    return True, answer
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            return True, answer
        except socket.timeout:
            return False, answer


def bombs(rng):
    """Frames that are wrong in every way we could think of."""
    nested = b"\xdd\xff\xff\xff\xff" * 31
    yield frame(4, b"\xdd\x7f\xff\xff\xff")
    yield frame(6, nested)
    yield frame(6, b"\x93" + nested)
    yield frame(4, b"\x91" * 5000)
    yield frame(6, msgpack.packb([b"x" * 24, None, 0, b"\xdd\x7f\xff\xff\xff"]))
    yield frame(6, msgpack.packb([b"x" * 24, None, 0, nested]))
    yield frame(6, msgpack.packb([b"x" * 24, None, 0, b"\x98" + b"\xdf\xff\xff\xff\xff" * 8]))
    yield struct.pack("<IBBH", 0xffffffff, 1, 6, 0)
    yield frame(6, b"", version=9)
    yield frame(200, b"\x90")
    yield frame(6, b"\x90", flags=1)
    yield b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n"
    yield b"\0" * 4096
    for _ in range(200):
        yield frame(rng.randrange(1, 17), rng.randbytes(rng.randrange(0, 400)))


def test_bombs_close_that_connection_only(stack):
    relays, agent, queryd = stack.start_all(relays=1)
    relay = relays[0]
    rng = random.Random(20261121)
    # The HELLO before each bomb is a good one: it is welcomed, and what follows is read.
    _, answer = exchange(relay.listen, hello(), 0.5)
    assert answer[5] == 2, answer[:40]
    send(agent, "calm:1|ms")
    wait_count(queryd, "calm", 1)
    for data in list(bombs(rng))[:20]:  # every buffer that is made once has been made
        exchange(relay.listen, hello() + data, 1)
    before = relay.rss_bytes()
    open_after = 0
    for data in bombs(rng):
        closed, _ = exchange(relay.listen, hello() + data, 2)
        open_after += not closed
    assert open_after <= 20, "random bytes may happen to be a frame of the right form, rarely"
    closed, _ = exchange(relay.listen, frame(6, b"\xdd\x7f\xff\xff\xff"))
    assert closed, "and without a HELLO as well"
    assert relay.rss_bytes() - before < MIB
    assert total(relay, "hourglass_relay_sessions") == 1
    send(agent, "calm:2|ms")
    wait_count(queryd, "calm", 2)


def test_a_frame_that_never_ends_costs_what_was_sent(stack):
    relays, _, _ = stack.start_all(relays=1)
    host, port = relays[0].listen.rsplit(":", 1)
    before = relays[0].rss_bytes()
    held = []
    for _ in range(100):
        peer = socket.create_connection((host, int(port)))
        peer.sendall(hello() + struct.pack("<IBBH", 200000, 1, 6, 0) + b"\xc4")
        held.append(peer)
    wait_for(lambda: total(relays[0], "hourglass_relay_sessions") >= 1, "they were seen")
    grown = relays[0].rss_bytes() - before
    for peer in held:
        peer.close()
    assert grown < 4 * MIB, f"100 half frames of 200 KB announced cost {grown} bytes"


class Hostile:
    """tests/bench/hostile.c, no faster than the agent reads: its own count is what was sent."""

    def __init__(self, stack, agent, seed=1):
        self.agent, self.sent = agent, {}
        path = os.path.join(stack.folder, "seeds")
        with open(path, "wb") as out:
            for datagram in golden():
                out.write(struct.pack("<H", len(datagram)) + datagram)
        self.process = subprocess.Popen([f"{BUILD}/bench/hostile", agent.listen, path, str(seed)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        # A datagram costs the kernel up to 4 KiB, what it grants is twice what is logged, and two
        # bursts may be there at once.
        granted = int(re.search(r"receive_buffer fd=\d+ bytes=(\d+)", agent.log()).group(1))
        self.burst = max(16, min(4096, granted // 4096))

    def send(self, what, count):
        for begin in range(0, count, self.burst):
            self.process.stdin.write(f"{what} {min(self.burst, count - begin)}\n")
            self.process.stdin.flush()
            before = self.sent.get("datagrams", 0)
            words = self.process.stdout.readline().split()
            self.sent = dict(zip(words[::2], map(int, words[1::2])))
            wait_for(lambda: self.read() >= before, f"the agent has read {before} datagrams", 60)
        wait_for(lambda: self.read() == self.sent["datagrams"], "the agent has read all", 60)

    def read(self):
        seen = metrics(self.agent)
        assert seen["hourglass_agent_kernel_drops_total"] == 0
        return seen["hourglass_agent_datagrams_received_total"]

    def close(self):
        self.process.kill()
        self.process.communicate()


def golden():
    """The datagrams of the golden lines."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/lines.jsonl")
    with open(path, encoding="utf-8") as lines:
        for case in map(json.loads, lines):
            yield bytes.fromhex(case["in_hex"]) if "in_hex" in case else case["in"].encode()


@pytest.fixture
def hostile(stack):
    made = []

    def start(agent):
        made.append(Hostile(stack, agent))
        return made[-1]
    yield start
    for one in made:
        one.close()


def check_counted(agent, sent):
    """All that was sent is in the agent's counters: by lines, by samples, by what became of them."""
    seen = metrics(agent)

    def family(name):
        return sum(v for k, v in seen.items() if k.split("{")[0] == f"hourglass_agent_{name}")
    assert family("kernel_drops_total") == 0
    assert family("datagrams_received_total") == sent["datagrams"]
    assert family("lines_received_total") == sent["lines"]
    assert family("lines_rejected_total") == sent["refused"]
    assert family("lines_unsupported_total") == sent["unsupported"]
    assert family("samples_received_total") == sent["samples"]
    assert sent["samples"] == (family("samples_sealed_total") + family("samples_rejected_total") +
                               family("samples_open"))


def test_malformed_and_mutated_datagrams_are_counted_and_cost_no_memory(stack, hostile):
    # Limits that are reached at once: what is measured is what bad bytes cost, not what series do.
    stack.start_redis()
    relay, queryd = stack.start_relay(), stack.start_queryd()
    agent = stack.start_agent([relay], max_keys=2000, table_max="4MiB", confirm_ms="500ms")
    wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready", 60)
    sender, count = hostile(agent), 1000000 if os.environ.get("HOURGLASS_LONG") else 250000
    # The short form's warm-up is short too, and a busy machine's heap settles later than that.
    allowed = MIB if os.environ.get("HOURGLASS_LONG") else 4 * MIB
    for what in ("malformed", "mutated"):
        sender.send(what, WARM_UP)
        before = agent.rss_bytes()
        sender.send(what, count)
        check_counted(agent, sender.sent)
        assert agent.rss_bytes() - before < allowed
    assert sender.sent["refused"] > 1.2 * count and sender.sent["samples"] > count / 2
    # What they opened is sealed; only then a new series is within the limit again.
    wait_for(lambda: total(agent, "hourglass_agent_samples_open") == 0, "all is sealed", 60)
    send(agent, "calm:1|ms")
    wait_count(queryd, "calm", 1, seconds=60)
    wait_for(lambda: total(agent, "hourglass_agent_samples_open") == 0, "all is sealed", 60)
    sent = {name: count + (name in ("datagrams", "lines", "samples"))
            for name, count in sender.sent.items()}
    check_counted(agent, sent)


def test_http_oddities(stack):
    _, _, queryd = stack.start_all(relays=1)
    host, port = queryd.listen.rsplit(":", 1)
    for data, status in ((b"GET /no.such.key HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
                         (b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", b"405"),
                         (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"414"),
                         (b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"200"),
                         (b"GET /no.such.key HTTP/1.1\r\nHost: x\r\n\r\n", b"421"),
                         (b"nonsense\r\n\r\n", b"400")):
        with socket.create_connection((host, int(port)), timeout=5) as peer:
            peer.sendall(data)
            answer = peer.recv(4096)
        assert answer[9:12] == status or (status == b"400" and answer == b""), (data[:40], answer[:60])
    assert http(queryd, "/healthz")[0] == 200
