# SPDX-License-Identifier: Apache-2.0
"""The contract's Lua scripts against a real redis-server (proto/KEYS.md, proto/CONTRACT.md).

Each test starts from an empty database. The builder below spells the arguments a second
time, independently of relay/commit.c, so that a slip in either is seen."""
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest
import redis

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "proto" / "store" / "scripts"
CFG = str(1 << 32 | 32)
TAG = "{p0.0}"
META, STREAMS = f"hg:{TAG}:meta", f"hg:{TAG}:streams"
NAMES_FIRST, NAMES_LAST = f"hg:{TAG}:nf", f"hg:{TAG}:nl"
RETENTION = 840
PID, PID2 = "00000000000000aa", "00000000000000bb"


@pytest.fixture(scope="module")
def server():
    folder = tempfile.mkdtemp(prefix="hg-scripts-")
    path = folder + "/redis.sock"
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", path, "--dir", folder, "--save", "",
         "--appendonly", "no", "--maxmemory-policy", "noeviction", "--loglevel", "warning"])
    client = redis.Redis(unix_socket_path=path)
    for _ in range(200):
        try:
            client.ping()
            break
        except redis.ConnectionError:
            time.sleep(0.02)
    yield client
    process.terminate()
    process.wait()
    shutil.rmtree(folder)


@pytest.fixture
def r(server):
    server.flushall()
    server.config_set("maxmemory", 0)
    init(server, auto="1")
    return server


def run(r, name, keys, args):
    return r.eval((SCRIPTS / f"{name}.lua").read_text(), len(keys), *keys, *args)


def init(r, cfg=CFG, epoch="1", retention=RETENTION, auto="0"):
    return run(r, "init", [META], [cfg, epoch, retention, auto])


def open_streams(r, *streams, cfg=CFG):
    args = [x for i, (stream, base) in enumerate(streams) for x in (stream, base, f"{i:016x}")]
    return run(r, "open", [META, STREAMS], [cfg, *args])


def confirm(r, *streams, cfg=CFG):
    return run(r, "confirm", [META, STREAMS], [cfg, *streams])


def hour_now(r):
    return r.time()[0] // 3600


def hour_text(hour):
    return time.strftime("%Y-%m-%dT%H", time.gmtime(hour * 3600))


def manifest(hour):
    return f"hg:{TAG}:m:{hour_text(hour)}"


def cells_key(hour, pid):
    return f"hg:{TAG}:c:{hour_text(hour)}:{pid}"


def day_manifest(hour):
    return f"hg:{TAG}:d:{hour_text(hour)[:10]}"


class Part:
    """One hour's share of a commit."""

    def __init__(self, hour, cells, pid=PID, expected="", expire=None, named=True):
        self.hour, self.cells, self.pid, self.expected = hour, cells, pid, expected
        self.expire = expire if expire is not None else (hour + 1 + RETENTION) * 3600
        self.named = named


def commit_args(parts, streams, version, lost=0, cfg=CFG):
    days = sorted({day_manifest(p.hour) for p in parts})
    names = [(field, p.hour) for p in parts if p.named for field in p.cells]
    keys = [META, STREAMS, NAMES_FIRST, NAMES_LAST]
    for p in parts:
        keys += [manifest(p.hour), cells_key(p.hour, p.pid)]
    args = [cfg, version, len(parts), len(streams), len(days), len(names), lost]
    for p in parts:
        args += [p.hour, p.pid, p.expected, p.expire, len(p.cells)]
    for stream in streams:
        args += stream
    for p in parts:
        for cell in p.cells.items():
            args += cell
    for name in names:
        args += name
    return keys + days, args


def commit(r, parts, streams, version, lost=0, cfg=CFG):
    return run(r, "commit", *commit_args(parts, streams, version, lost, cfg))


def everything(r):
    """The whole database, to show that a refusal wrote nothing."""
    return {key: (r.dump(key), r.expiretime(key)) for key in r.keys("*")}


def refused(r, *args, **kwargs):
    before = everything(r)
    answer = commit(r, *args, **kwargs)
    assert everything(r) == before
    return answer


