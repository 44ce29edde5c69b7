# SPDX-License-Identifier: Apache-2.0
"""One relay and its Redis: the ways a start, a stop and a restart can go."""
import os
import re
import signal
import socket
import struct
import subprocess
import time

import msgpack

from conftest import BUILD, http, metrics, send, total, wait_count, wait_for

CFG_32 = 1 << 32 | 32
STREAM = b"\1" * 16 + b"s" * 8  # of the agent that connect() is


def frame(kind, value):
    payload = msgpack.packb(value)
    return struct.pack("<IBBH", len(payload), 1, kind, 0) + payload


def read_frame(peer):
    """(type, value) of the next frame."""
    def exactly(size):
        data = b""
        while len(data) < size:
            piece = peer.recv(size - len(data))
            assert piece, "the relay closed"
            data += piece
        return data
    size, _, kind, _ = struct.unpack("<IBBH", exactly(8))
    return kind, msgpack.unpackb(exactly(size))


def connect(relay, cfg=0):
    host, port = relay.listen.rsplit(":", 1)
    peer = socket.create_connection((host, int(port)), timeout=10)
    peer.sendall(frame(1, [1, 1, cfg, b"\1" * 16, 7, 0, 0, b"", "test"]))
    return peer


def run_relay(stack, **options):
    """A relay that is not expected to become ready."""
    options = {"redis": f"unix://{stack.redis_socket}", "listen": "127.0.0.1:0",
               "admin": "127.0.0.1:0", **options}
    command = [f"{BUILD}/hourglass-relay"]
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    relay = stack.add("relay-x", command)
    relay.start()
    relay.logged("listening")
    relay.admin = re.search(r"admin=(\S+)", relay.log()).group(1)
    return relay


def test_an_empty_redis_is_not_initialised_unasked(stack):
    stack.start_redis()
    relay = run_relay(stack)
    relay.logged("store_not_ready.*auto_init")
    assert http(relay, "/readyz", relay.admin) == (503, "this Redis is empty and auto_init is off")
    assert http(relay, "/healthz", relay.admin)[0] == 200
    assert stack.redis().keys("*") == []
    # Somebody who may does it; then this one is ready too.
    stack.start_relay()
    wait_for(lambda: http(relay, "/readyz", relay.admin)[0] == 200, "the waiting relay is ready")


def test_another_fleets_redis_ends_the_relay_and_names_both(stack):
    stack.start_redis()
    stack.start_relay(partitions=8)
    relay = run_relay(stack, auto_init="yes", partitions=16)
    assert relay.process.wait(10) == 1
    assert re.search(r"foreign_store .*stored_partitions=8 .*our_partitions=16", relay.log())
    assert stack.redis().hget("hg:{fleet}", "cfg") == str(1 << 32 | 8).encode()


def test_the_store_is_made_as_keys_md_says(stack):
    stack.start_redis()
    relay = stack.start_relay(partitions=4, retention_hours=192)
    r = stack.redis()
    fleet = wait_for(lambda: len(r.hgetall("hg:{fleet}")) == 2 and r.hgetall("hg:{fleet}"), "what is kept")
    assert fleet.keys() == {b"cfg", b"kept:192"} and fleet[b"cfg"] == str(1 << 32 | 4).encode()
    assert abs(int(fleet[b"kept:192"]) - time.time() - (192 + 72) * 3600) < 60
    metas = [k for k in r.keys("*") if k.endswith(b":meta")]
    assert len(metas) == 4
    epochs = {r.hget(k, "epoch") for k in metas}
    assert len(epochs) == 1 and re.fullmatch(rb"[0-9a-f]{16}", epochs.pop())
    floor = r.time()[0] // 3600 - 191
    assert {int(r.hget(k, "floor")) for k in metas} <= {floor, floor - 1}
    beat = wait_for(lambda: r.hget("hg:{relays}", relay.listen), "a heartbeat")
    milliseconds, name, _, kept = beat.decode().split(" ")
    assert (name, kept) == ("relay-1", "kept=192") and abs(int(milliseconds) / 1000 - time.time()) < 5


def test_readers_are_told_that_an_older_relay_does_not_say_what_it_keeps(stack):
    stack.start_redis()
    relay, r = stack.start_relay(), stack.redis()
    wait_for(lambda: r.hexists("hg:{fleet}", "kept:840"), "what is kept")
    assert not r.hexists("hg:{fleet}", "kept:0")
    wait_for(lambda: r.hset("hg:{relays}", "127.0.0.1:1", f"{int(time.time() * 1000)} old 0.9") == 0 and
             r.hexists("hg:{fleet}", "kept:0"), "that one does not say")
    assert abs(int(r.hget("hg:{fleet}", "kept:0")) - time.time() - 7200) < 60
    assert relay.alive()


