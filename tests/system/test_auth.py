# SPDX-License-Identifier: Apache-2.0
"""Who may connect: the fleet's secret, and whose streams a connection may touch."""
import hashlib
import hmac
import os
import socket
import struct
import subprocess

import msgpack

from conftest import BUILD, http, metrics, send, wait_count, wait_for

SECRET = "correct-horse-battery-staple"
OTHER = "correct-horse-battery-stapler"
AGENT = b"agent-0123456789"
CFG = 1 << 32 | 32
HELLO, WELCOME, REFUSED, OPEN, STATE, BATCH, CONFIRM = 1, 2, 3, 4, 5, 6, 8
RELAYS, CLOSE, CHALLENGE, PROOF = 11, 16, 17, 18
BAD_AUTH, BAD_PROTOCOL = -1206, -1202


def frame(kind, value):
    payload = msgpack.packb(value)
    return struct.pack("<IBBH", len(payload), 1, kind, 0) + payload


def proof(secret, label, relay_nonce, nonce=b"n" * 32, agent=AGENT, incarnation=7, cfg=0):
    """BATCH.md, `Who may connect`."""
    facts = label + bytes([1, 1]) + nonce + relay_nonce + agent + struct.pack("<QQ", incarnation, cfg)
    assert len(facts) == 114
    return hmac.new(secret.encode(), facts, hashlib.sha256).digest()


