"""Bytes that mean harm: at the relay's door and at the agent's."""
import os
import random
import socket
import struct

import msgpack

from conftest import (http, send, total, wait_count, wait_for)

MIB = 1 << 20


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


def test_a_hundred_thousand_bad_datagrams(stack):
    _, agent, queryd = stack.start_all(relays=1)
    rng = random.Random(7)
    host, port = agent.listen.rsplit(":", 1)
    sent = 0

    def burst(count):
        nonlocal sent
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.connect((host, int(port)))
            for n in range(count):
                good = bytearray(b"bad.key:123.5|ms|@0.5|#tag:value,other:thing|T1700000000")
                for _ in range(rng.randrange(1, 6)):
                    good[rng.randrange(len(good))] = rng.randrange(256)
                out.send(bytes(good).replace(b"\n", b"?"))
                sent += 1
                if n % 500 == 499:  # no faster than it is read: none may be dropped here
                    wait_for(lambda: total(agent, "hourglass_agent_datagrams_received_total") +
                             total(agent, "hourglass_agent_kernel_drops_total") >= sent, "read", 30)
    burst(2000)
    before = agent.rss_bytes()
    burst(int(os.environ.get("HOURGLASS_BAD_DATAGRAMS", 20000)))
    assert agent.alive() and agent.rss_bytes() - before < 2 * MIB
    send(agent, "calm:1|ms")
    wait_count(queryd, "calm", 1)
    lines = total(agent, "hourglass_agent_lines_received_total")
    rejected = total(agent, "hourglass_agent_lines_rejected_total")
    assert lines == sent + 1 and rejected > sent / 2


def test_http_oddities(stack):
    _, _, queryd = stack.start_all(relays=1)
    host, port = queryd.listen.rsplit(":", 1)
    for data, status in ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
                         (b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b"405"),
                         (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
                         (b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
                         (b"nonsense\r\n\r\n", b"400")):
        with socket.create_connection((host, int(port)), timeout=5) as peer:
            peer.sendall(data)
            answer = peer.recv(4096)
        assert answer[9:12] == status or (status == b"400" and answer == b""), (data[:40], answer[:60])
    assert http(queryd, "/healthz")[0] == 200
