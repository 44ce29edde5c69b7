#!/usr/bin/python3
"""`make bench-peers`: other servers of statsd lines beside our agent, in one run, by one generator.

    tests/bench/peers.py --build build/release [--seconds 3] [--only statsd collectd ...]

Takes those that the distribution and npm carry: collectd's plugin, netdata, statsd; what is not there is
left out, aloud. Each has core 0 to itself, blast.c core 1; each keeps what it takes in memory and sends it
nowhere (ours: to a relay that only acknowledges), seals or flushes as it does by default or once a
second. What was read is what was sent less what the kernel dropped at its socket (/proc/net/udp), so nobody's own
counters are asked. Prints thousand lines a second when flooded, the highest rate without loss, CPU a line of the
whole process, RSS; and all of it as a ratio to our agent.
"""
import argparse
import os
import shutil
import subprocess
import tempfile
import time

from machine import BUILD, CORES, blast, cpu_seconds, free_port, lossless
from agent import Sink
from conftest import Stack

LOADS = (("timers, 100 keys", {"keys": 100}), ("timers, 10,000 keys", {"keys": 10000}),
         ("counters, 100 keys", {"keys": 100, "type": "c"}))
STATSD = "statsd@0.9.0"


class Peer:
    """A server of lines in a folder of its own."""

    name = needs = None

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.log = open(f"{folder}/{self.name}.log", "wb")
        self.process = subprocess.Popen(["taskset", "-c", "0", *self.command()], stdout=self.log,
                                        stderr=self.log, stdin=subprocess.DEVNULL, cwd=folder)
        self.pid = self.process.pid

    @classmethod
    def there(cls):
        return shutil.which(cls.needs)

    def command(self):
        raise NotImplementedError

    def file(self, name, text):
        path = f"{self.folder}/{name}"
        with open(path, "w") as out:
            out.write(text)
        return path

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Collectd(Peer):
    name, needs = "collectd", "collectd"

    def command(self):
        conf = self.file("collectd.conf", f"""
            BaseDir "{self.folder}"
            PIDFile "{self.folder}/pid"
            Interval 1
            LoadPlugin statsd
            <Plugin statsd>
                Host "127.0.0.1"
                Port "{self.port}"
                TimerPercentile 50.0
                TimerPercentile 99.0
            </Plugin>
            """)
        return ["collectd", "-f", "-C", conf]


class Netdata(Peer):
    name, needs = "netdata", "netdata"

    def command(self):
        conf = self.file("netdata.conf", f"""
[global]
    run as user = root
[directories]
    cache = {self.folder}
    lib = {self.folder}
    log = {self.folder}
    lock = {self.folder}
    home = {self.folder}
[db]
    mode = ram
[ml]
    enabled = no
[health]
    enabled = no
[web]
    mode = none
[plugins]
    enable running new plugins = no
    proc = no
    diskspace = no
    cgroups = no
    tc = no
    idlejitter = no
    timex = no
    slabinfo = no
    python.d = no
    go.d = no
    charts.d = no
    apps = no
    statsd = yes
[statsd]
    enabled = yes
    default port = {self.port}
    bind to = udp:127.0.0.1:{self.port}
""")
        return ["netdata", "-D", "-c", conf, "-P", f"{self.folder}/netdata.pid"]


class Statsd(Peer):
    name, needs = "statsd", "node"

    @classmethod
    def there(cls):
        cls.home = os.path.join(os.path.dirname(os.path.abspath(BUILD)), "peers")
        if not shutil.which("node") or not shutil.which("npm"):
            return None
        if not os.path.exists(f"{cls.home}/node_modules/statsd/stats.js"):
            subprocess.run(["npm", "install", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund",
                            "--prefix", cls.home, STATSD], capture_output=True, timeout=120, check=False)
        return os.path.exists(f"{cls.home}/node_modules/statsd/stats.js")

    def command(self):
        conf = self.file("statsd.js", f"""{{
            port: {self.port}, address: "127.0.0.1", mgmt_address: "127.0.0.1", mgmt_port: {free_port()},
            flushInterval: 1000, backends: [], percentThreshold: [50, 99]
        }}""")
        return ["node", f"{self.home}/node_modules/statsd/stats.js", conf]


class Ours:
    name = "hourglass"

    @classmethod
    def there(cls):
        return True

    def __init__(self, _):
        self.stack, self.sink = Stack(), Sink()
        agent = self.stack.start_agent([self.sink], max_keys_per_prefix=200000)
        self.port, self.pid = int(agent.listen.split(":")[1]), agent.pid
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            os.sched_setaffinity(int(thread), {0 % CORES})

    def close(self):
        self.stack.close()
        self.sink.close()


def socket_state(port):
    """(bytes that wait, datagrams dropped) of the UDP socket on a port; None before it is there."""
    with open("/proc/net/udp") as table:
        for line in list(table)[1:]:
            words = line.split()
            if int(words[1].split(":")[1], 16) == port:
                return int(words[4].split(":")[1], 16), int(words[-1])
    return None


def attempt(peer, seconds, rate, **options):
    """As agent.py's: (lines sent a second, read a second, lost, ns a line)."""
    before, cpu = socket_state(peer.port)[1], cpu_seconds(peer)
    sent = blast(f"127.0.0.1:{peer.port}", seconds, rate, **options)
    until = time.monotonic() + 30
    while socket_state(peer.port)[0] > 0 and time.monotonic() < until:
        time.sleep(0.05)
    waiting, dropped = socket_state(peer.port)
    # What still waits is read in vain: it came too late to be of that time.
    lost = (dropped - before) * sent["lines"] / sent["datagrams"]
    got = sent["lines"] - lost
    cpu = cpu_seconds(peer) - cpu
    return sent["lines"] / sent["seconds"], got / sent["seconds"], lost, cpu / max(1, got) * 1e9


def run(peer_class, load, seconds):
    """(flood, lossless, ns a line, RSS) of one peer under one load, freshly started; None: it failed."""
    with tempfile.TemporaryDirectory() as folder:
        peer = peer_class(folder)
        try:
            until = time.monotonic() + 20
            while socket_state(peer.port) is None:
                if time.monotonic() > until:
                    return None
                time.sleep(0.1)
            _, flood, _, ns = attempt(peer, seconds, 0, **load)
            rate, _, _ = lossless(lambda rate: attempt(peer, seconds, rate, **load), max(50000, flood / 4),
                                  0.15, quiet=True)
            with open(f"/proc/{peer.pid}/status") as status:
                rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1e3
            return flood / 1e3, rate / 1e3, ns, rss
        finally:
            peer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", nargs="*", default=["statsd", "collectd", "netdata"])
    args = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}; socket buffers as each asks for them, "
          f"net.core.rmem_max {open('/proc/sys/net/core/rmem_max').read().strip()}")
    for name, load in LOADS:
        print(f"  {name}, 32 bytes a line, 1,432-byte datagrams: k lines/s flooded, without loss, "
              "ns a line of the process, RSS MB (ratios to hourglass)")
        ours = None
        for peer in (Ours, Statsd, Collectd, Netdata):
            if peer is not Ours and (peer.name not in args.only or not peer.there()):
                print(f"    {peer.name:10} is not installed, or not asked for")
                continue
            found = run(peer, load, args.seconds)
            if found is None:
                print(f"    {peer.name:10} did not open its port")
                continue
            ours = ours or found
            print(f"    {peer.name:10}" + "".join(f" {value:10,.0f} ({value / max(1e-9, base):.2f})"
                                                   for value, base in zip(found, ours)), flush=True)


if __name__ == "__main__":
    main()
