"""What a dashboard costs that asks for the same panels again and again: queryd with a cache and one without, same run.

Each panel shows ten keys over its hours: half of the panels as Grafana draws them (/render), half merged (/v1/query).
Between two refreshes an agent sends to all keys, so the hour that runs is another one each time.
"""
import time

from answers import fill
from machine import cpu_seconds
from names import Client
from conftest import Stack, metrics, send, total, wait_for

PANELS, KEYS = 20, 10


def panels(hours):
    return [(f"/v1/query?match=d.p{n}.k*&stat=p99&from=-{hours}h" if n % 2 else
             f"/render?target=d.p{n}.*.p99&from=-{hours}h&maxDataPoints={hours + 1}") for n in range(PANELS)]


def redis_cpu(stack):
    used = stack.redis().info("cpu")
    return used["used_cpu_user"] + used["used_cpu_sys"]


def refreshes(stack, agent, queryd, hours, times):
    """One line: what a refresh takes once all was asked for once."""
    client, took, rates, spent = Client(queryd), [], [], [0, 0, 0]
    for path in panels(hours):
        client.ask(path)
    for _ in range(times):
        send(agent, "\n".join(f"d.p{p}.k{k}:{p}|ms" for p in range(PANELS) for k in range(KEYS)))
        time.sleep(1)  # past a commit, which others' figures should not pay for
        before, seen = (cpu_seconds(queryd), redis_cpu(stack)), metrics(queryd)
        for path in panels(hours):
            took.append(client.ask(path) * 1e3)
        now = metrics(queryd)
        spent[0] += cpu_seconds(queryd) - before[0]
        spent[1] += redis_cpu(stack) - before[1]
        spent[2] += now["hourglass_queryd_cells_read_total"] - seen["hourglass_queryd_cells_read_total"]
        counts = [now[f"hourglass_queryd_cache_{n}_total"] - seen[f"hourglass_queryd_cache_{n}_total"]
                  for n in ("hits", "misses", "stale", "passed")]
        rates.append(counts[0] / max(sum(counts), 1))
    took.sort()
    print(f"  {PANELS} panels of {KEYS} keys x {hours} hours, {queryd.name}: a panel p50 {took[len(took) // 2]:.1f} ms, "
          f"p99 {took[int(len(took) * 0.99)]:.1f} ms; a refresh {spent[0] / times * 1e3:.0f} ms of queryd's CPU, "
          f"{spent[1] / times * 1e3:.0f} of Redis', {spent[2] / times:,.0f} cells read; "
          f"{sum(rates) / len(rates):.1%} of hours from the cache", flush=True)


def bench_dashboard(seconds):
    """A day and a week, with a cache and without."""
    stack, this_hour = Stack(), int(time.time()) // 3600
    try:
        stack.start_redis("--appendonly", "no")
        agent = stack.start_agent([stack.start_relay()])
        for panel in range(PANELS):
            fill(stack, f"d.p{panel}.k", KEYS, "hour", this_hour - 168, 168, 1, 1, "names")
        queryds = [stack.start_queryd("with its cache"), stack.start_queryd("cache = 0", cache=0)]
        for queryd in queryds:
            wait_for(lambda: total(queryd, "hourglass_queryd_names") >= PANELS * KEYS, "all names are read")
        for hours in (24, 168):
            for queryd in queryds:
                refreshes(stack, agent, queryd, hours, max(seconds // 2, 3))
    finally:
        stack.close()
