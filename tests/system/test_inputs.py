"""Every way in: what is sent arrives, exactly, and nobody who sends disturbs another."""
import os
import random
import socket
import struct
import subprocess

from conftest import BUILD, Process, http, metrics, send, total, wait_count, wait_for

A = "hourglass_agent_"


def started(stack, **options):
    """(relay, agent, queryd), ready; `listen` may be given."""
    stack.start_redis()
    relay, queryd = stack.start_relay(), stack.start_queryd()
    agent = stack.start_agent([relay], **options)
    wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
    return relay, agent, queryd


def received(agent):
    return total(agent, f"{A}samples_received_total")


def adds_up(agent):
    """received = sealed + rejected + open + lost for memory, in one scrape; returns received."""
    seen = metrics(agent)
    got = sum(v for k, v in seen.items() if k.split("{")[0] == f"{A}samples_received_total")
    here = sum(v for k, v in seen.items() if k.split("{")[0] in
               (f"{A}samples_sealed_total", f"{A}samples_rejected_total", f"{A}samples_open")
               or k == A + 'samples_lost_total{reason="memory"}')
    assert got == here, (got, here)
    return got


def test_two_receivers_count_a_million_lines_exactly(stack):
    """From eight sockets, which the kernel deals out to two threads; no faster than they are read."""
    _, agent, queryd = started(stack, receivers=2, seal_ms="50ms")
    host, port = agent.listen.rsplit(":", 1)
    lines, datagrams, burst = 40, 25000, 100
    payload = "\n".join(f"two.k{n % 4}:{n}|{'ms' if n % 2 else 'c'}" for n in range(lines)).encode()
    senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    for sender in senders:
        sender.connect((host, int(port)))
    for begin in range(0, datagrams, burst):
        for n in range(begin, begin + burst):
            senders[n % 8].send(payload)
        wait_for(lambda: adds_up(agent) >= lines * (begin + burst - 4 * burst), "it is read")
    wait_for(lambda: adds_up(agent) == lines * datagrams, "all is read")
    for sender in senders:
        sender.close()
    assert metrics(agent)[f"{A}kernel_drops_total"] == 0
    busy = 0
    for thread in os.listdir(f"/proc/{agent.pid}/task"):
        with open(f"/proc/{agent.pid}/task/{thread}/comm") as comm, \
                open(f"/proc/{agent.pid}/task/{thread}/schedstat") as stat:
            # Nanoseconds on a processor: whoever reads hundreds of thousands of lines needs more.
            busy += comm.read().startswith("receiver") and int(stat.read().split()[0]) > 2000000
    assert busy == 2, "both threads have worked"
    for key in range(4):
        values = [n for n in range(lines) if n % 4 == key]
        wait_count(queryd, f"two.k{key}", sum(values) * datagrams, stat="sum")
    assert agent.terminate() == 0


def test_both_families_and_unix_datagrams_at_once(stack):
    """IPv4, IPv6, a path and an abstract name, in one list."""
    path, name = os.path.join(stack.folder, "lines.sock"), f"hourglass-{os.getpid()}"
    stack.start_redis()
    relay, queryd = stack.start_relay(), stack.start_queryd()
    listen = f"udp://127.0.0.1:0,udp://[::1]:0,unixgram://{path},unixgram:@{name}"
    agent = stack.daemon("agent", "hourglass-agent",
                         {"relays": relay.listen, "listen": listen}, {"admin": "127.0.0.1:0"})
    shown = agent.logged(r"listening listen=(\S+)").group(1).split(",")
    assert [one.split(":")[0] for one in shown] == ["udp", "udp", "unixgram", "unixgram"]
    places = [(socket.AF_INET, ("127.0.0.1", int(shown[0].rsplit(":", 1)[1]))),
              (socket.AF_INET6, ("::1", int(shown[1].rsplit(":", 1)[1]))),
              (socket.AF_UNIX, path), (socket.AF_UNIX, "\0" + name)]
    for family, where in places:
        with socket.socket(family, socket.SOCK_DGRAM) as out:
            for _ in range(100):
                out.sendto(b"all:1|c\neach:2|ms", where)
    wait_count(queryd, "all", 400, stat="sum")
    wait_count(queryd, "each", 800, stat="sum")
    assert adds_up(agent) == 800
    assert agent.terminate() == 0


