"""A real pipeline for the system tests: processes, sockets, a private Redis, all ended afterwards.

`stack` gives a Stack; its parts are started by the test that needs them. Ports are free ones that
the daemons bind themselves (port 0) and log; a daemon that is started again keeps its port.
Nothing sleeps for luck: `wait_for` polls a condition up to a deadline.
"""
import datetime
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import redis

BUILD = os.environ.get("HOURGLASS_BUILD", os.path.abspath("build/release"))
# Only a failure ever takes so long, and machines that run tests are busy ones.
DEADLINE_SECONDS = 60
LOG_LINES = 30  # of each process, shown when a test fails


def wait_for(condition, what, seconds=DEADLINE_SECONDS):
    """Polls until the condition is truthy and returns it; fails at the deadline with `what`, a text or
    what returns one."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.02)


def this_hour():
    """(date, hour) in UTC as the API spells them."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.strftime("%Y-%m-%d"), now.hour


class Process:
    """One daemon, its log in a file, ended at the end of the test at the latest."""

    def __init__(self, stack, name, command, env=None, pass_fds=()):
        self.stack, self.name, self.command = stack, name, command
        self.env, self.pass_fds = env, pass_fds
        self.log_path = os.path.join(stack.folder, f"{name}.log")
        self.process = None
        self.log_from = 0

    def start(self):
        self.log_from = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, cwd=self.stack.folder,
                                            env=dict(os.environ, **(self.env or {})),
                                            pass_fds=self.pass_fds)
        return self

    def log(self):
        """What it has logged since its last start."""
        with open(self.log_path, "rb") as log:
            log.seek(self.log_from)
            return log.read().decode(errors="replace")

    def tail(self):
        """The last lines of the log, of all its lives."""
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-LOG_LINES:])

    def logged(self, pattern, seconds=DEADLINE_SECONDS):
        """Waits for a line of the log to match and returns the match."""
        def look():
            found = re.search(pattern, self.log())
            if not found and self.process.poll() is not None:
                pytest.fail(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")
            return found
        return wait_for(look, f"{self.name} logs /{pattern}/", seconds)

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def terminate(self, seconds=DEADLINE_SECONDS):
        """SIGTERM; returns the exit status."""
        self.process.terminate()
        return self.process.wait(seconds)

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024


class Stack:
    """Redis, relays, agents and query daemons that know each other."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="hourglass-test-")
        self.processes = []
        self.ports = {}
        self.redis_socket = os.path.join(self.folder, "redis.sock")

    def close(self):
        for process in self.processes:
            if process.alive():
                process.signal(signal.SIGCONT)
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, name, command, **more):
        process = Process(self, name, command, **more)
        self.processes.append(process)
        return process

    # ---- Redis ----
    def start_redis(self, *more):
        process = self.add("redis", [
            "redis-server", "--port", "0", "--unixsocket", self.redis_socket, "--dir", self.folder,
            "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
            "--maxmemory-policy", "noeviction", *more])
        self.redis_process = process
        process.start()
        self.wait_redis()
        return process

    def wait_redis(self):
        def answers():
            try:
                return self.redis().ping()
            except redis.exceptions.RedisError:
                return False
        wait_for(answers, "Redis answers")

    def redis(self):
        return redis.Redis(unix_socket_path=self.redis_socket)

    # ---- daemons ----
    def daemon(self, name, program, options, ports, **more):
        """Starts a program; `ports` maps option -> value with port 0, kept for a restart."""
        def command():
            line = [f"{BUILD}/{program}"]
            for option, value in {**options, **self.ports.get(name, ports)}.items():
                line += ["-o", f"{option}={value}"]
            return line
        process = self.add(name, command(), **more)

        def start():
            process.command = command()
            Process.start(process)
            process.logged(r"(?m)^(<\d>)?ready\b")
            self.ports[name] = {o: self.bound(process, o, v) for o, v in ports.items()}
            for option, value in self.ports[name].items():
                setattr(process, option, value.replace("udp://", ""))
            return process
        process.start = start
        return process.start()

    @staticmethod
    def bound(process, option, asked):
        """The address that the daemon logged for an option that asked for port 0."""
        if not asked.endswith(":0"):
            return asked
        field = re.search(rf"listening .*?\b{option}=(\S+)", process.log())
        assert field, f"{process.name} did not log where {option} is:\n{process.log()}"
        return field.group(1)

    def start_relay(self, name="relay-1", **options):
        return self.daemon(name, "hourglass-relay",
                           {"redis": f"unix://{self.redis_socket}", "name": name,
                            "auto_init": "yes", **options},
                           {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"})

    def start_agent(self, relays, name="agent", **options):
        state = os.path.join(self.folder, f"state-{name}")
        os.makedirs(state, exist_ok=True)
        return self.daemon(name, "hourglass-agent",
                           {"relays": ",".join(r.listen for r in relays), "state_dir": state,
                            **options},
                           {"listen": "udp://127.0.0.1:0", "admin": "127.0.0.1:0"})

    def start_queryd(self, name="queryd", **options):
        process = self.daemon(name, "hourglass-queryd",
                              {"redis": f"unix://{self.redis_socket}", **options},
                              {"listen": "127.0.0.1:0"})
        wait_for(lambda: http(process, "/readyz")[0] == 200, "queryd is ready")
        return process

    def start_all(self, relays=2):
        """The usual pipeline: (relays, agent, queryd)."""
        self.start_redis()
        relay = [self.start_relay(f"relay-{n + 1}") for n in range(relays)]
        queryd = self.start_queryd()
        agent = self.start_agent(relay)
        wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
        return relay, agent, queryd


# These take a minute each: begun last they would be all that still runs.
LONGEST = ("test_everything_is_killed_and_stopped_in_turn",
           "test_nothing_is_lost_and_nothing_counted_twice")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.originalname not in LONGEST)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure comes with the last lines of every process that the test had started."""
    outcome = yield
    report, made = outcome.get_result(), getattr(item, "funcargs", {}).get("stack")
    if report.failed and made is not None:
        report.sections += [(f"log of {p.name}", p.tail()) for p in made.processes]


@pytest.fixture
def stack():
    made = Stack()
    yield made
    made.close()


def http(process, path, address=None, timeout=20):
    """GET: (status, parsed JSON or text)."""
    url = f"http://{address or process.listen}{path}"
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    except (urllib.error.URLError, OSError):
        return 0, None
    text = body.decode()
    return status, json.loads(text) if text[:1] in "{[" and text else text


def metrics(process, address=None):
    """The daemon's own counters: {name{labels}: value}."""
    status, text = http(process, "/metrics", address or getattr(process, "admin", None) or process.listen)
    assert status == 200
    return {name: float(value) for name, value in
            (line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")}


def total(process, name, address=None):
    """The sum over all labels of one family."""
    return sum(v for k, v in metrics(process, address).items() if k.split("{")[0] == name)


def send(agent, text):
    """Sends one datagram to the agent."""
    host, port = agent.listen.rsplit(":", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(text.encode() if isinstance(text, str) else text, (host, int(port)))


def ask(queryd, key, stat, when=None, query=""):
    """One hour of a key: (status, answer)."""
    date, hour = when or this_hour()
    return http(queryd, f"/{urllib.parse.quote(key, safe=',=;')}/{stat}/{date}/{hour}{query}")


def wait_count(queryd, key, count, when=None, stat="count", seconds=DEADLINE_SECONDS):
    """Waits until a key's value of a stat is what was sent; returns the answer."""
    last = [None]

    def same():
        last[0] = ask(queryd, key, stat, when)
        return last[0][0] == 200 and last[0][1]["value"] == count and last[0][1]
    return wait_for(same, lambda: f"{key} {stat} = {count}; last answer {last}", seconds)


class Generator:
    """tests/bench/gen.c in the background."""

    def __init__(self, agent, **options):
        command = [f"{BUILD}/bench/gen", "--to", agent.listen, "--report"]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def running(self):
        return self.process.poll() is None

    def report(self, seconds=120):
        out, _ = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0
        return json.loads(out)


@pytest.fixture
def generator():
    made = []

    def start(agent, **options):
        made.append(Generator(agent, **options))
        return made[-1]
    yield start
    for one in made:
        if one.running():
            one.process.kill()
        one.process.wait()
        one.process.stdout.close()
