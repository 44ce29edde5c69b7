"""The agent's ways in that are not datagrams: bodies by HTTP, JSON, and lines over TCP, in MB/s.

The yardstick is the same bytes over a TCP connection to a thread that throws them away.
"""
import http.client
import os
import socket
import threading
import time

from conftest import Stack, http as get, metrics, wait_for
from machine import CORES

LINES = 200000


def bodies():
    """(name, headers, body, lines) of each form."""
    lines = b"".join(b"in.k%d:%d|ms\n" % (n % 100, n % 1000) for n in range(LINES))
    elements = ",".join('{"key":"in.k%d","value":%d}' % (n % 100, n % 1000) for n in range(LINES // 2))
    return (("lines", {}, lines, LINES),
            ("JSON", {"Content-Type": "application/json"}, f"[{elements}]".encode(), LINES // 2))


def discarded(body, seconds):
    """MB/s over loopback to nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def discard():
            peer, _ = server.accept()
            with peer:
                while peer.recv(1 << 16):
                    pass
        thread = threading.Thread(target=discard)
        thread.start()
        with socket.create_connection(server.getsockname()) as out:
            sent, began = 0, time.monotonic()
            while time.monotonic() - began < seconds:
                out.sendall(body)
                sent += len(body)
        thread.join()
    return sent / (time.monotonic() - began) / 1e6


def costs(agent, run):
    """What run(agent) returns, (MB, MB/s, RSS), with MB a CPU second of the agent put in."""
    before = metrics(agent)["process_cpu_seconds_total"]
    size, rate, rss = run(agent)
    return rate, size / max(metrics(agent)["process_cpu_seconds_total"] - before, 1e-9), rss


def posted(agent, headers, body, lines, seconds):
    """Of bodies that were answered 202, one after the other on one connection; all have counted."""
    host, port = agent.admin.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port))
    before = metrics(agent)["hourglass_agent_samples_sealed_total"]
    count, began, most = 0, time.monotonic(), 0
    while time.monotonic() - began < seconds:
        connection.request("POST", "/v1/samples", body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status == 503:    # the spool is full: relays and Redis are the limit
            time.sleep(0.1)
            continue
        assert answer.status == 202
        count += 1
        most = max(most, agent.rss_bytes())
    took = time.monotonic() - began
    connection.close()
    assert metrics(agent)["hourglass_agent_samples_sealed_total"] - before == count * lines
    return count * len(body) / 1e6, count * len(body) / took / 1e6, most


def streamed(agent, address, body, lines, seconds):
    """Over one TCP connection, until all of it is read."""
    before = metrics(agent)["hourglass_agent_samples_received_total"]
    count, began = 0, time.monotonic()
    with socket.create_connection(address) as out:
        while time.monotonic() - began < seconds:
            out.sendall(body)
            count += 1
    wait_for(lambda: metrics(agent)["hourglass_agent_samples_received_total"] - before == count * lines,
             "all is read")
    took = time.monotonic() - began
    return count * len(body) / 1e6, count * len(body) / took / 1e6, agent.rss_bytes()


def bench_inputs(seconds):
    stack = Stack()
    try:
        stack.start_redis()
        relay = stack.start_relay()
        state = os.path.join(stack.folder, "state")
        os.makedirs(state)
        agent = stack.daemon("agent", "hourglass-agent",
                             {"relays": relay.listen, "state_dir": state,
                              "listen": "udp://127.0.0.1:0,tcp://127.0.0.1:0"},
                             {"admin": "127.0.0.1:0"})
        wait_for(lambda: get(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
        host, port = agent.logged(r"tcp://([\d.]+):(\d+)").groups()
        for other in (stack.redis_process, relay):
            os.sched_setaffinity(other.pid, {1 % CORES})
        forms = bodies()
        yardstick = discarded(forms[0][2], seconds)
        rows = [(f"POST of {name}, {len(body) / 1e6:.1f} MB each",
                 costs(agent, lambda a: posted(a, headers, body, lines, seconds)))
                for name, headers, body, lines in forms]
        rows.append(("TCP, one connection", costs(agent, lambda a: streamed(
            a, (host, int(port)), forms[0][2], LINES, seconds))))
        print(f"  the same bytes to nobody: {yardstick:,.0f} MB/s")
        for name, (rate, dear, rss) in rows:
            print(f"  {name}: {rate:,.0f} MB/s ({rate / yardstick:.3f} of that), {dear:,.0f} MB a CPU "
                  f"second of the agent, RSS {rss / 1e6:.0f} MB", flush=True)
    finally:
        stack.close()