def test_agents_are_told_of_all_live_relays(stack):
    stack.start_redis()
    first, second = stack.start_relay("relay-1"), stack.start_relay("relay-2")
    peer = connect(first)
    kind, welcome = read_frame(peer)
    assert kind == 2 and welcome[1] == CFG_32 and welcome[2] == 32 and welcome[6] == "relay-1"
    wanted = sorted([first.listen, second.listen])
    while True:
        kind, relays = read_frame(peer)
        assert kind == 11
        if sorted(relays[2]) == wanted:
            break
    assert abs(relays[0] - (stack.redis().time()[0] // 3600 - 839)) <= 1
    # One leaves in order: the others hear of it within seconds.
    assert second.terminate() == 0
    while True:
        kind, relays = read_frame(peer)
        if kind == 11 and relays[2] == [first.listen]:
            break


def test_a_foreign_agent_is_refused_with_a_reason(stack):
    stack.start_redis()
    relay = stack.start_relay()
    peer = connect(relay, cfg=1 << 32 | 99)
    kind, refused = read_frame(peer)
    assert kind == 3 and refused[0] == -1201 and "fleet" in refused[1]
    assert peer.recv(1) == b""


def test_a_stop_says_goaway_and_takes_the_name_off_the_list(stack):
    stack.start_redis()
    relay = stack.start_relay()
    wait_for(lambda: stack.redis().hlen("hg:{relays}") == 1, "the heartbeat")
    peer = connect(relay)
    assert read_frame(peer)[0] == 2
    relay.signal(signal.SIGTERM)
    while read_frame(peer)[0] != 15:
        pass
    assert relay.process.wait(5) == 0
    assert stack.redis().hlen("hg:{relays}") == 0


def test_a_stop_is_not_held_up_by_a_redis_that_stands_still(stack):
    stack.start_redis()
    relay = stack.start_relay()
    agent = stack.start_agent([relay])
    send(agent, "held:1|c")
    wait_for(lambda: total(relay, "hourglass_relay_samples_committed_total") > 0, "its stream is open")
    stack.redis_process.signal(signal.SIGSTOP)
    send(agent, "held:1|c")
    wait_for(lambda: metrics(relay)["hourglass_relay_held_bytes"] > 0, "a batch is held")
    began = time.monotonic()
    assert relay.terminate() == 0
    assert time.monotonic() - began < 10
    stack.redis_process.signal(signal.SIGCONT)


def test_redis_restarted_without_its_scripts(stack):
    """SCRIPT FLUSH and a restart both forget scripts: the same commits go on."""
    _, agent, queryd = stack.start_all(relays=1)
    send(agent, "again:1|ms")
    wait_count(queryd, "again", 1)
    stack.redis().script_flush()
    send(agent, "again:2|ms")
    wait_count(queryd, "again", 2)
    stack.redis_process.kill()
    stack.redis_process.start()
    stack.wait_redis()
    send(agent, "again:3|ms")
    wait_count(queryd, "again", 3)


def test_redis_emptied_under_a_relay_is_loud_and_costs_nothing_within_the_grace(stack):
    """What agents still keep is sent again; nothing counts twice."""
    relays, agent, queryd = stack.start_all(relays=1)
    send(agent, "gone:1|ms")
    wait_count(queryd, "gone", 1)
    stack.redis().flushall()
    send(agent, "gone:2|ms")
    wait_count(queryd, "gone", 2)
    relays[0].logged("store_foreign.*stored_cfg=none")
    relays[0].logged("partition_reset.*reason=config")
    assert total(relays[0], "hourglass_relay_refusals_total") >= 1


def test_a_redis_that_does_not_keep_is_never_called_stable(stack):
    stack.start_redis("--appendonly", "no")
    relay = stack.start_relay()
    relay.logged("store_unfit.*appendonly is no")
    peer = connect(relay)
    assert read_frame(peer)[0] == 2
    peer.sendall(frame(8, [5, [[STREAM, 0]]]))
    while True:
        kind, answer = read_frame(peer)
        if kind == 9:
            break
    assert answer[0] == 5 and answer[1] is False and answer[2] == [[STREAM, 0, ""]]
    assert metrics(relay)["hourglass_relay_store_fit"] == 0
    # Put right, it is believed after the next look: within a minute, or with a new connection.
    stack.redis().config_set("appendonly", "yes")
    stack.redis().client_kill_filter(_type="normal", skipme=True)
    wait_for(lambda: metrics(relay)["hourglass_relay_store_fit"] == 1, "it is fit now")


def test_watermarks_reach_redis(stack):
    relays, agent, _ = stack.start_all(relays=1)
    def mark():
        marks = stack.redis().hgetall("hg:{agents}")
        return marks and list(marks.items())[0]
    field, value = wait_for(mark, "a watermark")
    assert re.fullmatch(rb"[0-9a-f]{32}", field)
    committed, seen, left, host = value.decode().split(" ", 3)
    assert abs(int(seen) / 1000 - time.time()) < 10 and abs(int(committed) / 1000 - time.time()) < 20
    assert left == "0" and host
    assert agent.terminate() == 0
    wait_for(lambda: mark()[1].split(b" ")[2] == b"1", "it has left in order")


def test_a_port_in_use_is_named_and_ends_the_start(stack):
    stack.start_redis()
    relay = stack.start_relay()
    second = subprocess.run([f"{BUILD}/hourglass-relay", "-o", f"listen={relay.listen}", "-o",
                             f"redis=unix://{stack.redis_socket}"], capture_output=True, text=True,
                            timeout=10, env=dict(os.environ))
    assert second.returncode == 1
    assert "listen_failed" in second.stderr and relay.listen in second.stderr
