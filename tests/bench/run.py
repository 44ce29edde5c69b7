#!/usr/bin/python3
"""`make bench`: what the pipeline does on this machine, as figures and as ratios.

    tests/bench/run.py --build build/release [--seconds 5] [--only agent relay ...]

Every rate stands beside a yardstick of the same run (a receiver that only counts, Redis itself),
because machines are shared and noisy. The receiver has core 0; generator, relay and Redis share
core 1. Nothing here is asserted: tests assert, benches print.
"""
import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
os.environ.setdefault("HOURGLASS_BUILD", os.path.abspath("build/release"))

from conftest import BUILD, Stack, ask, metrics, send, this_hour, total, wait_for  # noqa: E402

CORES = os.cpu_count() or 1


def pin(core, command):
    """Runs a command on one core where there are several."""
    return ["taskset", "-c", str(core % CORES), *command]


def pin_thread(process, name, core):
    """Moves one thread of a process, by its name, to a core; the others to core 1."""
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{thread}/comm") as comm:
            here = comm.read().startswith(name)
        os.sched_setaffinity(int(thread), {core % CORES if here else 1 % CORES})


def thread_cpu(process, name):
    """CPU seconds of the threads with this name."""
    spent = 0
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{thread}/stat") as stat:
            comm, _, rest = stat.read().partition(") ")
        if comm.split("(", 1)[1].startswith(name):
            fields = rest.split()
            spent += int(fields[11]) + int(fields[12])
    return spent / os.sysconf("SC_CLK_TCK")


