#!/usr/bin/python3
"""A whole Hourglass in the foreground: a private Redis, two relays, an agent, a query daemon.

    packaging/demo/run.py --build build/release --data build/run [--demo] [--offset N]

Each process' log lines carry its name. Ctrl-C stops everything in order: the agent drains
into the relays, the relays commit into Redis, Redis goes last. Nothing of the system's is
touched: Redis listens on a socket in the data folder only.
"""
import argparse
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

COLOURS = {"redis": 90, "relay-1": 34, "relay-2": 36, "queryd": 35, "agent": 32, "demo": 33}
READY_SECONDS = 20
STOP_SECONDS = 15


class Stack:
    """The processes, in the order in which they were started."""

    def __init__(self, data):
        self.data = data
        self.processes = []
        self.stopping = threading.Event()
        self.colour = sys.stdout.isatty()

    def say(self, name, text):
        tag = f"{name:>8} | "
        if self.colour:
            tag = f"\x1b[{COLOURS.get(name, 0)}m{tag}\x1b[0m"
        sys.stdout.write(tag + text + "\n")
        sys.stdout.flush()

    def start(self, name, *command):
        # A session of its own: Ctrl-C reaches only this script, which then stops in order.
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace", start_new_session=True)
        thread = threading.Thread(target=self.pump, args=(name, process), daemon=True)
        thread.start()
        self.processes.append((name, process, thread))

    def heed(self):
        """A signal only asks, and is heeded between two steps: raised anywhere it could fall between
        a process and the note that it is there."""
        if self.stopping.is_set():
            raise KeyboardInterrupt

    def pump(self, name, process):
        for line in process.stdout:
            line = line.rstrip()
            if line[:1] == "<" and line[2:3] == ">":
                line = line[3:]
            self.say(name, line)

    def dead(self):
        return [(name, p.returncode) for name, p, _ in self.processes if p.poll() is not None]

    def stop(self):
        """Stops in the reverse of the order of starting; what does not end in time is killed."""
        for name, process, thread in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.say(name, "did not stop in time: killed")
                process.kill()
                process.wait()
            thread.join(2)


def wait_until(stack, what, condition):
    deadline = time.monotonic() + READY_SECONDS
    while stack.dead() or not condition():
        stack.heed()
        if stack.dead():
            name, code = stack.dead()[0]
            sys.exit(f"{name} ended with {code} before {what}; its last lines are above")
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {READY_SECONDS} s")
        time.sleep(0.05)


def http_ok(url):
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def redis_socket(data):
    """A socket path the kernel takes (108 bytes), in the data folder if that is short enough."""
    path = os.path.join(data, "redis.sock")
    if len(path.encode()) < 100:
        return path, None
    folder = tempfile.mkdtemp(prefix="hourglass-")
    return os.path.join(folder, "redis.sock"), folder


def hold_folder(data):
    """Two Redis on one folder would ruin each other's files. The lock ends with the process."""
    lock = open(os.path.join(data, "lock"), "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f"{data} is in use by a pipeline that runs: stop that one (Ctrl-C), or give this one "
                 "its own folder and ports: make run BUILD=build-2 OFFSET=100")
    return lock


def check_ports(port):
    """All that are needed are free, or the first that is not is named before anything is started."""
    wanted = [(socket.SOCK_DGRAM, 8125)] + [(socket.SOCK_STREAM, base) for base in
                                            (8126, 8127, 8128, 8129, 8137, 8138)]
    for kind, base in wanted:
        with socket.socket(socket.AF_INET, kind) as one:
            if kind == socket.SOCK_STREAM:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port(base)))
            except OSError as error:
                sys.exit(f"127.0.0.1:{port(base)} cannot be used ({error.strerror}): end what has it "
                         "(ss -lntup shows which), or move all ports: make run OFFSET=100")


def start_all(stack, build, at, port):
    data = stack.data
    stack.start("redis", "redis-server", "--port", "0", "--unixsocket", at, "--dir", data,
                "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
                "--maxmemory-policy", "noeviction", "--daemonize", "no", "--logfile", "",
                "--loglevel", "warning")
    wait_until(stack, "Redis answers", lambda: os.path.exists(at))
    for n in (1, 2):
        stack.start(f"relay-{n}", f"{build}/hourglass-relay",
                    "-o", f"listen=127.0.0.1:{port(8117 + 10 * n)}",
                    "-o", f"admin=127.0.0.1:{port(8118 + 10 * n)}",
                    "-o", f"redis=unix://{at}", "-o", f"name=relay-{n}",
                    "-o", "auto_init=yes")
    for n in (1, 2):
        wait_until(stack, f"relay-{n} is ready",
                   lambda: http_ok(f"http://127.0.0.1:{port(8118 + 10 * n)}/readyz"))
    stack.start("queryd", f"{build}/hourglass-queryd", "-o", f"listen=127.0.0.1:{port(8129)}",
                "-o", f"redis=unix://{at}")
    state = os.path.join(data, "agent")
    os.makedirs(state, exist_ok=True)
    stack.start("agent", f"{build}/hourglass-agent", "-o", f"listen=udp://127.0.0.1:{port(8125)}",
                "-o", f"admin=127.0.0.1:{port(8126)}", "-o", f"state_dir={state}",
                "-o", f"relays=127.0.0.1:{port(8127)},127.0.0.1:{port(8137)}")
    wait_until(stack, "queryd is ready", lambda: http_ok(f"http://127.0.0.1:{port(8129)}/readyz"))
    wait_until(stack, "the agent is ready", lambda: http_ok(f"http://127.0.0.1:{port(8126)}/readyz"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--data", default="build/run")
    parser.add_argument("--demo", action="store_true", help="also send a stream of samples")
    parser.add_argument("--offset", type=int, default=0, help="added to every port")
    args = parser.parse_args()
    data = os.path.abspath(args.data)
    os.makedirs(data, exist_ok=True)
    port = lambda base: base + args.offset  # noqa: E731
    lock = hold_folder(data)
    check_ports(port)
    at, folder = redis_socket(data)
    stack = Stack(data)
    # From here on a signal only asks, also where a shell started us with SIGINT ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stack.stopping.set())
    code = 0
    try:
        start_all(stack, args.build, at, port)
        if args.demo:
            demo = os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo.py")
            stack.start("demo", sys.executable, demo, "--port", str(port(8125)))
        key = "checkout.latency"
        print(f"""
Hourglass is running; Ctrl-C stops it. Try, in another terminal:

  echo "{key}:12.5|ms" | nc -u -w1 127.0.0.1 {port(8125)}
  curl "http://127.0.0.1:{port(8129)}/{key}/median/$(date -u +%F/%H)"
  curl "http://127.0.0.1:{port(8129)}/v1/keys"

and look at http://127.0.0.1:{port(8129)}/
""", flush=True)
        while not stack.dead():
            stack.heed()
            time.sleep(0.2)
        name, code = stack.dead()[0]
        print(f"{name} ended with {code}: stopping the rest", flush=True)
        code = 1
    except KeyboardInterrupt:
        print("\nstopping: the agent drains, the relays commit, Redis saves", flush=True)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stack.stop()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        lock.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