S1, S2 = b"\x00\x01@{agent-one-------}\r\n;", b"\xff\xfeagent-two-----------\x00."
assert len(S1) == 24 and len(S2) == 24
V1, V2 = "1111111111111111", "2222222222222222"


def opened(r, *streams):
    return open_streams(r, *[(s, 0) for s in streams])[1:]


# ---- init -----------------------------------------------------------------------------------

def test_init_makes_a_partition_only_when_allowed(server):
    server.flushall()
    assert init(server) == [b"EMPTY"]
    assert server.keys("*") == []
    answer = init(server, auto="1", epoch="7")
    floor = hour_now(server) - RETENTION + 1
    assert answer[:3] == [b"OK", b"7", str(floor).encode()]
    assert abs(int(answer[3]) - server.time()[0]) <= 1
    assert server.hgetall(META) == {b"cfg": CFG.encode(), b"epoch": b"7",
                                    b"floor": str(floor).encode()}


def test_init_again_keeps_the_epoch_and_never_lowers_the_floor(r):
    floor = hour_now(r) - RETENTION + 1
    assert init(r, epoch="9")[1:3] == [b"1", str(floor).encode()]
    assert init(r, retention=24)[2] == str(floor - 24 + RETENTION).encode()
    assert init(r, retention=RETENTION)[2] == str(floor - 24 + RETENTION).encode()
    assert r.hget(META, "floor") == str(floor - 24 + RETENTION).encode()


def test_init_refuses_another_fleet(r):
    before = everything(r)
    assert init(r, cfg="99", auto="1") == [b"CONFIG", CFG.encode()]
    assert everything(r) == before


def test_wrong_argument_counts_are_errors(r):
    for name, keys, args in [("init", [META], [CFG]), ("open", [META, STREAMS], [CFG, S1, 0]),
                             ("confirm", [META], [CFG]), ("close", [META, STREAMS], [CFG, S1])]:
        with pytest.raises(redis.ResponseError, match="HOURGLASS"):
            run(r, name, keys, args)


# ---- open, confirm, close -------------------------------------------------------------------

def test_open_gives_an_unknown_stream_a_nonce_and_then_keeps_it(r):
    assert open_streams(r, (S1, 0), (S2, 41)) == [b"OK", b"0:n" + b"0" * 16,
                                                  b"41:n" + b"0" * 15 + b"1"]
    stored = r.hgetall(STREAMS)
    assert set(stored) == {S1, S2}
    assert stored[S1].startswith(b"0:n0000000000000000@")
    assert abs(int(stored[S1].split(b"@")[1]) - r.time()[0]) <= 1
    # In another order, with another base and nonce: what is stored holds.
    assert open_streams(r, (S2, 3), (S1, 9)) == [b"OK", b"41:n" + b"0" * 15 + b"1",
                                                 b"0:n" + b"0" * 16]
    assert r.hgetall(STREAMS) == stored


def test_open_answers_a_stream_named_twice_with_one_state(r):
    answer = open_streams(r, (S1, 0), (S1, 0))
    assert answer[1] == answer[2] == r.hget(STREAMS, S1).split(b"@")[0]


def test_open_of_more_streams_than_unpack_takes(r):
    streams = [(b"%024d" % i, i) for i in range(9000)]
    answer = open_streams(r, *streams)
    assert answer[0] == b"OK" and len(answer) == 9001
    assert answer[9000] == b"8999:n%016x" % 8999
    assert r.hlen(STREAMS) == 9000
    assert open_streams(r, *streams) == answer


def test_confirm_shows_states_and_writes(r):
    opened(r, S1)
    assert r.hget(META, "confirm") is None
    assert confirm(r, S2, S1) == [b"OK", b"", b"0:n" + b"0" * 16]
    assert abs(int(r.hget(META, "confirm")) - r.time()[0]) <= 1
    assert confirm(r) == [b"OK"]


def test_confirm_of_more_streams_than_unpack_takes(r):
    answer = confirm(r, *[b"%024d" % i for i in range(9000)])
    assert answer == [b"OK"] + [b""] * 9000


