"""What queryd answers a second, beside a static file from nginx and Redis' own HMGET.

Who is measured has core 0; who asks has core 1, as has Redis. A rate on the wall says what a shared machine left
over, so beside it stands what a second of the server's CPU gave. Cells are written by tests/bench/cells.c:
every key lives in each STEP-th of 30 days' hours, from another one on than its neighbours, so that who asks cold
draws any of the keys and any of its hours, and meets all manifests and all of Redis' hashes.
"""
import datetime
import itertools
import json
import os
import re
import shutil
import subprocess
import time

from machine import BUILD, CORES, cpu_seconds, free_port, pin
from conftest import Process, Stack, http, metrics, total, wait_for

CONNECTIONS = 64
PACE = 1200    # a million customers, a hundred questions a day each
MERGED = 10000
HOURS, STEP = 720, 30   # 24 hours of each key, a thirtieth of the keys in each hour
BUSY_KEYS, BUSY_HOURS = 100000, 8

# LuaJIT's generator is its own, not libc's; a script's first key differs from the next one's.
ASK = """
local hours = { %s }
local keys, step, delay_ms, first = %d, %d, %d, %d
function init() math.randomseed(first) end
function request()
	local key = math.random(0, keys - 1)
	local hour = math.random(0, #hours / step - 1) * step + key %% step + 1
	return wrk.format("GET", "/q.k" .. key .. "/median/" .. hours[hour])
end
"""
DELAY = """
function delay() return math.random(0, 2 * delay_ms) end
"""


def nginx(stack, body):
    """nginx with one worker, one file and nothing of the system's configuration."""
    folder, listen = stack.folder, f"127.0.0.1:{free_port()}"
    with open(f"{folder}/answer.json", "wb") as out:
        out.write(body)
    with open(f"{folder}/nginx.conf", "w") as out:
        out.write(f"daemon off; master_process off; pid {folder}/nginx.pid;\n"
                  "events {}\nhttp { access_log off; keepalive_requests 100000000;\n"
                  f"client_body_temp_path {folder}; proxy_temp_path {folder};\n"
                  f"fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};\n"
                  f"server {{ listen {listen}; root {folder}; }} }}\n")
    server = stack.add("nginx", ["nginx", "-p", folder, "-e", f"{folder}/nginx.err",
                                 "-c", f"{folder}/nginx.conf"])
    Process.start(server)
    server.listen = listen
    wait_for(lambda: http(server, "/answer.json")[0] == 200, "nginx answers")
    return server


def milliseconds(text):
    """wrk's `850.00us`, `1.20ms`, `1.01s`."""
    value, unit = re.match(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(value) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[unit]


class Run:
    """What wrk and the server's own clock say of some seconds."""

    def __init__(self, server, path, seconds, script=None, connections=CONNECTIONS):
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s"]
        command += ["-s", script] if script else []
        os.sched_setaffinity(server.pid, {0})
        before = cpu_seconds(server)
        said = subprocess.run(pin(1, [*command, f"http://{server.listen}{path}"]), capture_output=True,
                              text=True, check=True).stdout
        self.answers = int(re.search(r"(\d+) requests in", said).group(1))
        self.per_cpu = self.answers / max(cpu_seconds(server) - before, 1e-9)
        self.rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))
        self.half, self.p99 = (milliseconds(re.search(rf"\b{p}%\s+([\d.]+[mu]?[sm])", said).group(1))
                               for p in (50, 99))
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
        self.refused = int(refused.group(1)) if refused else 0


def fill(stack, prefix, keys, unit, first, count, partials=1, step=1, *names):
    """Cells, straight into Redis."""
    with subprocess.Popen([f"{BUILD}/bench/cells", prefix, str(keys), unit, str(first), str(count),
                           str(partials), str(step), *names], stdout=subprocess.PIPE) as cells:
        said = subprocess.run(["redis-cli", "-s", stack.redis_socket, "--pipe"], stdin=cells.stdout,
                              capture_output=True, text=True, check=True).stdout
    assert cells.returncode == 0 and "errors: 0" in said, said


def spelt(hour):
    at = datetime.datetime.fromtimestamp(hour * 3600, datetime.timezone.utc)
    return f"{at:%Y-%m-%d}/{at.hour}"


