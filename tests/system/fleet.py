# SPDX-License-Identifier: Apache-2.0
"""A fleet of real daemons under load, and the count of what came through.

What is expected comes from the generators, which know each value they sent; what is found comes
from queryd. No counter of the daemons is trusted for that, except where an agent was killed: what
it had received and not yet sealed is gone then, and only its own report says how much that was.

The agents' sockets are held here, as systemd holds them, so a sender never sees an agent die.
"""
import collections
import contextlib
import glob
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest

from conftest import BUILD, Process, Stack, http as get, metrics, wait_for
from proxy import KINDS, Proxy

GRACE_MS = 3000
MORTAL = "chaos.mortal" # keys of the agent that is killed
POLL_SECONDS = 0.05
TRY_SECONDS = 1.2       # queryd itself says 503 after 1 s of a silent Redis
MENDED_SECONDS = 1.5    # after Redis is back, until queryd has to answer again
SO_RCVBUFFORCE = 33

Failed = pytest.fail.Exception    # what wait_for raises


class KeptStack(Stack):
    """A stack whose folder stays when the test failed."""

    keep = False

    def close(self):
        if not self.keep:
            super().close()
            return
        for process in self.processes:
            if process.alive():
                process.signal(signal.SIGCONT)
                process.kill()

    def tails(self, lines=12):
        out = []
        for path in sorted(glob.glob(f"{self.folder}/*.log")):
            with open(path, errors="replace") as log:
                out.append(f"---- {os.path.basename(path)}\n" + "".join(log.readlines()[-lines:]))
        return "\n".join(out)


@contextlib.contextmanager
def kept_on_failure(seed):
    """A stack; a failure inside says the seed and the logs' ends, and keeps the folder."""
    stack = KeptStack()
    stack.fleet = None
    try:
        yield stack
    except BaseException:
        stack.keep = True
        print(f"seed {seed}; logs and data are kept in {stack.folder}", file=sys.stderr)
        if stack.fleet:
            print("\n".join(stack.fleet.timeline), file=sys.stderr)
        print(stack.tails(), file=sys.stderr)
        raise
    finally:
        if stack.fleet:
            stack.fleet.close()
        stack.close()


class Client:
    """Asks one queryd, and the other when that does not answer. One a thread."""

    def __init__(self, queryds):
        self.addresses = [q.listen for q in queryds]
        self.connections = {}

    def once(self, address, path, seconds):
        """(status, JSON), or None when there was no answer."""
        kept = self.connections.pop(address, None)
        connection = kept or http.client.HTTPConnection(address, timeout=seconds)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            found = answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
            # A kept connection may have died with its daemon: that is no answer yet.
            return self.once(address, path, seconds) if kept else None
        self.connections[address] = connection
        return found

    def ask(self, path, seconds=TRY_SECONDS):
        """The first answer that is not "not now"; such a one if there is no better; or None."""
        last = None
        for address in list(self.addresses):
            answer = self.once(address, path, seconds)
            if answer and answer[0] != 503:
                return answer
            last = last or answer
            self.addresses.append(self.addresses.pop(0))
        return last

    def close(self):
        for connection in self.connections.values():
            connection.close()


def ranged(key, stat, since):
    """Path of a key's stat over all hours from a unix time on."""
    return f"/{urllib.parse.quote(key)}/{stat}?from={int(since) // 3600 * 3600}&to=now&step=total"


class Poller(threading.Thread):
    """Asks for random keys all the time and notes when there was which answer."""

    def __init__(self, fleet, keys):
        super().__init__(daemon=True)
        self.client, self.fleet, self.keys = Client(fleet.queryds), fleet, keys
        self.random = random.Random(fleet.seed + 1)
        self.polls = []     # (began, ended, "ok" | "empty" | "unavailable" | "none" | text)
        self.seen = set()   # keys that had data already
        self.done = threading.Event()
        self.start()

    def run(self):
        while not self.done.wait(POLL_SECONDS):
            began, key = time.monotonic(), self.random.choice(self.keys)
            answer = self.client.ask(ranged(key, "count", self.fleet.since))
            self.polls.append((began, time.monotonic(), self.sort(key, answer)))
        self.client.close()

    def sort(self, key, answer):
        if answer is None:
            return "none"
        status, body = answer
        if status == 200:
            if body["points"]:
                self.seen.add(key)
            return "ok" if body["points"] or key not in self.seen else "empty"
        if (status, body.get("error")) == (503, "store_unavailable"):
            return "unavailable"
        return f"{status} {body}"

    def finish(self):
        self.done.set()
        self.join(10)

    def shares(self, store_away):
        """(polls, share answered while Redis was there, share answered or told of its absence)."""
        there = [p for p in self.polls
                 if not any(p[0] < end + MENDED_SECONDS and p[1] > begin
                            for begin, end in store_away)]
        good = sum(p[2] == "ok" for p in there)
        said = sum(p[2] in ("ok", "unavailable") for p in self.polls)
        return len(self.polls), good / max(1, len(there)), said / max(1, len(self.polls))