def test_another_fleet_can_neither_open_confirm_nor_close(r):
    before = everything(r)
    assert open_streams(r, (S1, 0), cfg="5") == [b"CONFIG", CFG.encode()]
    assert confirm(r, S1, cfg="5") == [b"CONFIG", CFG.encode()]
    assert run(r, "close", [META, STREAMS], ["5", S1, "x"]) == [b"CONFIG", CFG.encode()]
    assert everything(r) == before


def test_an_empty_redis_answers_no_call_with_ok(server):
    server.flushall()
    assert open_streams(server, (S1, 0)) == [b"CONFIG", b""]
    assert confirm(server, S1) == [b"CONFIG", b""]
    assert commit(server, [Part(hour_now(server), {"ca": "x"})], [(S1, "0:n1", "1:c1")], V1) \
        == [b"CONFIG", b""]
    assert server.keys("*") == []


def test_close_forgets_only_the_final_state(r):
    state = opened(r, S1, S2)
    assert run(r, "close", [META, STREAMS], [CFG, S1, "7:c0", S2, state[1]]) == [b"OK", b"1"]
    assert set(r.hgetall(STREAMS)) == {S1}
    assert run(r, "close", [META, STREAMS], [CFG, S2, ""]) == [b"OK", b"0"]


# ---- commit ---------------------------------------------------------------------------------

def test_commit_writes_streams_manifest_cells_names_and_expiry(r):
    now, state = hour_now(r), opened(r, S1, S2)
    r.hset(day_manifest(now), "x", "y")
    answer = commit(r, [Part(now, {"ca": b"\x00\x01", "db": "2"}),
                        Part(now - 1, {"ca": "3"}, pid=PID2)],
                    [(S1, state[0], "1:c1"), (S2, state[1], "2:c2")], V1, lost=5)
    assert answer == [b"OK"]
    assert r.hget(STREAMS, S1).startswith(b"1:c1@")
    assert abs(int(r.hget(STREAMS, S2).split(b"@")[1]) - r.time()[0]) <= 1
    assert r.hgetall(manifest(now)) == {PID.encode(): V1.encode()}
    assert r.hgetall(manifest(now - 1)) == {PID2.encode(): V1.encode()}
    assert r.hgetall(cells_key(now, PID)) == {b"ca": b"\x00\x01", b"db": b"2"}
    assert r.hgetall(cells_key(now - 1, PID2)) == {b"ca": b"3"}
    for key in (manifest(now), cells_key(now, PID)):
        assert r.expiretime(key) == (now + 1 + RETENTION) * 3600
    assert {n for n, _ in r.zscan_iter(NAMES_FIRST)} == {b"ca", b"db"}
    assert abs(r.zscore(NAMES_FIRST, "ca") - r.time()[0]) <= 1
    assert r.zscore(NAMES_LAST, "ca") == now and r.zscore(NAMES_LAST, "db") == now
    assert r.exists(day_manifest(now)) == 0
    assert r.hget(META, "lost") == b"5"


def test_next_commit_builds_on_the_version_before(r):
    now, state = hour_now(r), opened(r, S1)[0]
    assert commit(r, [Part(now, {"ca": "1"})], [(S1, state, "1:c1")], V1) == [b"OK"]
    assert commit(r, [Part(now, {"ca": "2", "cb": "1"}, expected=V1)],
                  [(S1, "1:c1", "2:c2")], V2) == [b"OK"]
    assert r.hgetall(cells_key(now, PID)) == {b"ca": b"2", b"cb": b"1"}
    assert r.hget(manifest(now), PID) == V2.encode()


def test_names_keep_their_first_second_and_their_last_hour(r):
    now, state = hour_now(r), opened(r, S1)[0]
    r.zadd(NAMES_FIRST, {"ca": 100})
    r.zadd(NAMES_LAST, {"ca": now, "cb": now - 9})
    commit(r, [Part(now - 3, {"ca": "1", "cb": "1"})], [(S1, state, "1:c1")], V1)
    assert r.zscore(NAMES_FIRST, "ca") == 100
    assert r.zscore(NAMES_LAST, "ca") == now
    assert r.zscore(NAMES_LAST, "cb") == now - 3


