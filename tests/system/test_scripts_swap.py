# SPDX-License-Identifier: Apache-2.0
"""The scripts of compaction, days and sweep against a real redis-server (proto/KEYS.md).

As in test_scripts.py each test starts from an empty database and spells the arguments a second
time, independently of relay/compact_job.c."""
import pytest
import redis

from test_scripts import (CFG, META, NAMES_FIRST, NAMES_LAST, PID, PID2, S1, S2, STREAMS, TAG, V1,
                          V2, Part, cells_key, commit, day_manifest, everything, hour_now,
                          hour_text, manifest, opened, r, run, server)  # noqa: F401: fixtures

TEMPORARY = f"hg:{TAG}:t:0000000000000001"
NEW, NEWV = "00000000000000cc", "9" * 16
FAR = 10 ** 7  # a floor that is never reached


def day_cells(hour):
    return f"hg:{TAG}:dc:{hour_text(hour)[:10]}"


def survey(r, hours, limit=0, cfg=CFG):
    return run(r, "survey", [META, *map(manifest, hours)], [cfg, limit])


def gather(r, hour_pids, which, cursor=0, count=100, versions=None):
    keys = [key for hour, pid in hour_pids for key in (manifest(hour), cells_key(hour, pid))]
    versions = versions or [V1] * len(hour_pids)
    pairs = [x for (_, pid), version in zip(hour_pids, versions) for x in (pid, version)]
    return run(r, "gather", keys, [which, cursor, count, *pairs])


def stage(r, cells, ttl=300):
    return run(r, "stage", [TEMPORARY], [ttl, *[x for cell in cells.items() for x in cell]])


def swap(r, hour, sources, size, cfg=CFG, until=FAR, expire=None, pid=NEW):
    expire = expire if expire is not None else (hour + 1000) * 3600
    return run(r, "swap", [META, manifest(hour), day_manifest(hour), TEMPORARY,
                           cells_key(hour, pid), *[cells_key(hour, p) for p, _ in sources]],
               [cfg, until, pid, NEWV, size, expire, *[x for s in sources for x in s]])


def roll(r, day, sources, size, cfg=CFG, until=FAR, expire=None):
    """sources: hour -> (pid, version)."""
    hours = range(day * 24, day * 24 + 24)
    expire = expire if expire is not None else (day + 400) * 86400
    return run(r, "roll", [META, day_manifest(day * 24), TEMPORARY, day_cells(day * 24),
                           *map(manifest, hours)],
               [cfg, until, NEW, NEWV, size, expire,
                *[x for hour in hours for x in sources.get(hour, ("", ""))]])


def sweep(r, cursor=0, count=100, idle=30 * 86400, cfg=CFG):
    return run(r, "sweep", [META, STREAMS, NAMES_FIRST, NAMES_LAST], [cfg, cursor, count, idle])


@pytest.fixture
def two(r):
    """An hour of two partials: (r, hour)."""
    hour, state = hour_now(r), opened(r, S1, S2)
    assert commit(r, [Part(hour, {"ca": "1", "cb": "2"})], [(S1, state[0], "1:c1")], V1) == [b"OK"]
    assert commit(r, [Part(hour, {"cb": "3", "cc": "4"}, pid=PID2)],
                  [(S2, state[1], "1:c1")], V1) == [b"OK"]
    return r, hour


BOTH = [(PID, V1), (PID2, V1)]
MERGED = {"ca": "1", "cb": "5", "cc": "4"}


def refused(r, call):
    before = everything(r)
    answer = call()
    assert everything(r) == before
    return answer


# ---- survey ---------------------------------------------------------------------------------

def test_survey_counts_partials_and_lists_as_many_as_are_wanted(two):
    r, hour = two
    floor = r.hget(META, "floor")
    assert survey(r, [hour, hour - 1]) == [b"OK", floor, b"2", b"0", b"0", b"0"]
    one = survey(r, [hour], limit=1)
    assert one[:4] == [b"OK", floor, b"2", b"1"] and one[4] in (PID.encode(), PID2.encode())
    both = survey(r, [hour - 1, hour], limit=9)
    assert both[:6] == [b"OK", floor, b"0", b"0", b"2", b"2"]
    assert dict(zip(both[6::2], both[7::2])) == {PID.encode(): V1.encode(), PID2.encode(): V1.encode()}


def test_survey_of_another_fleets_store(two):
    assert survey(two[0], [two[1]], cfg="5") == [b"CONFIG", CFG.encode()]


# ---- gather ---------------------------------------------------------------------------------