class Questions:
    """Scripts for wrk: any key and any of its hours, never the same row of them twice."""

    def __init__(self, stack, hours, keys):
        self.folder, self.keys = stack.folder, keys
        self.hours = ", ".join(f'"{spelt(h)}"' for h in hours)
        self.numbers = itertools.count(1)

    def script(self, delay_ms=0, step=STEP):
        """With a delay, at random moments; with a step of 1, any hour, whether the key has it or not."""
        number = next(self.numbers)
        path = f"{self.folder}/ask-{number}.lua"
        with open(path, "w") as out:
            out.write(ASK % (self.hours, self.keys, step, delay_ms, number) + (DELAY if delay_ms else ""))
        return path


def cells_of(stack, hour, name):
    """Redis' key of the cells among which a key's are, of one hour."""
    r = stack.redis()
    at = datetime.datetime.fromtimestamp(hour * 3600, datetime.timezone.utc)
    return next(k for k in r.scan_iter(f"hg:*:c:{at:%Y-%m-%dT%H}:*", count=10000) if r.hexists(k, name))


def hmget(stack, hour):
    """Redis' HMGETs of one cell a second."""
    cells = cells_of(stack, hour, b"dq.k0")
    said = subprocess.run(pin(1, ["redis-benchmark", "-s", stack.redis_socket, "-n", "200000", "-c",
                                  str(CONNECTIONS), "--csv", "HMGET", cells.decode(), "dq.k0"]),
                          capture_output=True, text=True, check=True).stdout
    return float(said.splitlines()[-1].split(",")[1].strip('"'))


def buckets(stack, keys, hour):
    """Whether Redis keeps a hash here as it would with every key in every hour."""
    r, cells = stack.redis(), cells_of(stack, hour, b"dq.k0")
    whole = keys // len(list(r.scan_iter(b"hg:*:nf", count=10000)))
    most = min(int(r.config_get("hash-max-listpack-entries")["hash-max-listpack-entries"]), 256)  # as commit.lua
    print(f"  a hash of cells: {r.hlen(cells):,}, {r.object('encoding', cells).decode()}; with every key in "
          f"every hour {whole:,}, {'hashtable' if whole > most else 'listpack'}", flush=True)


def cache_rate(queryd, before):
    """How many of the hours asked for since were in the cache."""
    now = metrics(queryd)
    hits, misses, stale = (now[f"hourglass_queryd_cache_{n}_total"] - before[f"hourglass_queryd_cache_{n}_total"]
                           for n in ("hits", "misses", "stale"))
    return f"{hits / max(hits + misses + stale, 1):.1%} of hours from the cache"


def one_hour(stack, queryds, questions, hours, seconds):
    """Hot and cold, beside the yardsticks."""
    peers, path = {"Redis' HMGET": hmget(stack, hours[0])}, f"/q.k0/median/{spelt(hours[0])}"
    if shutil.which("nginx"):
        server = nginx(stack, json.dumps(http(queryds["cache"], path)[1]).encode())
        run = Run(server, "/answer.json", seconds)
        server.kill()
        peers["nginx"] = run.rate
        print(f"  nginx, a static file: {run.rate:,.0f} answers/s, {run.per_cpu:,.0f} a CPU second")
    else:
        print("  nginx is not installed (Debian: nginx-light): no yardstick of HTTP")
    redis_rate = peers["Redis' HMGET"]
    print(f"  Redis' HMGET: {redis_rate:,.0f}/s")
    among = f"{questions.keys:,} keys x {len(hours)} hours"
    for what, name, how in (("hot", "cache", None), ("hot, cache = 0", "none", None),
                            (f"cold, {among}, those a key has", "cache", questions.script()),
                            (f"cold, {among}, any", "cache", questions.script(step=1))):
        before = metrics(queryds[name])
        run = Run(queryds[name], path, seconds, how)
        ratios = ", ".join(f"{run.rate / peer:.2f} of {of}" for of, peer in peers.items())
        print(f"  queryd, {what}: {run.rate:,.0f} answers/s, {run.per_cpu:,.0f} a CPU second, p99 "
              f"{run.p99:.1f} ms; {ratios}; {cache_rate(queryds[name], before)}; "
              f"{run.refused / run.answers:.1%} no_data", flush=True)


def paced(stack, relay, queryd, questions, seconds):
    """Cold at an even pace, alone and while a relay brings hours together."""
    for what in ("alone", "while hours are compacted"):
        if what != "alone":
            relay.terminate()
            relay = stack.start_relay("busy", compact_every_ms="200ms", close_after_ms="0")
            wait_for(lambda: total(relay, "hourglass_relay_compacted_partials_total") > 0, "it compacts")
        before, asked = metrics(relay), metrics(queryd)
        run = Run(queryd, "/", seconds, questions.script(round(CONNECTIONS / PACE * 1e3)))
        moved = metrics(relay)["hourglass_relay_compacted_cells_total"] - \
            before["hourglass_relay_compacted_cells_total"]
        print(f"  queryd, cold, paced, {what}: {run.rate:,.0f} answers/s, p50 {run.half:.2f} ms, p99 "
              f"{run.p99:.2f} ms; {cache_rate(queryd, asked)}; {run.refused} refused; {moved:,.0f} cells "
              f"compacted", flush=True)


