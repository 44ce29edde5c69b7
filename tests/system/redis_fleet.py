"""Several Redis servers for a test: a master with replicas and sentinels, or a Cluster.

All on free ports of loopback, each with a folder of its own below the stack's, ended with the stack.
"""
import os
import random
import socket
import subprocess
import time

import redis
from conftest import DEADLINE_SECONDS, ask, http, wait_for

DOWN_AFTER_MS = 1000
FAILOVER_SECONDS = 6  # a manual one takes five at most


def is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


def free_ports(count):
    """Ports that were free a moment ago, all different, and below those that the kernel hands
    out: nothing else that runs meanwhile is given one."""
    ports = []
    while len(ports) < count:
        port = random.randrange(12000, 22000)
        if port not in ports and is_free(port):
            ports.append(port)
    return ports


def connect(port):
    return redis.Redis(port=port, socket_timeout=10)


def try_redis(call):
    """The call's result, or None where Redis cannot answer now."""
    try:
        return call()
    except redis.exceptions.RedisError:
        return None


def fleet_over(stack, servers):
    """(servers, relays, agent, queryd): two relays, an agent and a queryd over them, all ready."""
    relays = [stack.start_relay(f"relay-{n}", redis=servers.url(), grace_ms="12s") for n in (1, 2)]
    queryd = stack.start_queryd(redis=servers.url())
    agent = stack.start_agent(relays, confirm_ms="500ms")
    wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
    return servers, relays, agent, queryd


def wait_all_counted(queryd, report, hours, seconds=DEADLINE_SECONDS):
    """Waits until every key's count is what was sent: what a failover forgot comes again in a while."""
    missing = dict(report["keys"])

    def none():
        for key, want in list(missing.items()):
            answers = [ask(queryd, key, "count", when) for when in hours]
            if sum(body["value"] for status, body in answers if status == 200) != want["count"]:
                return False
            del missing[key]
        return True
    wait_for(none, "every key counts what was sent", seconds)


class Servers:
    """redis-server processes by port."""

    def __init__(self, stack):
        self.stack, self.process, self.arguments = stack, {}, {}

    def start(self, port, *more):
        self.arguments[port] = more
        folder = os.path.join(self.stack.folder, f"redis-{port}")
        os.makedirs(folder, exist_ok=True)
        self.process[port] = self.stack.add(f"redis-{port}", [
            "redis-server", *more, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder])
        self.process[port].start()
        wait_for(lambda: try_redis(connect(port).ping), f"Redis {port} answers")

    def start_data(self, port, *more):
        self.start(port, "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction",
                   "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", *more)


class Watched(Servers):
    """A master, two replicas, three sentinels."""

    def __init__(self, stack):
        super().__init__(stack)
        self.master, *self.replicas = free_ports(3)
        self.sentinels = free_ports(3)
        self.start_data(self.master)
        for port in self.replicas:
            self.start_data(port, "--replicaof", f"127.0.0.1 {self.master}")
        for port in self.sentinels:
            self.start_sentinel(port)
        wait_for(self.is_whole, "the sentinels know all replicas and each other")
        for port in (self.master, *self.replicas):
            connect(port).config_set("min-replicas-to-write", 1)

    def start_sentinel(self, port):
        path = os.path.join(self.stack.folder, f"sentinel-{port}.conf")
        with open(path, "w", encoding="utf-8") as conf:
            conf.write(f"sentinel monitor main 127.0.0.1 {self.master} 2\n"
                       f"sentinel down-after-milliseconds main {DOWN_AFTER_MS}\n"
                       "sentinel failover-timeout main 4000\n"
                       "sentinel parallel-syncs main 2\n")
        self.start(port, path, "--sentinel")

    def is_whole(self):
        for port in self.sentinels:
            seen = try_redis(lambda p=port: connect(p).sentinel_master("main"))
            if not seen or seen["num-slaves"] != 2 or seen["num-other-sentinels"] != 2:
                return False
        info = connect(self.master).info("replication")
        return all(info.get(f"slave{n}", {}).get("state") == "online" for n in (0, 1))

    def url(self):
        return "sentinel://" + ",".join(f"127.0.0.1:{p}" for p in self.sentinels) + "/main"

    def named_master(self):
        """The port that most sentinels name."""
        named = [try_redis(lambda p=port: connect(p).sentinel_get_master_addr_by_name("main"))
                 for port in self.sentinels]
        ports = [int(one[1]) for one in named if one]
        return max(set(ports), key=ports.count)


class Clustered(Servers):
    """Three masters with a replica each."""

    def __init__(self, stack, node_timeout_ms=2000):
        super().__init__(stack)
        ports = free_ports(12)
        self.ports, bus = ports[:6], ports[6:]
        for port, bus_port in zip(self.ports, bus):
            self.start_data(port, "--cluster-enabled", "yes", "--cluster-port", str(bus_port),
                            "--cluster-node-timeout", str(node_timeout_ms),
                            "--cluster-replica-validity-factor", "0",
                            "--cluster-require-full-coverage", "no")
        self.cli("--cluster", "create", *[f"127.0.0.1:{p}" for p in self.ports],
                 "--cluster-replicas", "1", "--cluster-yes")
        wait_for(self.is_whole, "the Cluster is whole")
        for port in self.ports:
            connect(port).config_set("min-replicas-to-write", 1)

    @staticmethod
    def cli(*words):
        done = subprocess.run(["redis-cli", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def nodes(self):
        """CLUSTER NODES of the first that answers: port -> (id, flags, slot ranges)."""
        for port in self.ports:
            text = try_redis(lambda p=port: connect(p).execute_command("CLUSTER", "NODES"))
            if text:
                lines = [line.split(" ") for line in text.decode().splitlines()]
                return {int(w[1].split("@")[0].rsplit(":", 1)[1]): (w[0], w[2].split(","), w[8:])
                        for w in lines}
        return {}

    def masters(self):
        """Ports of masters that are not failing."""
        return [port for port, (_, flags, slots) in self.nodes().items()
                if "master" in flags and "fail" not in flags and slots]

    def make_master(self, port):
        """A manual failover to a replica, begun anew when Redis has given it up."""
        asked_at = [0]

        def done():
            if port in self.masters():
                return True
            if time.monotonic() > asked_at[0] + FAILOVER_SECONDS:
                asked_at[0] = time.monotonic()
                try_redis(lambda: connect(port).cluster("FAILOVER"))
            return False
        wait_for(done, f"{port} is a master")

    def is_whole(self):
        def healthy(port):
            info = try_redis(lambda: connect(port).cluster("INFO"))
            return info and info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == 6

        def replicated(port):
            info = try_redis(lambda: connect(port).info("replication"))
            return info and (info["role"] == "slave" and info["master_link_status"] == "up" or
                             info["role"] == "master" and info["connected_slaves"] == 1)
        return all(healthy(port) and replicated(port) for port in self.ports)

    def url(self, count=2):
        return "cluster://" + ",".join(f"127.0.0.1:{p}" for p in self.ports[:count])
