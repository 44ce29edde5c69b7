"""Every way in: what is sent arrives, exactly, and nobody who sends disturbs another."""
import os
import socket

from conftest import http, metrics, total, wait_count, wait_for

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
        with open(f"/proc/{agent.pid}/task/{thread}/stat") as stat:
            name, _, rest = stat.read().partition(") ")
        busy += "(receiver" in name and sum(map(int, rest.split()[11:13])) > 0
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