class Late(threading.Thread):
    """Sends samples of hours and days that are over: they are rolled up again and again."""

    AGES = (2 * 3600, 26 * 3600, 50 * 3600)     # the last hours, yesterday, the day before

    def __init__(self, agent, seed, seconds):
        super().__init__(daemon=True)
        host, port = agent.listen.rsplit(":", 1)
        self.to, self.random, self.until = (host, int(port)), random.Random(seed), seconds
        self.agent, self.kind, self.lines, self.keys = agent, "ms", 0, {}
        self.until = time.monotonic() + seconds
        self.start()

    def run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while time.monotonic() < self.until:
                out.sendto("\n".join(self.line() for _ in range(10)).encode(), self.to)
                time.sleep(0.05)

    def line(self):
        key, value = f"chaos.late{self.random.randrange(10)}", self.random.randrange(1000)
        want = self.keys.setdefault(key, {"count": 0, "sum": 0, "min": value, "max": value})
        want.update(count=want["count"] + 1, sum=want["sum"] + value,
                    min=min(want["min"], value), max=max(want["max"], value))
        self.lines += 1
        return f"{key}:{value}|ms|T{int(time.time()) - self.random.choice(self.AGES)}"

    def report(self, seconds):
        self.join(seconds)
        assert not self.is_alive()
        return {"lines": self.lines, "send_errors": 0, "keys": self.keys}