def generate(address, seconds, rate, **options):
    command = [f"{BUILD}/bench/gen", "--to", address, "--seconds", str(seconds), "--rate", str(rate)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    return json.loads(subprocess.run(pin(1, command), capture_output=True, check=True).stdout)


def free_port():
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def bench_count(seconds, **options):
    """The yardstick: thousand lines a second received by counting newlines only."""
    port = free_port()
    process = subprocess.Popen(pin(0, [f"{BUILD}/bench/count", str(port)]), stdout=subprocess.PIPE)
    process.stdout.readline()
    sent = generate(f"127.0.0.1:{port}", seconds, 0, **options)
    time.sleep(0.2)
    process.terminate()
    got = json.loads(process.stdout.read())
    process.wait()
    return {"flood": got["lines"] / sent["seconds"] / 1e3,
            "ns_a_line": got["cpu_seconds"] / max(1, got["lines"]) * 1e9}


def received(agent):
    return total(agent, "hourglass_agent_lines_received_total")


def settle(agent):
    """Waits until what was received has been committed."""
    def same():
        seen = metrics(agent)
        return seen["hourglass_agent_samples_committed_total"] == \
            sum(v for k, v in seen.items() if k == "hourglass_agent_samples_received_total")
    wait_for(same, "the backlog is committed", 120)


def agent_try(agent, seconds, rate, **options):
    """One run at a rate: (thousand lines a second received, datagrams dropped, ns a line)."""
    before, drops = received(agent), total(agent, "hourglass_agent_kernel_drops_total")
    cpu = thread_cpu(agent, "receiver")
    sent = generate(agent.listen, seconds, rate, **options)
    time.sleep(1)
    got = received(agent) - before
    lost = total(agent, "hourglass_agent_kernel_drops_total") - drops
    ns = (thread_cpu(agent, "receiver") - cpu) / max(1, got) * 1e9
    settle(agent)
    return got / sent["seconds"] / 1e3, lost, ns, sent["lines"] / sent["seconds"] / 1e3


def agent_lossless(agent, seconds, **options):
    """The highest rate without a drop, in thousand lines a second, by bisection to 5 %."""
    low, high, best = 0, None, None
    rate = 2000
    while high is None or high - low > 0.05 * high:
        got, lost, ns, offered = agent_try(agent, seconds, rate * 1000, **options)
        print(f"    {rate:.0f} k asked, {offered:.0f} k sent, {got:.0f} k received, {lost:.0f} dropped",
              flush=True)
        if lost == 0:
            low, best = rate, (offered, ns)
            if offered < 0.95 * rate:
                break  # the generator is the limit
        else:
            high = rate
        rate = rate * 2 if high is None else (low + high) / 2
        if rate < 50:
            break
    return best or (0, 0)


def bench_agent(seconds):
    stack = Stack()
    try:
        stack.start_redis()
        relay = stack.start_relay()
        agent = stack.start_agent([relay], receive_buffer="16MiB")
        wait_for(lambda: metrics(agent).get("hourglass_agent_relays_ready", 1) >= 1, "connected")
        time.sleep(2)
        idle_rss, idle_cpu = agent.rss_bytes(), total(agent, "process_cpu_seconds_total")
        time.sleep(3)
        idle_cpu = total(agent, "process_cpu_seconds_total") - idle_cpu
        print(f"  agent idle: RSS {idle_rss / 1e6:.1f} MB, {idle_cpu / 3 * 100:.2f} % of a core")
        for other in (stack.redis_process, relay):
            os.sched_setaffinity(other.pid, {1 % CORES})
        pin_thread(agent, "receiver", 0)
        for name, options in (("timers, 100 keys, 1,432-byte datagrams", {"keys": 100, "payload": 1432}),
                              ("timers, 100 keys, one line a datagram", {"keys": 100, "payload": 0})):
            yardstick = bench_count(seconds, **options)
            flood, _, ns, _ = agent_try(agent, seconds, 0, **options)
            lossless, _ = agent_lossless(agent, seconds, **options)
            print(f"  agent, {name}:\n    flood {flood:,.0f} k lines/s ({ns:.0f} ns a line in the receiver),"
                  f" without loss {lossless:,.0f} k lines/s\n    count-only receiver "
                  f"{yardstick['flood']:,.0f} k lines/s ({yardstick['ns_a_line']:.0f} ns): "
                  f"the agent's flood is {flood / yardstick['flood']:.2f} of it", flush=True)
    finally:
        stack.close()


def bench_relay(seconds):
    """Samples merged and committed a second by one relay on one core, fed by tests/bench/feed.c."""
    for keys, values in ((1000, 100), (1000, 10), (10000, 1)):
        stack = Stack()
        try:
            stack.start_redis()
            relay = stack.start_relay(commit_ms=500)
            os.sched_setaffinity(relay.pid, {0})
            os.sched_setaffinity(stack.redis_process.pid, {1 % CORES})
            host, port = relay.listen.rsplit(":", 1)
            cpu = total(relay, "process_cpu_seconds_total")
            fed = json.loads(subprocess.run(
                pin(1, [f"{BUILD}/bench/feed", host, port, str(seconds), str(keys), str(values)]),
                capture_output=True, check=True).stdout)
            cpu = total(relay, "process_cpu_seconds_total") - cpu
            print(f"  relay, {keys} keys, {values} values a group: {fed['samples'] / fed['seconds']:,.0f}"
                  f" samples/s and {fed['groups'] / fed['seconds']:,.0f} groups/s committed; "
                  f"{cpu / fed['seconds'] * 100:.0f} % of its core, "
                  f"{fed['samples'] / max(cpu, 1e-9):,.0f} samples a CPU second, "
                  f"RSS {relay.rss_bytes() / 1e6:.0f} MB", flush=True)
        finally:
            stack.close()


def bench_visible(samples):
    """From send() to the answer that has it, with the defaults and light load."""
    stack = Stack()
    try:
        _, agent, queryd = stack.start_all()
        took = []
        for n in range(samples):
            began, when = time.monotonic(), this_hour()
            send(agent, f"visible.{n}:1|ms")
            wait_for(lambda: ask(queryd, f"visible.{n}", "count", when)[0] == 200, "visible")
            took.append(time.monotonic() - began)
            time.sleep(0.037 * (n % 13))  # not in step with the seal
        took.sort()
        print(f"  visible after: p50 {took[len(took) // 2] * 1e3:.0f} ms, "
              f"p99 {took[int(len(took) * 0.99)] * 1e3:.0f} ms, max {took[-1] * 1e3:.0f} ms "
              f"({samples} samples, defaults)", flush=True)
    finally:
        stack.close()


def bench_queryd(seconds):
    """One hour of one key: answers a second beside Redis' own HMGET."""
    stack = Stack()
    try:
        _, agent, queryd = stack.start_all(relays=1)
        date, hour = this_hour()
        send(agent, "\n".join(f"q.k{n}:{n}|ms" for n in range(40)))
        wait_for(lambda: ask(queryd, "q.k1", "count", (date, hour))[0] == 200, "there")
        os.sched_setaffinity(queryd.pid, {0})
        shown = subprocess.run(["wrk", "-t1", "-c32", f"-d{seconds}s", "--latency",
                                f"http://{queryd.listen}/q.k1/median/{date}/{hour}"],
                               capture_output=True, text=True).stdout
        rate = [line.split()[1] for line in shown.splitlines() if line.startswith("Requests/sec")]
        p99 = [line.split()[1] for line in shown.splitlines() if line.strip().startswith("99%")]
        keys = [k for k in stack.redis().scan_iter(b"hg:*:c:*")]
        peer = subprocess.run(["redis-benchmark", "-s", stack.redis_socket, "-n", "200000", "-c", "32", "-q",
                               "HMGET", keys[0].decode(), "dq.k1", "cq.k1"],
                              capture_output=True, text=True).stdout
        print(f"  queryd, one hour of one key: {rate and rate[0]} answers/s, p99 {p99 and p99[0]} "
              f"(32 connections)\n  Redis' HMGET in the same run: {peer.strip().splitlines()[-1:]}", flush=True)
    finally:
        stack.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=["agent", "relay", "visible", "queryd"])
    args = parser.parse_args()
    with open("/proc/cpuinfo") as info:
        model = next((l.split(":")[1].strip() for l in info if l.startswith("model name")), "?")
    print(f"{datetime.date.today()} {platform.node()}: {CORES} x {model}, Linux {platform.release()}")
    benches = {"agent": lambda: bench_agent(args.seconds), "relay": lambda: bench_relay(args.seconds),
               "visible": lambda: bench_visible(100), "queryd": lambda: bench_queryd(args.seconds)}
    for name in args.only:
        benches[name]()


if __name__ == "__main__":
    main()