def test_cells_already_named_are_not_named_again(r):
    now, state = hour_now(r), opened(r, S1)[0]
    commit(r, [Part(now, {"ca": "1"}, named=False)], [(S1, state, "1:c1")], V1)
    assert r.exists(NAMES_FIRST, NAMES_LAST) == 0


def test_identical_retry_is_ok_and_changes_nothing(r):
    now, state = hour_now(r), opened(r, S1)[0]
    args = ([Part(now, {"ca": "1"}), Part(now - 1, {"ca": "1"}, pid=PID2)],
            [(S1, state, "1:c1")], V1)
    assert commit(r, *args, lost=3) == [b"OK"]
    assert refused(r, *args, lost=3) == [b"OK"]
    assert r.hget(META, "lost") == b"3"


def test_altered_retry_is_never_taken_for_the_same(r):
    now, state = hour_now(r), opened(r, S1)[0]
    commit(r, [Part(now, {"ca": "1"})], [(S1, state, "1:c1")], V1)
    assert refused(r, [Part(now, {"ca": "9"})], [(S1, state, "1:c1")], V2) == [b"LOST"]


def test_retry_after_the_partial_moved_on_is_lost(r):
    now, state = hour_now(r), opened(r, S1)[0]
    first = ([Part(now, {"ca": "1"})], [(S1, state, "1:c1")], V1)
    commit(r, *first)
    commit(r, [Part(now, {"ca": "2"}, expected=V1)], [(S1, "1:c1", "2:c2")], V2)
    assert refused(r, *first) == [b"LOST"]


@pytest.mark.parametrize("stored,expected", [(None, V1), (V2, V1), (V2, "")])
def test_a_partial_not_as_expected_is_lost(r, stored, expected):
    now, state = hour_now(r), opened(r, S1)[0]
    if stored:
        r.hset(manifest(now), PID, stored)
    assert refused(r, [Part(now, {"ca": "1"}, expected=expected)],
                   [(S1, state, "1:c1")], "3" * 16) == [b"LOST"]


def test_one_of_two_partials_already_new_is_lost(r):
    now, state = hour_now(r), opened(r, S1)[0]
    r.hset(manifest(now), PID, V1)
    assert refused(r, [Part(now, {"ca": "1"}), Part(now - 1, {"ca": "1"})],
                   [(S1, state, "1:c1")], V1) == [b"LOST"]


def test_other_relays_partials_do_not_matter(r):
    now, state = hour_now(r), opened(r, S1)[0]
    r.hset(manifest(now), PID2, V2)
    assert commit(r, [Part(now, {"ca": "1"})], [(S1, state, "1:c1")], V1) == [b"OK"]
    assert r.hgetall(manifest(now)) == {PID.encode(): V1.encode(), PID2.encode(): V2.encode()}


def test_conflict_names_each_stream_that_differs_with_what_is_stored(r):
    now, state = hour_now(r), opened(r, S1)[0]
    answer = refused(r, [Part(now, {"ca": "1"})],
                     [(S1, "7:c7", "8:c8"), (S2, "1:c1", "2:c2")], V1)
    assert answer == [b"CONFLICT", S1, state, S2, b""]


def test_one_stale_stream_stops_the_whole_commit(r):
    now, state = hour_now(r), opened(r, S1, S2)
    answer = refused(r, [Part(now, {"ca": "1"})],
                     [(S1, state[0], "1:c1"), (S2, "5:c5", "6:c6")], V1)
    assert answer == [b"CONFLICT", S2, state[1]]


def test_absent_never_matches(r):
    now = hour_now(r)
    with pytest.raises(redis.ResponseError, match="HOURGLASS commit: state"):
        refused(r, [Part(now, {"ca": "1"})], [(S1, "", "1:c1")], V1)
    assert refused(r, [Part(now, {"ca": "1"})], [(S1, "0:n00", "1:c1")], V1) \
        == [b"CONFLICT", S1, b""]


def test_states_are_compared_whole(r):
    now = hour_now(r)
    r.hset(STREAMS, S1, "1:c10@123")
    for other in ("1:c1", "1:c100", "1:c10@123", "11:c10"):
        assert refused(r, [Part(now, {"ca": "1"})], [(S1, other, "2:c2")], V1) \
            == [b"CONFLICT", S1, b"1:c10"]
    assert commit(r, [Part(now, {"ca": "1"})], [(S1, "1:c10", "2:c2")], V1) == [b"OK"]