class Peer:
    """An agent of our own making."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=10)

    def say(self, kind, value):
        self.socket.sendall(frame(kind, value))

    def hello(self, auth=b"", agent=AGENT):
        self.say(HELLO, [1, 1, 0, agent, 7, 0, 0, auth, "test"])

    def exactly(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                return None
            data += piece
        return data

    def read(self):
        """(type, value) of the next frame; (None, None) when the relay has closed."""
        header = self.exactly(8)
        if header is None:
            return None, None
        size, _, kind, _ = struct.unpack("<IBBH", header)
        return kind, msgpack.unpackb(self.exactly(size))

    def await_frame(self, *kinds):
        while True:
            kind, value = self.read()
            if kind is None or kind in kinds:
                return kind, value

    def refused(self):
        """The code of the REFUSED that ends the connection."""
        kind, value = self.await_frame(REFUSED)
        assert kind == REFUSED and self.read() == (None, None)
        return value[0]


def welcomed(relay, secret=SECRET):
    peer = Peer(relay.listen)
    peer.hello(b"\1" + b"n" * 32)
    kind, (nonce,) = peer.read()
    assert kind == CHALLENGE and len(nonce) == 32
    peer.say(PROOF, [proof(secret, b"hourglass/agent1", nonce)])
    return peer, nonce


def test_the_same_secret_works_however_it_is_given_and_is_shown_nowhere(stack, tmp_path):
    stack.start_redis()
    path = tmp_path / "fleet_secret"
    path.write_text(SECRET + "\n")
    relay = stack.start_relay(fleet_secret=f"file:{path}")
    # systemd's way: the folder is named by the environment.
    os.environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    try:
        first = stack.start_agent([relay], "by-credential", fleet_secret="credential:fleet_secret")
    finally:
        del os.environ["CREDENTIALS_DIRECTORY"]
    second = stack.start_agent([relay], "by-text", fleet_secret=SECRET)
    queryd = stack.start_queryd()
    send(first, "told:1|c")
    send(second, "told:2|c")
    wait_count(queryd, "told", 3, stat="sum")
    peer, nonce = welcomed(relay)
    kind, welcome = peer.read()
    assert kind == WELCOME and welcome[1] == CFG
    assert welcome[5] == proof(SECRET, b"hourglass/relay1", nonce, cfg=CFG), "it proves itself too"
    for process in (relay, first, second):
        assert SECRET not in process.log()
    dumped = subprocess.run([f"{BUILD}/hourglass-relay", "--dump", "-o", f"fleet_secret={SECRET}"],
                            capture_output=True, text=True, check=True).stdout
    assert "fleet_secret = ***" in dumped and SECRET not in dumped
    again = tmp_path / "again.conf"
    again.write_text(dumped)
    refused = subprocess.run([f"{BUILD}/hourglass-relay", "--check", "-c", str(again)],
                             capture_output=True, text=True)
    assert refused.returncode == 2 and "fleet_secret" in refused.stderr


def test_who_has_another_secret_or_none_is_refused_and_told_what_to_do(stack):
    stack.start_redis()
    relay = stack.start_relay(fleet_secret=SECRET)
    open_relay = stack.start_relay("relay-open")
    wrong = stack.start_agent([relay], "wrong", fleet_secret=OTHER)
    without = stack.start_agent([relay], "without")
    careful = stack.start_agent([open_relay], "careful", fleet_secret=SECRET)
    for agent, by, hint in ((wrong, "relay", "our fleet_secret is not that of this relay"),
                            (without, "relay", "this relay asks for a fleet_secret: set it here"),
                            (careful, "us", "this relay has no fleet_secret")):
        agent.logged(rf"relay_refused .*by={by} reason=bad_auth .*hint=.{hint}")
        wait_for(lambda: metrics(agent)['hourglass_agent_relays_refused{reason="bad_auth"}'] == 1,
                 "it is a gauge")
        assert http(agent, "/readyz", agent.admin)[0] == 503
        assert metrics(agent)["hourglass_agent_partitions"] == 0, "it has learnt nothing"
        send(agent, "never:1|c")
    relay.logged("session_refused .*reason=bad_auth .*hint=.give this agent the fleet_secret")
    wait_for(lambda: metrics(relay)['hourglass_relay_sessions_refused_total{reason="bad_auth"}'] >= 2,
             "it is counted")
    assert relay.log().count("session_refused") <= 3, "a line a second at most"
    assert stack.redis().hlen("hg:{agents}") == 0, "not even that they were there"


def test_bytes_heard_before_open_nothing(stack):
    """Replays of a whole exchange, and a proof sent back to where it came from."""
    stack.start_redis()
    relay = stack.start_relay(fleet_secret=SECRET)
    good, nonce = welcomed(relay)
    kind, welcome = good.read()
    assert kind == WELCOME
    for heard in (proof(SECRET, b"hourglass/agent1", nonce), welcome[5], b"", b"\0" * 32,
                  proof(SECRET, b"hourglass/relay1", nonce, cfg=CFG)):
        peer = Peer(relay.listen)
        peer.hello(b"\1" + b"n" * 32)
        kind, (fresh,) = peer.read()
        assert kind == CHALLENGE and fresh != nonce
        peer.say(PROOF, [heard])
        assert peer.refused() == BAD_AUTH
    for auth in (b"", b"\1", b"\2" + b"n" * 32, b"n" * 256):
        peer = Peer(relay.listen)
        peer.hello(auth)
        assert peer.refused() == BAD_AUTH
    peer = Peer(relay.listen)
    peer.hello(b"\1" + b"n" * 32)
    peer.read()
    peer.say(OPEN, [[[AGENT + b"\7" + b"\0" * 7, 0, 0]]])
    assert peer.refused() == BAD_PROTOCOL, "work before the proof"
    # Whoever is not known yet cannot make the relay wait for, or hold, much.
    for head in (struct.pack("<IBBH", 4096, 1, HELLO, 0), struct.pack("<IBBH", 4096, 1, BATCH, 0)):
        peer = Peer(relay.listen)
        peer.socket.sendall(head)
        assert peer.refused() in (-1104, BAD_PROTOCOL)


def test_who_is_not_known_yet_costs_little(stack):
    """The largest HELLO but for its last byte, or challenged and silent: some KiB each."""
    stack.start_redis()
    relay = stack.start_relay(fleet_secret=SECRET)
    held = []

    def crowd(count, challenged):
        for _ in range(count):
            peer = Peer(relay.listen)
            held.append(peer)
            if challenged:
                peer.hello(b"\1" + b"n" * 32)
                assert peer.read()[0] == CHALLENGE
            else:
                peer.socket.sendall(frame(HELLO, [1, 1, 0, AGENT, 7, 0, 0, b"x" * 256,
                                                  "h" * 255])[:-1])
    crowd(50, True)
    crowd(50, False)
    before = relay.rss_bytes()
    crowd(200, True)
    crowd(200, False)
    wait_for(lambda: metrics(relay)["hourglass_relay_sessions"] == 500, "all are there")
    grown = (relay.rss_bytes() - before) / 400
    for peer in held:
        peer.socket.close()
    assert grown < 6144, f"{grown:.0f} bytes a connection"


def test_an_agent_touches_its_own_streams_only(stack):
    stack.start_redis()
    relay = stack.start_relay(fleet_secret=SECRET)
    mine, theirs = AGENT + b"\7" + b"\0" * 7, b"another-agent-id" + b"\7" + b"\0" * 7
    batch = msgpack.packb([1, CFG, 0, 1, 0, 0, 1, [[99, "a", 0, b"\1\0\1\2\0"]]])
    for kind, value in ((OPEN, [[[theirs, 0, 0]]]), (BATCH, [theirs, None, 0, batch]),
                        (CONFIRM, [1, [[mine, 0], [theirs, 0]]]), (CLOSE, [[[theirs, 0, ""]]])):
        peer, _ = welcomed(relay)
        peer.say(kind, value)
        assert peer.refused() == BAD_PROTOCOL
    peer, _ = welcomed(relay)
    older = AGENT + b"\6" + b"\0" * 7  # what an incarnation before left in its spool
    peer.say(OPEN, [[[mine, 0, 0], [older, 0, 0]]])
    kind, state = peer.await_frame(STATE)
    assert kind == STATE and {s[0] for s in state[1]} <= {mine, older}


def test_an_open_door_must_be_asked_for(tmp_path):
    for listen in ("0.0.0.0:0", "[::]:0"):
        for check in ([], ["--check"]):
            refused = subprocess.run([f"{BUILD}/hourglass-relay", "-o", f"listen={listen}", *check],
                                     capture_output=True, text=True, timeout=10)
            assert refused.returncode == 2 and refused.stdout == ""
            assert "fleet_secret" in refused.stderr and "allow_open = yes" in refused.stderr
    for more in ("allow_open=yes", f"fleet_secret={SECRET}"):
        assert subprocess.run([f"{BUILD}/hourglass-relay", "--check", "-o", "listen=0.0.0.0:0",
                               "-o", more], capture_output=True, timeout=10).returncode == 0
    for wrong in ("short", "file:/no/such/file", "credential:none"):
        refused = subprocess.run([f"{BUILD}/hourglass-agent", "--check", "-o",
                                  f"fleet_secret={wrong}"], capture_output=True, text=True)
        assert refused.returncode == 2
        assert ("***" if wrong == "short" else wrong) in refused.stderr