def shown(agent):
    """What the agent says it listens at: {scheme: [where]}."""
    found = {}
    for one in agent.logged(r"listening listen=(\S+)").group(1).split(","):
        scheme, where = one.split(":", 1)
        found.setdefault(scheme, []).append(where.replace("//", "", 1))
    return found


def place(where):
    """A host:port as a socket wants it."""
    host, port = where.rsplit(":", 1)
    return host.strip("[]"), int(port)


def with_streams(stack, **options):
    """(agent, queryd, path): the agent takes datagrams, TCP and a Unix stream."""
    path = os.path.join(stack.folder, "lines.stream")
    stack.start_redis()
    relay, queryd = stack.start_relay(), stack.start_queryd()
    agent = stack.daemon("agent", "hourglass-agent",
                         {"relays": relay.listen, "seal_ms": "50ms", **options,
                          "listen": f"udp://127.0.0.1:0,tcp://127.0.0.1:0,tcp://[::1]:0,unix://{path}"},
                         {"admin": "127.0.0.1:0"})
    wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
    agent.listen = shown(agent)["udp"][0]
    agent.tcp = [place(where) for where in shown(agent)["tcp"]]
    return agent, queryd, path


def unix_stream(path):
    out = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    out.connect(path)
    return out


def test_streams_of_every_family_arrive_exactly(stack):
    """Cut anywhere, from several clients at once; every scrape adds up meanwhile."""
    agent, queryd, path = with_streams(stack)
    clients = [socket.create_connection(agent.tcp[0]), socket.create_connection(agent.tcp[1]),
               unix_stream(path)]
    rng, lines = random.Random(5), 20000
    texts = [b"".join(b"s.k%d:%d|%s\n" % (n % 3, n % 100, b"ms" if n % 2 else b"c")
                      for n in range(lines)) + b"s.last:1|c" for _ in clients]
    while any(texts):
        for n, client in enumerate(clients):
            cut = rng.choice((1, 7, 1000, 30000))
            client.sendall(texts[n][:cut])
            texts[n] = texts[n][cut:]
        adds_up(agent)
    for client in clients:
        client.close()
    wait_for(lambda: adds_up(agent) == 3 * (lines + 1), "all is read")
    for key in range(3):
        for odd, stat in ((0, "sum"), (1, "count")):
            values = [n % 100 for n in range(lines) if n % 3 == key and n % 2 == odd]
            kind = "distribution" if odd else "counter"
            want = 3 * (sum(values) if stat == "sum" else len(values))
            wait_for(lambda: value(queryd, f"s.k{key}", stat, kind) == want, f"{key} {kind} {want}")
    wait_count(queryd, "s.last", 3, stat="sum")
    seen = metrics(agent)
    assert seen[f"{A}connections"] == 0 and seen[f"{A}connections_accepted_total"] == 3
    assert agent.terminate() == 0


def value(queryd, key, stat, kind):
    """A stat of this and the last hour together, of one kind."""
    status, answer = http(queryd, f"/{key}/{stat}?from=-2h&to=now&step=total&kind={kind}")
    return answer["points"][0]["value"] if status == 200 and answer["points"] else None