def test_floor_is_checked_before_all_else_but_the_fleet(r):
    floor = int(r.hget(META, "floor"))
    parts = [Part(floor, {"ca": "1"}), Part(floor - 1, {"ca": "1"})]
    assert refused(r, parts, [(S1, "1:c1", "2:c2")], V1) == [b"FLOOR", str(floor).encode()]
    assert refused(r, parts, [(S1, "1:c1", "2:c2")], V1, cfg="8") == [b"CONFIG", CFG.encode()]


def test_the_floor_itself_can_be_written_and_never_expires_at_once(r):
    floor, state = int(r.hget(META, "floor")), opened(r, S1)[0]
    assert commit(r, [Part(floor, {"ca": "1"}, expire=12345)], [(S1, state, "1:c1")], V1) \
        == [b"OK"]
    assert r.hget(cells_key(floor, PID), "ca") == b"1"
    assert r.expiretime(manifest(floor)) >= r.time()[0] + 3599
    assert r.expiretime(cells_key(floor, PID)) >= r.time()[0] + 3599


def test_a_commit_without_hours_moves_streams_and_counts_the_loss_once(r):
    state = opened(r, S1)[0]
    args = ([], [(S1, state, "1:c1")], V1)
    assert commit(r, *args, lost=9) == [b"OK"]
    assert commit(r, *args, lost=9) == [b"OK"]
    assert r.hget(META, "lost") == b"9"
    assert refused(r, [], [(S1, state, "1:c2")], V2, lost=1) == [b"CONFLICT", S1, b"1:c1"]


def test_loss_saturates_instead_of_failing_after_writes(r):
    state = opened(r, S1)[0]
    assert commit(r, [], [(S1, state, "1:c1")], V1, lost=2 ** 53) == [b"OK"]
    assert commit(r, [], [(S1, "1:c1", "2:c2")], V2, lost=2 ** 64 - 1) == [b"OK"]
    assert int(r.hget(META, "lost")) == 2 ** 53
    r.hset(META, "lost", "rubbish")
    assert commit(r, [], [(S1, "2:c2", "3:c3")], V1, lost=2) == [b"OK"]
    assert r.hget(META, "lost") == b"2"


def test_more_of_everything_than_unpack_takes(r):
    now = hour_now(r)
    streams = [b"%024d" % i for i in range(9001)]
    states = open_streams(r, *[(s, 0) for s in streams])[1:]
    cells = {f"c{i}": str(i) for i in range(9001)}
    parts = [Part(now, cells), Part(now - 1, {f"d{i}": str(i) for i in range(2000)}, pid=PID2)]
    moves = [(s, states[i], f"1:c{i}") for i, s in enumerate(streams)]
    assert commit(r, parts, moves, V1) == [b"OK"]
    assert r.hlen(cells_key(now, PID)) == 9001
    assert r.hget(cells_key(now, PID), "c9000") == b"9000"
    assert r.hget(cells_key(now - 1, PID2), "d1999") == b"1999"
    assert r.zcard(NAMES_FIRST) == r.zcard(NAMES_LAST) == 11001
    assert r.hget(STREAMS, streams[9000]).startswith(b"1:c9000@")
    assert refused(r, parts, moves, V1) == [b"OK"]
    answer = refused(r, [Part(now - 2, {"ca": "1"})], moves, V2)
    assert answer[0] == b"CONFLICT" and len(answer) == 1 + 2 * 9001


def small(count, what=b"v"):
    return {b"dsmall.%d" % i: what for i in range(count)}


def test_a_larger_partial_is_no_list_for_redis_to_look_through(r):
    """Small values in a list of 500: three quarters of a commit would be spent on finding fields in it."""
    opened(r, S1)
    hour = hour_now(r)
    commit(r, [Part(hour, small(256)), Part(hour - 1, small(257))], [(S1, "0:n" + "0" * 16, "1:ca")], V1)
    assert r.object("encoding", cells_key(hour, PID)) == b"listpack"
    assert r.object("encoding", cells_key(hour - 1, PID)) == b"hashtable"
    assert r.hgetall(cells_key(hour - 1, PID)) == small(257)


