"""Many agents at once: what they cost Redis and the relays, how old data is, and what memory hours take."""
import json
import os
import random
import signal
import subprocess
import time

from machine import BUILD, pin
from conftest import Stack, metrics, send, total, wait_for

WARM_SECONDS = 45  # in which relays find the interval that keeps to their share of Redis


def cpu(pid):
    """CPU seconds of a process."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_agents(stack, relays, count, keys, seal_ms):
    """COUNT agents in two processes, whose descriptors would not do for all; when all are at a relay."""
    made = [subprocess.Popen(
        pin(1, [f"{BUILD}/bench/agents", str(count // 2), str(keys), "3600", "-o", "state_dir=", "-o",
                "relays=" + ",".join(r.listen for r in relays), "-o", f"seal_ms={seal_ms}"]),
        stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in made:
        assert process.stdout.readline() == "ready\n"
    return made


def measure(parts, relays, seconds):
    """(samples committed a second, {part: share of a core}, the longest interval between commits)."""
    def now():
        return ({name: sum(cpu(p) for p in pids) for name, pids in parts.items()},
                sum(total(r, "hourglass_relay_samples_committed_total") for r in relays), time.monotonic())
    before, committed, began = now()
    time.sleep(seconds)
    after, more, ended = now()
    interval = max(metrics(r)["hourglass_relay_commit_interval_milliseconds"] for r in relays) / 1000
    took = ended - began
    return (more - committed) / took, {n: (after[n] - before[n]) / took for n in parts}, interval


def bench_fleet(count, keys, seal_ms, seconds):
    """COUNT agents of the same KEYS keys, each its own delivery (tests/bench/agents.c)."""
    stack, agents = Stack(), []
    try:
        stack.start_redis()
        relays = [stack.start_relay(f"relay-{n}", max_connections=2 * count) for n in (1, 2)]
        os.sched_setaffinity(stack.redis_process.pid, {0})
        agents = start_agents(stack, relays, count, keys, seal_ms)
        time.sleep(WARM_SECONDS)
        for process in agents:
            process.send_signal(signal.SIGUSR1)
        rate, shares, interval = measure({"Redis": [stack.redis_process.pid], "both relays": [r.pid for r in relays],
                                          "all agents": [a.pid for a in agents]}, relays, seconds)
        for process in agents:
            process.terminate()
        reports = [json.loads(process.stdout.readline()) for process in agents]
        print(f"  {count:,} agents of {keys} keys that seal each {reports[0]['seal_seconds']:.1f} s: "
              f"{rate:,.0f} samples/s; " +
              ", ".join(f"{n} {100 * s:.0f} % of a core" for n, s in shares.items()) +
              f"; a batch's oldest sample is committed after p50 {max(r['age_p50'] for r in reports):.1f} s, "
              f"p99 {max(r['age_p99'] for r in reports):.1f} s; commits {interval:.1f} s apart; "
              f"{sum(r['undelivered'] for r in reports)} undelivered", flush=True)
    finally:
        for process in agents:
            process.kill()
            process.wait()
            process.stdout.close()
        stack.close()


def fill(agent, lines, keys, suffix):
    """Sends a line a key and waits until all of it is committed."""
    before = total(agent, "hourglass_agent_lines_received_total")
    for k in range(keys):
        send(agent, lines(k) + suffix)
        if k % 500 == 499 or k == keys - 1:
            wait_for(lambda: total(agent, "hourglass_agent_lines_received_total") > before + k, "read")
    wait_for(lambda: total(agent, "hourglass_agent_samples_undelivered") == 0 and
             total(agent, "hourglass_agent_samples_open") == 0, "all is committed")


def bench_memory(keys):
    """Redis' memory, written by an agent and a relay: what a name takes, and what each hour of it does."""
    values = random.Random(1)

    def timer(name, count, below):
        return lambda k: f"memory.{name}{k:06d}" + "".join(
            f":{values.randrange(below)}" for _ in range(count)) + "|ms"
    for what, lines in (("a counter", lambda k: f"memory.c{k:06d}:{1 + k % 9}|c"),
                        ("a timer of 10 values", timer("t", 10, 1000)),
                        ("a timer of 200 values", timer("f", 200, 100000))):
        stack = Stack()
        try:
            stack.start_redis()
            relay = stack.start_relay()
            agent = stack.start_agent([relay], max_keys=10 * keys, receive_buffer="64MiB", ledger="no")
            r, used = stack.redis(), []
            wait_for(lambda: total(relay, "hourglass_relay_sessions") == 1, "the agent is there")
            for hour in (0, 1, 2):
                fill(agent, lines, keys, f"|T{int(time.time()) - 3600 * hour}")
                used.append(r.info("memory")["used_memory"])
            each = (used[2] - used[1]) / keys
            print(f"  Redis, {what}, {keys:,} keys of 13 to 14 bytes: {each:,.0f} bytes a key and hour, "
                  f"{each / 1000:.2f} GB a million key-hours; {(2 * used[0] - used[1]) / keys:,.0f} bytes once for the name",
                  flush=True)
        finally:
            stack.close()