def test_slow_and_endless_clients_disturb_nobody(stack):
    """Half lines, a line without end, a reset in a line: counted, bounded, and the others go on."""
    agent, queryd, path = with_streams(stack, stream_connections=60)
    good = socket.create_connection(agent.tcp[0])
    good.sendall(b"good:1|c\n")
    wait_for(lambda: received(agent) == 1, "the first line is read")
    before = agent.rss_bytes()
    slow = [unix_stream(path) for _ in range(50)]
    for client in slow:
        client.sendall(b"slow:1|c\nslow:1|c|c:" + b"0" * 60000)
    endless = unix_stream(path)
    for n in range(100):
        endless.sendall(b"x" * 100000)
        good.sendall(b"good:1|c\n")
        send(agent, "packet:1|c")
    reset = socket.create_connection(agent.tcp[0])
    reset.sendall(b"reset:1|c\nreset:1|")
    wait_for(lambda: received(agent) == 1 + 200 + 50 + 1, "what is whole is read")
    assert agent.rss_bytes() - before < 12 << 20
    reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reset.close()
    wait_for(lambda: metrics(agent)[f"{A}connections"] == 52, "the broken one has gone")
    too_many = [unix_stream(path) for _ in range(12)]
    wait_for(lambda: metrics(agent)[f"{A}connections_refused_total"] == 4, "four are one too many")
    assert metrics(agent)[f"{A}connections"] == 60
    assert sum(map(gone, too_many)) == 4
    endless.sendall(b"\nendless:1|c\n")
    for client in slow:
        client.sendall(b"\nslow:5|c\n")
    wait_for(lambda: adds_up(agent) == 252 + 1 + 100, "what was half is whole")
    seen = metrics(agent)
    rejected = {reason: seen[f'{A}lines_rejected_total{{reason="{reason}"}}']
                for reason in ("too_large", "truncated")}
    assert rejected == {"too_large": 1, "truncated": 1}
    wait_count(queryd, "good", 101, stat="sum")
    wait_count(queryd, "packet", 100, stat="sum")
    wait_count(queryd, "slow", 50 * (1 + 1 + 5), stat="sum")
    wait_count(queryd, "endless", 1, stat="sum")
    for client in [good, endless, *slow, *too_many]:
        client.close()
    wait_for(lambda: metrics(agent)[f"{A}connections"] == 0, "all have gone")
    assert agent.terminate() == 0


def gone(client):
    """Whether the agent has closed a connection."""
    try:
        return client.recv(1, socket.MSG_DONTWAIT) == b""
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False


def hand_over(agent, sockets):
    """From now on the agent is started as systemd does it, with these sockets (sd_listen_fds(3))."""
    moves = " ".join(f"{3 + n}<&{one.fileno()}" for n, one in enumerate(sockets))
    script = f'exec {moves}; export LISTEN_FDS={len(sockets)} LISTEN_PID=$$; exec "$@"'
    agent.command = ["bash", "-c", script, "bash", *agent.command]
    agent.pass_fds = [one.fileno() for one in sockets]


def test_sockets_of_every_kind_are_systemds_and_outlive_a_kill(stack):
    """Told apart by what they are. While no agent runs, clients connect and the kernel keeps it all."""
    stack.start_redis()
    relay, queryd = stack.start_relay(), stack.start_queryd()
    kinds = [(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
             (socket.AF_INET6, socket.SOCK_DGRAM, ("::1", 0)),
             (socket.AF_UNIX, socket.SOCK_DGRAM, f"\0hourglass-held-{os.getpid()}"),
             (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
             (socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
             (socket.AF_UNIX, socket.SOCK_STREAM, os.path.join(stack.folder, "held"))]
    held = []
    for family, kind, where in kinds:
        held.append(socket.socket(family, kind))
        held[-1].bind(where)
        if kind == socket.SOCK_STREAM:
            held[-1].listen(64)
    with socket.create_server(("127.0.0.1", 0)) as free:
        admin = "127.0.0.1:%d" % free.getsockname()[1]
    state = os.path.join(stack.folder, "state")
    os.makedirs(state)
    command = [f"{BUILD}/hourglass-agent"]
    # A list that could not be bound: none of it is needed.
    for option in (f"relays={relay.listen}", f"admin={admin}", f"state_dir={state}", "seal_ms=50ms",
                   "receivers=2", "listen=udp://192.0.2.1:1,tcp://192.0.2.1:1"):
        command += ["-o", option]
    agent = stack.add("agent", command)
    agent.admin = admin
    hand_over(agent, held)
    for life in range(2):
        if life == 1:
            wait_for(lambda: metrics(agent)[f"{A}samples_open"] == 0, "all is sealed")
            agent.kill()
            say_to_all(held, b"held:10|c\n")     # nobody is there
        agent.start()
        agent.logged(r"(?m)^(<\d>)?ready\b")
        say_to_all(held, b"held:1|c\n")
        wait_for(lambda: adds_up(agent) == 6 * (1 + life), "all is read")
    assert {k: len(v) for k, v in shown(agent).items()} == \
        {"udp": 2, "unixgram": 1, "tcp": 2, "unix": 1}
    wait_count(queryd, "held", 6 * 12, stat="sum")
    assert agent.terminate() == 0
    for one in held:
        one.close()


def say_to_all(held, text):
    for one in held:
        with socket.socket(one.family, one.type) as out:
            out.connect(one.getsockname())
            out.send(text)