def long_ones(queryds, this_hour, today, seconds):
    """Ranges and merges, one asked after the other."""
    date = f"{datetime.datetime.fromtimestamp(today * 86400, datetime.timezone.utc):%Y-%m-%d}"
    merged = this_hour - 2
    begin = datetime.datetime.fromtimestamp(merged * 3600, datetime.timezone.utc)
    end = datetime.datetime.fromtimestamp((merged + 1) * 3600, datetime.timezone.utc)
    days = datetime.datetime.fromtimestamp((today - 365) * 86400, datetime.timezone.utc)
    merge, larger = (f"/v1/query?match={names}*&stat=median&from={begin:%Y-%m-%dT%H}&to={end:%Y-%m-%dT%H}&step=total"
                     for names in ("m.k", "large.k"))
    for path in (merge, larger):
        wait_for(lambda path=path: http(queryds["none"], path)[1].get("keys") == MERGED, "all names are read", 120)
    for what, path in (("30 days of hours of one key (goal 10 ms)", "/one.k0/p99?from=-720h&to=now&step=hour"),
                       ("a year of days of one key (goal 50 ms)",
                        f"/year.k0/p99?from={days:%Y-%m-%d}&to={date}&step=day"),
                       (f"a merge of {MERGED:,} keys of one hour (goal 100 ms)", merge),
                       ("the same of 1,000 different samples each", larger)):
        for name, queryd in queryds.items():
            answer = http(queryd, path)[1]
            points = len(answer.get("points", answer.get("groups", [])))
            run = Run(queryd, path, seconds, connections=1)
            print(f"  queryd, {what}, {'cache = 0' if name == 'none' else 'with its cache'}: p50 "
                  f"{run.half:.1f} ms, p99 {run.p99:.1f} ms; {points} points; {run.refused} refused", flush=True)


def bench_answers(seconds, keys=1000000):
    """All of it."""
    for tool in ("wrk", "redis-cli"):
        if not shutil.which(tool):
            print(f"  answers: {tool} is not installed (Debian: wrk, redis-tools)")
            return
    stack, now = Stack(), int(time.time())
    this_hour, today = now // 3600, now // 86400
    hours = range(this_hour - HOURS, this_hour)
    try:
        stack.start_redis("--appendonly", "no")
        relay = stack.start_relay(compact_every_ms="0")
        began = time.monotonic()
        fill(stack, "q.k", keys, "hour", hours[0], HOURS, 1, STEP, "names")
        fill(stack, "busy.k", BUSY_KEYS, "hour", this_hour - 60, BUSY_HOURS, 2)
        fill(stack, "one.k", 1, "hour", hours[0], HOURS)
        fill(stack, "year.k", 1, "day", today - 365, 365)
        fill(stack, "m.k", MERGED, "hour", this_hour - 2, 1, 1, 1, "names")
        fill(stack, "large.k", MERGED, "hour", this_hour - 2, 1, 1, 1, "names", "1000")
        used = stack.redis().info("memory")["used_memory"]
        print(f"  {keys:,} keys x {HOURS // STEP} of {HOURS} hours each and more written into Redis, not through "
              f"agents, in {time.monotonic() - began:.0f} s: {used / 1e6:,.0f} MB", flush=True)
        buckets(stack, keys, hours[0])
        names = {"max_names": keys + 2 * MERGED}
        queryds = {"cache": stack.start_queryd(**names), "none": stack.start_queryd("plain", cache=0, **names)}
        for thread in os.listdir(f"/proc/{stack.redis_process.pid}/task"):
            os.sched_setaffinity(int(thread), {1 % CORES})
        for queryd in queryds.values():
            wait_for(lambda queryd=queryd: total(queryd, "hourglass_queryd_names") == names["max_names"],
                     "all names are read", 120)
        questions = Questions(stack, hours, keys)
        one_hour(stack, queryds, questions, hours, seconds)
        long_ones(queryds, this_hour, today, min(seconds, 5))
        paced(stack, relay, queryds["cache"], questions, seconds)
    finally:
        stack.close()