def test_gather_shows_each_field_once_with_what_all_sources_have(two):
    r, hour = two
    sources = [(hour, PID), (hour, PID2)]
    first = gather(r, sources, 1)
    assert first[:2] == [b"OK", b"0"]
    rows = {first[i]: first[i + 1:i + 3] for i in range(2, len(first), 3)}
    assert rows == {b"ca": [b"1", b""], b"cb": [b"2", b"3"]}
    assert gather(r, sources, 2) == [b"OK", b"0", b"cc", b"", b"4"]


def test_gather_of_a_source_that_changed_shows_nothing(two):
    r, hour = two
    sources = [(hour, PID), (hour, PID2)]
    assert gather(r, sources, 1, versions=[V1, V2]) == [b"LOST"]
    r.hdel(manifest(hour), PID2)
    assert gather(r, sources, 1) == [b"LOST"]


def test_gather_goes_through_a_large_partial_piece_by_piece(r):
    hour, state = hour_now(r), opened(r, S1, S2)
    cells = {f"c{i}": str(i) for i in range(5000)}
    commit(r, [Part(hour, cells)], [(S1, state[0], "1:c1")], V1)
    commit(r, [Part(hour, {"c7": "x", "c5001": "y"}, pid=PID2)], [(S2, state[1], "1:c1")], V1)
    seen, pieces = {}, 0
    for which in (1, 2):
        cursor = 0
        while True:
            answer = gather(r, [(hour, PID), (hour, PID2)], which, cursor, 100)
            assert answer[0] == b"OK" and len(answer) < 2 + 3 * 1000
            pieces += 1
            for i in range(2, len(answer), 3):
                seen[answer[i]] = (answer[i + 1], answer[i + 2])
            cursor = int(answer[1])
            if cursor == 0:
                break
    assert pieces > 40 and len(seen) == 5001
    assert seen[b"c7"] == (b"7", b"x") and seen[b"c5001"] == (b"", b"y")


def test_gather_takes_a_piece_larger_than_unpack(r):
    hour, state = hour_now(r), opened(r, S1, S2)
    cells = {f"c{i}": str(i) for i in range(9000)}
    commit(r, [Part(hour, cells)], [(S1, state[0], "1:c1")], V1)
    commit(r, [Part(hour, cells, pid=PID2)], [(S2, state[1], "1:c1")], V1)
    answer = gather(r, [(hour, PID), (hour, PID2)], 1, 0, 100000)
    assert answer[1] == b"0" and len(answer) == 2 + 3 * 9000
    assert gather(r, [(hour, PID), (hour, PID2)], 2, 0, 100000) == [b"OK", b"0"]


# ---- stage ----------------------------------------------------------------------------------

def test_stage_says_what_was_new_and_never_leaves_a_key_without_an_end(r):
    assert stage(r, {"ca": "1", "cb": "2"}) == [b"OK", b"2"]
    assert 290 < r.ttl(TEMPORARY) <= 300
    assert stage(r, {"cb": "5", "cc": "4"}, ttl=1000) == [b"OK", b"1"]
    assert r.hgetall(TEMPORARY) == {b"ca": b"1", b"cb": b"5", b"cc": b"4"}
    assert 990 < r.ttl(TEMPORARY) <= 1000
    assert stage(r, {f"c{i}": "x" for i in range(9001)}) == [b"OK", b"9001"]


# ---- swap -----------------------------------------------------------------------------------

def test_swap_puts_one_partial_in_the_place_of_its_sources(two):
    r, hour = two
    r.hset(day_manifest(hour), "x", "y")
    r.hset(manifest(hour), "00000000000000dd", V2)  # of somebody else: stays
    stage(r, MERGED)
    expire = (hour + 900) * 3600
    assert swap(r, hour, BOTH, 3, expire=expire) == [b"OK"]
    assert r.hgetall(manifest(hour)) == {NEW.encode(): NEWV.encode(), b"00000000000000dd": V2.encode()}
    assert r.hgetall(cells_key(hour, NEW)) == {k.encode(): v.encode() for k, v in MERGED.items()}
    assert r.exists(TEMPORARY, cells_key(hour, PID), cells_key(hour, PID2), day_manifest(hour)) == 0
    assert r.expiretime(cells_key(hour, NEW)) == r.expiretime(manifest(hour)) == expire


def test_swap_of_all_partials_keeps_the_manifests_end(two):
    r, hour = two
    stage(r, MERGED)
    assert swap(r, hour, BOTH, 3, expire=1) == [b"OK"]
    assert r.ttl(manifest(hour)) > 3590 and r.ttl(cells_key(hour, NEW)) > 3590