def test_a_partial_that_is_a_list_again_is_made_a_table_by_its_next_commit(r):
    """As after Redis has read it from a dump; here because it grew by less than that at a time."""
    opened(r, S1)
    hour = hour_now(r)
    key = cells_key(hour, PID)
    commit(r, [Part(hour, small(200))], [(S1, "0:n" + "0" * 16, "1:ca")], V1)
    more = {b"dmore.%d" % i: b"v" for i in range(200)}
    commit(r, [Part(hour, more, expected=V1)], [(S1, "1:ca", "2:cb")], V2)
    assert r.object("encoding", key) == b"listpack" and r.hlen(key) == 400
    changed = {b"dsmall.1": b"w"}
    commit(r, [Part(hour, changed, expected=V2, named=False)], [(S1, "2:cb", "3:cc")], "3" * 16)
    assert r.object("encoding", key) == b"hashtable"
    assert r.hgetall(key) == {**small(200), **more, **changed}


@pytest.mark.parametrize("key", ["meta", "streams", "nf", "nl", "manifest", "cells"])
def test_a_key_of_a_foreign_type_is_an_error_before_any_write(r, key):
    now, state = hour_now(r), opened(r, S1)[0]
    name = {"meta": META, "streams": STREAMS, "nf": NAMES_FIRST, "nl": NAMES_LAST,
            "manifest": manifest(now), "cells": cells_key(now, PID)}[key]
    r.delete(name)
    r.set(name, "text")
    with pytest.raises(redis.ResponseError):
        refused(r, [Part(now, {"ca": "1"})], [(S1, state, "1:c1")], V1)
    before = everything(r)
    with pytest.raises(redis.ResponseError):
        commit(r, [Part(now, {"ca": "1"})], [(S1, state, "1:c1")], V1)
    assert everything(r) == before


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_arguments_that_do_not_add_up_are_an_error(r, cut):
    now, state = hour_now(r), opened(r, S1)[0]
    keys, args = commit_args([Part(now, {"ca": "1"})], [(S1, state, "1:c1")], V1)
    before = everything(r)
    with pytest.raises(redis.ResponseError, match="HOURGLASS"):
        run(r, "commit", keys, args[:-cut])
    with pytest.raises(redis.ResponseError, match="HOURGLASS"):
        run(r, "commit", keys + ["hg:{p0.0}:x"] * cut, args)
    assert everything(r) == before


def test_a_name_without_an_hour_is_an_error_before_anything_is_written(r):
    now, state = hour_now(r), opened(r, S1)[0]
    keys, args = commit_args([Part(now, {"ca": "1"})], [(S1, state, "1:c1")], V1)
    before = everything(r)
    with pytest.raises(redis.ResponseError, match="HOURGLASS commit: name"):
        run(r, "commit", keys, args[:-1] + ["x"])
    assert everything(r) == before


def test_a_full_redis_refuses_the_commit_whole(r):
    now, state = hour_now(r), opened(r, S1)[0]
    before = everything(r)
    r.config_set("maxmemory", 1)
    with pytest.raises(redis.ResponseError, match="OOM|maxmemory"):
        commit(r, [Part(now, {"ca": "1"})], [(S1, state, "1:c1")], V1)
    r.config_set("maxmemory", 0)
    assert everything(r) == before
    assert commit(r, [Part(now, {"ca": "1"})], [(S1, state, "1:c1")], V1) == [b"OK"]


def test_every_script_declares_itself_in_its_first_line():
    names = sorted(p.stem for p in SCRIPTS.glob("*.lua"))
    assert names == ["close", "commit", "confirm", "forget", "gather", "init", "open", "roll",
                     "stage", "survey", "swap", "sweep"]
    for name in names:
        first, second = (SCRIPTS / f"{name}.lua").read_text().split("\n")[:2]
        assert first in ("#!lua", "#!lua flags=no-writes") and second.startswith(f"-- {name}: ")