class Fleet:
    """Redis, relays, queryds and agents; `proxied` puts a Proxy on each link."""

    def __init__(self, stack, seed, relays=3, proxied=False, confirm_ms=500, grace_ms=GRACE_MS):
        self.stack, self.seed, self.proxied = stack, seed, proxied
        stack.fleet = self
        self.options = {"confirm_ms": confirm_ms}
        self.grace_ms = grace_ms
        self.began = time.monotonic()
        self.since = time.time() - Late.AGES[-1]
        self.timeline, self.proxies, self.sockets, self.gens = [], {}, [], []
        self.late = []
        self.parts = {}
        self.start_redis()
        self.relays = [self.start_relay(n) for n in range(1, relays + 1)]
        self.queryds = [stack.start_queryd(f"queryd-{n}") for n in (1, 2)]
        self.agents = [self.start_agent(n) for n in (1, 2)]
        self.mortal = self.start_agent(3)   # the one that is killed
        self.agents.append(self.mortal)
        for process in self.relays + self.queryds:
            self.keep_ports(process)
        self.parts = {p.name: p for p in
                      [stack.redis_process, *self.relays, *self.queryds, *self.agents]}
        wait_for(self.all_ready, "the fleet is ready")
        self.note("the fleet is ready")

    def note(self, text):
        self.timeline.append(f"{time.monotonic() - self.began:7.2f}  {text}")

    def close(self):
        for gen in self.gens:
            if gen.poll() is None:
                gen.kill()
            gen.wait()
            gen.stdout.close()
        for proxy in self.proxies.values():
            proxy.close()
        for one in self.sockets:
            one.close()

    # ---- parts ----
    def start_redis(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.redis_port = free.getsockname()[1]
        self.stack.start_redis("--port", str(self.redis_port), "--bind", "127.0.0.1")

    def start_relay(self, number):
        # What is rolled up here once a minute is rolled up all the time there.
        name, options = f"relay-{number}", {"grace_ms": self.grace_ms, "compact_every_ms": "500ms",
                                            "compact_partials": 2, "close_after_ms": "1s"}
        if not self.proxied:
            return self.stack.start_relay(name, **options)
        # The port must be known before the relay is there to bind it.
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        front = self.proxy(f"link:{name}:agents", ("127.0.0.1", port))
        back = self.proxy(f"link:{name}:redis", ("127.0.0.1", self.redis_port))
        self.stack.ports[name] = {"listen": f"127.0.0.1:{port}", "admin": "127.0.0.1:0"}
        relay = self.stack.start_relay(name, advertise=front.address,
                                       redis=f"redis://{back.address}", **options)
        relay.front = front.address
        return relay

    def proxy(self, name, target):
        self.proxies[name] = Proxy(target, f"{self.seed}{name}", name)
        return self.proxies[name]

    def start_agent(self, number):
        """An agent whose socket is ours; only its admin port is its own."""
        held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        held.bind(("127.0.0.1", 0))
        self.sockets.append(held)
        with contextlib.suppress(OSError):
            held.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        name, relays = f"agent-{number}", [getattr(r, "front", r.listen) for r in self.relays]
        with socket.create_server(("127.0.0.1", 0)) as free:
            admin = "127.0.0.1:%d" % free.getsockname()[1]
        state = f"{self.stack.folder}/state-{name}"
        os.makedirs(state)
        options = {"relays": ",".join(relays), "admin": admin, "state_dir": state, **self.options}
        # sd_listen_fds(3): descriptor 3, for the process that LISTEN_PID names.
        script = f'exec 3<&{held.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
        command = ["bash", "-c", script, "bash", f"{BUILD}/hourglass-agent"]
        for option, value in options.items():
            command += ["-o", f"{option}={value}"]
        agent = self.stack.add(name, command, pass_fds=[held.fileno()])
        agent.listen, agent.admin = "127.0.0.1:%d" % held.getsockname()[1], admin
        agent.start()
        agent.logged(r"(?m)^(<\d>)?ready\b")
        return agent

    def keep_ports(self, process):
        """From now on its command names the ports it has, and starting does not wait."""
        bound = self.stack.ports[process.name]
        for i, word in enumerate(process.command):
            option = word.split("=")[0]
            if process.command[i - 1] == "-o" and option in bound:
                process.command[i] = f"{option}={bound[option]}"

    def launch(self, name):
        """Starts a part and does not wait for it."""
        Process.start(self.parts[name])

    def all_ready(self):
        for process in self.agents + self.relays + self.queryds:
            address = getattr(process, "admin", process.listen)
            if get(process, "/readyz", address, timeout=2)[0] != 200:
                return False
        return True

    def victims(self):
        """What may happen to whom."""
        out = {r.name: {"kill", "stop"} for r in self.relays + self.queryds}
        out["redis"] = {"kill", "stop", "rollback"}
        for agent in self.agents:
            out[agent.name] = {"kill", "stop"} if agent is self.mortal else {"stop"}
        for name in self.proxies:
            out[name] = set(KINDS)
        return out

    # ---- load ----
    def load(self, rate, seconds, keys=150, values=1000):
        """Keys that both agents have, keys of their own for each, and those of the mortal one."""
        first, second = self.agents[:2]
        for agent, prefix, kind, share in ((first, "chaos.both", "ms", 0.4),
                                           (second, "chaos.both", "ms", 0.4),
                                           (first, "chaos.total", "c", 0.1),
                                           (second, "chaos.own", "ms", 0.1)):
            self.generate(agent, prefix, kind, rate * share, seconds, keys, values)
        self.generate(self.mortal, MORTAL, "ms", rate * 0.1, seconds, keys, values)
        self.late.append(Late(first, self.seed, seconds))
        self.note(f"load begins: {rate} lines/s for {seconds} s")

    def generate(self, agent, prefix, kind, rate, seconds, keys=150, values=1000):
        gen = subprocess.Popen(
            [f"{BUILD}/bench/gen", "--to", agent.listen, "--report", "--prefix", prefix, "--type",
             kind, "--rate", str(int(rate)), "--seconds", str(seconds), "--keys", str(keys),
             "--values", str(values), "--payload", "1400", "--senders", "1", "--seed",
             str(self.seed * 100 + len(self.gens))],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        gen.agent, gen.kind, gen.prefix = agent, kind, prefix
        self.gens.append(gen)

    def collect(self, seconds=60):
        """Waits for the generators: sets `sent`, `send_errors` and `expected` by key."""
        self.sent, self.send_errors, self.expected = 0, 0, {}
        self.kinds = {}
        for gen in self.gens + self.late:
            report = gen.report(seconds) if gen in self.late else self.report(gen, seconds)
            self.sent += report["lines"]
            self.send_errors += report["send_errors"]
            for key, value in report["keys"].items():
                self.add(key, value, gen.kind)
        self.note(f"load ended: {self.sent} samples, {self.send_errors} send errors")

    @staticmethod
    def report(gen, seconds):
        out, _ = gen.communicate(timeout=seconds)
        assert gen.returncode == 0
        return json.loads(out)

    def add(self, key, value, kind):
        want = self.expected.get(key)
        self.kinds[key] = kind
        if want is None:
            self.expected[key] = dict(value)
            return
        want["count"] += value["count"]
        want["sum"] += value["sum"]
        want["min"], want["max"] = min(want["min"], value["min"]), max(want["max"], value["max"])
        want.pop("median", None)    # of two reports it cannot be told

    # ---- the end ----
    def settle(self, seconds=60):
        """Until every agent has had all it holds confirmed after the grace window."""
        wait_for(self.all_ready, "all are ready after the faults", seconds)
        now = time.time() + 1
        wait_for(lambda: all(metrics(a)["hourglass_agent_watermark_timestamp_seconds"] >= now
                             for a in self.agents), "all that was received is committed", seconds)
        goals = [metrics(a)["hourglass_agent_samples_committed_total"] for a in self.agents]
        wait_for(lambda: all(metrics(a)["hourglass_agent_samples_stable_total"] >= goal
                             for a, goal in zip(self.agents, goals)), "all is stable", seconds)
        self.note("settled")

    def drops(self):
        return int(sum(metrics(a)["hourglass_agent_kernel_drops_total"] for a in self.agents))

    def declared(self):
        """Samples that agents declared lost after they had sealed them."""
        return int(sum(value for a in self.agents for name, value in metrics(a).items()
                       if name.startswith("hourglass_agent_samples_lost_total") and
                       "unsealed" not in name))

    def unsealed(self):
        """Samples that the mortal agent's starts said had died unsealed with the process before."""
        with open(self.mortal.log_path) as log:
            return sum(int(n) for n in re.findall(r"\bunsealed_lost\b.*?samples=(\d+)", log.read()))

    def found(self):
        """{key: {stat: value or None}} as the two queryds say in turn."""
        clients = [Client([q]) for q in self.queryds]
        out = {}
        for n, (key, want) in enumerate(self.expected.items()):
            stats = ["samples", "sum"] if self.kinds[key] == "c" else [s for s in want]
            out[key] = {}
            for stat in stats:
                status, body = clients[n % 2].ask(ranged(key, stat, self.since), 5) or (0, {})
                name = "count" if stat == "samples" else stat
                points = body.get("points") if status == 200 else None
                out[key][name] = points[0]["value"] if points else None
        for client in clients:
            client.close()
        return out

    def unexpected(self):
        """Keys of ours that nobody sent."""
        client = Client(self.queryds)
        status, body = client.ask("/v1/keys?match=chaos.*&limit=1000", 5)
        client.close()
        assert status == 200, body
        return sorted(set(body["keys"]) - set(self.expected))

    def compare(self):
        """One row of the table: what was sent, what is counted, every value that differs.

        Of the mortal agent's keys only the total can be known, and that none has too much.
        """
        found, row = self.found(), collections.Counter(sent=self.sent)
        wrong = []
        for key, want in self.expected.items():
            got = found[key]
            mortal = key.startswith(MORTAL)
            for stat in ("count", "sum") if mortal else got:
                have = got[stat] or 0
                if have > want[stat] if mortal else got[stat] != want[stat]:
                    wrong.append((key, stat, got[stat], want[stat]))
            less = want["count"] - (got["count"] or 0)
            row["counted"] += want["count"] - less
            row["too_many"] += max(0, -less)
            row["gone"] += less if mortal else 0
            row["missing"] += 0 if mortal else max(0, less)
        row.update(kernel_drops=self.drops(), declared=self.declared(), unsealed=self.unsealed(),
                   send_errors=self.send_errors, keys=len(self.expected))
        row = {**row, "wrong": wrong, "unexpected": self.unexpected()}
        row["exact"] = not (wrong or row["unexpected"] or row["missing"] or row["too_many"] or
                            row["kernel_drops"] or row["declared"] or
                            row["gone"] != row["unsealed"])
        return row

    def check_exact(self):
        """What queryd has is what was sent: every key's count, sum, least and greatest."""
        row = self.compare()
        say = {**row, "wrong": row["wrong"][:5], "values wrong": len(row["wrong"])}
        assert row["exact"] and row["send_errors"] == 0 and row["sent"] > 0, say
        assert row["counted"] + row["unsealed"] == row["sent"], say
        return row