def test_a_relay_whose_partial_was_swapped_is_told_lost(two):
    r, hour = two
    stage(r, MERGED)
    swap(r, hour, BOTH, 3)
    assert refused(r, lambda: commit(r, [Part(hour, {"ca": "2"}, expected=V1)],
                                     [(S1, "1:c1", "2:c2")], V2)) == [b"LOST"]
    # Also one that never heard that its first commit was in.
    assert refused(r, lambda: commit(r, [Part(hour, {"ca": "1", "cb": "2"})],
                                     [(S1, "0:n0", "1:c1")], V1))[0] == b"CONFLICT"


@pytest.mark.parametrize("stored", [V2, None])
def test_swap_of_a_source_that_changed_is_refused(two, stored):
    r, hour = two
    stage(r, MERGED)
    if stored:
        r.hset(manifest(hour), PID2, stored)
    else:
        r.hdel(manifest(hour), PID2)
    assert refused(r, lambda: swap(r, hour, BOTH, 3)) == [b"LOST", b"source"]


def test_swap_refuses_a_temporary_that_lost_a_piece_or_is_gone(two):
    r, hour = two
    stage(r, MERGED)
    r.hdel(TEMPORARY, "cb")
    assert refused(r, lambda: swap(r, hour, BOTH, 3)) == [b"LOST", b"size"]
    r.delete(TEMPORARY)
    assert refused(r, lambda: swap(r, hour, BOTH, 3)) == [b"LOST", b"size"]


def test_of_two_swaps_the_second_is_refused(two):
    r, hour = two
    stage(r, MERGED)
    assert swap(r, hour, BOTH, 3) == [b"OK"]
    stage(r, MERGED)
    assert refused(r, lambda: swap(r, hour, BOTH, 3)) == [b"LOST", b"source"]


def test_swap_never_takes_a_name_that_is_in_use(two):
    r, hour = two
    stage(r, MERGED)
    r.hset(cells_key(hour, NEW), "x", "y")
    assert refused(r, lambda: swap(r, hour, BOTH, 3)) == [b"LOST", b"name"]


def test_swap_below_the_floor_or_of_another_fleet(two):
    r, hour = two
    stage(r, MERGED)
    floor = r.hget(META, "floor")
    assert refused(r, lambda: swap(r, hour, BOTH, 3, until=int(floor) - 1)) == [b"FLOOR", floor]
    assert refused(r, lambda: swap(r, hour, BOTH, 3, cfg="5")) == [b"CONFIG", CFG.encode()]
    assert swap(r, hour, BOTH, 3, until=int(floor)) == [b"OK"]


