"""A Redis that runs out of memory: first new series go to overflow, then nothing is taken, then there is room."""
from conftest import ask, metrics, send, total, wait_count, wait_for

OVERFLOWED = 'hourglass_agent_samples_overflowed_total{limit="store_full"}'


def used(redis):
    """What Redis compares with maxmemory."""
    info = redis.info("memory")
    return info["used_memory"] - info["mem_not_counted_for_evict"]


def retries(relays):
    return sum(total(relay, "hourglass_relay_commit_retries_total") for relay in relays)


def set_share(redis, percent):
    """Makes what is used so many per cent of maxmemory."""
    redis.config_set("maxmemory", used(redis) * 100 // percent)


def test_a_full_redis_takes_known_series_then_none_and_then_all(stack):
    stack.start_redis()
    relays = [stack.start_relay(name) for name in ("relay-1", "relay-2")]
    agent, other = (stack.start_agent(relays, name) for name in ("agent", "other"))
    queryd = stack.start_queryd()
    redis = stack.redis()
    agents = (agent, other)
    for one in agents:
        send(one, "app.known:1|ms")
    wait_count(queryd, "app.known", 2)

    # Little room: every agent is told; what is known counts as ever, the rest under overflow.
    set_share(redis, 85)
    wait_for(lambda: all(metrics(r)["hourglass_relay_store_full"] == 1 for r in relays), "all see it")
    wait_for(lambda: all(metrics(a)["hourglass_agent_store_full"] == 1 for a in agents), "all are told")
    assert all("store_full" in process.log() for process in (*agents, *relays))
    for one in agents:
        send(one, "app.known:2|ms")
        send(one, "app.fresh:5|ms\napp.other:7|ms")
    wait_count(queryd, "app.known", 4)
    wait_count(queryd, "hourglass.overflow;prefix=app", 4)
    assert ask(queryd, "hourglass.overflow;prefix=app", "sum")[1]["value"] == 24
    assert ask(queryd, "app.fresh", "count")[0] == 404
    assert all(metrics(a)[OVERFLOWED] == 2 for a in agents)

    # None: the same commit is tried again, and agents keep what they have.
    redis.config_set("maxmemory", used(redis) // 2)
    tried = retries(relays)
    for one in agents:
        send(one, "app.known:3|ms")
    wait_for(lambda: retries(relays) > tried + 3, "commits are tried again")
    wait_for(lambda: all(metrics(a)["hourglass_agent_samples_undelivered"] >= 1 for a in agents),
             "agents keep what is not committed")
    assert ask(queryd, "app.known", "count")[1]["count"] == 4

    # Room again: all that was kept is there once, and what is new is begun.
    redis.config_set("maxmemory", 0)
    wait_count(queryd, "app.known", 6)
    assert ask(queryd, "app.known", "sum")[1]["value"] == 12
    wait_for(lambda: all(metrics(a)["hourglass_agent_store_full"] == 0 for a in agents), "all are told")
    for one in agents:
        send(one, "app.fresh:11|ms")
    wait_count(queryd, "app.fresh", 2)
    assert ask(queryd, "hourglass.overflow;prefix=app", "count")[1]["count"] == 4
    assert all(metrics(a)[OVERFLOWED] == 2 for a in agents)