def test_swap_and_roll_without_fields_are_errors(two):
    r, hour = two
    with pytest.raises(redis.ResponseError, match="HOURGLASS swap"):
        swap(r, hour, BOTH, 0)
    with pytest.raises(redis.ResponseError, match="HOURGLASS roll"):
        roll(r, hour // 24, {}, 0)


# ---- roll -----------------------------------------------------------------------------------

@pytest.fixture
def day(r):
    """A day with two hours of one partial each: (r, day, sources)."""
    today = hour_now(r) // 24
    first, state = (today - 2) * 24, opened(r, S1)[0]
    assert commit(r, [Part(first + 3, {"ca": "1"}), Part(first + 20, {"cb": "2"}, pid=PID2)],
                  [(S1, state, "1:c1")], V1) == [b"OK"]
    return r, today - 2, {first + 3: (PID, V1), first + 20: (PID2, V1)}


def test_roll_makes_a_day_and_leaves_its_hours(day):
    r, number, sources = day
    hours = {key: r.hgetall(key) for key in map(manifest, sources)}
    r.hset(day_cells(number * 24), "stale", "x")
    stage(r, {"ca": "1", "cb": "2"})
    expire = (number + 400) * 86400
    assert roll(r, number, sources, 2, expire=expire) == [b"OK"]
    assert r.hgetall(day_manifest(number * 24)) == {NEW.encode(): NEWV.encode()}
    assert r.hgetall(day_cells(number * 24)) == {b"ca": b"1", b"cb": b"2"}
    assert r.expiretime(day_cells(number * 24)) == expire
    assert r.expiretime(day_manifest(number * 24)) == expire
    assert {key: r.hgetall(key) for key in hours} == hours and not r.exists(TEMPORARY)


def test_a_commit_into_a_rolled_day_makes_it_uncounted(day):
    r, number, sources = day
    stage(r, {"ca": "1", "cb": "2"})
    roll(r, number, sources, 2)
    commit(r, [Part(number * 24 + 7, {"cc": "1"}, pid="e" * 16)], [(S1, "1:c1", "2:c2")], V2)
    assert not r.exists(day_manifest(number * 24))


@pytest.mark.parametrize("change", ["another", "more", "moved", "gone"])
def test_roll_of_hours_that_changed_is_refused(day, change):
    r, number, sources = day
    stage(r, {"ca": "1", "cb": "2"})
    first = number * 24
    if change == "another":
        r.hset(manifest(first + 8), "e" * 16, V1)
    elif change == "more":
        r.hset(manifest(first + 3), "e" * 16, V1)
    elif change == "moved":
        r.hset(manifest(first + 3), PID, V2)
    else:
        r.delete(manifest(first + 20))
    assert refused(r, lambda: roll(r, number, sources, 2)) == [b"LOST", b"source"]


def test_roll_refuses_a_torn_temporary_the_floor_and_another_fleet(day):
    r, number, sources = day
    stage(r, {"ca": "1"})
    floor = r.hget(META, "floor")
    assert refused(r, lambda: roll(r, number, sources, 2)) == [b"LOST", b"size"]
    assert refused(r, lambda: roll(r, number, sources, 1, until=int(floor) - 1)) == [b"FLOOR", floor]
    assert refused(r, lambda: roll(r, number, sources, 1, cfg="5")) == [b"CONFIG", CFG.encode()]


# ---- sweep, forget --------------------------------------------------------------------------

def test_sweep_forgets_idle_streams_only(r):
    now = r.time()[0]
    r.hset(STREAMS, S1, f"9:c{'1' * 16}@{now - 31 * 86400}")
    r.hset(STREAMS, S2, f"9:c{'1' * 16}@{now - 29 * 86400}")
    r.hset(STREAMS, b"x" * 24, "no time at all")
    assert sweep(r) == [b"OK", b"0", b"1", b"0"]
    assert set(r.hgetall(STREAMS)) == {S2, b"x" * 24}


def test_sweep_goes_through_many_streams_in_pieces(r):
    for first in range(0, 3000, 500):
        r.hset(STREAMS, mapping={b"%024d" % i: "1:c0@1000" for i in range(first, first + 500)})
    cursor, calls, forgotten = 0, 0, 0
    while True:
        _, cursor, streams, _ = sweep(r, cursor)
        calls, forgotten = calls + 1, forgotten + int(streams)
        if int(cursor) == 0:
            break
    assert calls > 10 and forgotten == 3000 and r.hlen(STREAMS) == 0


def test_sweep_forgets_names_whose_last_hour_is_below_the_floor(r):
    floor = int(r.hget(META, "floor"))
    r.zadd(NAMES_LAST, {"ca": floor, "cb": floor - 1, "cc": floor - 500})
    r.zadd(NAMES_FIRST, {"ca": 1, "cb": 2, "cc": 3})
    assert sweep(r, count=1) == [b"OK", b"0", b"0", b"1"]
    assert sweep(r) == [b"OK", b"0", b"0", b"1"]
    assert r.zrange(NAMES_LAST, 0, -1) == r.zrange(NAMES_FIRST, 0, -1) == [b"ca"]


def test_sweep_of_another_fleet_forgets_nothing(r):
    r.hset(STREAMS, S1, "1:c0@1")
    assert refused(r, lambda: sweep(r, cfg="5")) == [b"CONFIG", CFG.encode()]


def test_forget_takes_agents_not_seen_for_long(r):
    now = r.time()[0] * 1000
    r.hset("hg:{agents}", mapping={"a": f"{now} {now - 10000} 0 h", "b": f"{now} {now - 5000} 1 h",
                                   "c": "rubbish"})
    assert run(r, "forget", ["hg:{agents}"], [0, 100, 7000]) == [b"OK", b"0", b"1"]
    assert set(r.hgetall("hg:{agents}")) == {b"b", b"c"}


def test_a_full_redis_can_still_be_read_but_not_staged(two):
    r, hour = two
    r.config_set("maxmemory", 1)
    assert gather(r, [(hour, PID), (hour, PID2)], 1)[0] == b"OK"
    with pytest.raises(redis.ResponseError, match="OOM|maxmemory"):
        stage(r, {"ca": "1"})
    r.config_set("maxmemory", 0)
    assert not r.exists(TEMPORARY)
