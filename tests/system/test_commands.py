"""statsd's management commands on the admin port, beside HTTP, as monitoring checks ask for them."""
import re
import socket
import subprocess
import threading

from conftest import http, metrics, send, wait_for

A = "hourglass_agent_"
# What Datadog's check of statsd reads up to, and what statsd's own looks for.
END = re.compile(rb"^(END|health: up|health: down)\n$", re.MULTILINE)


def started(stack, **options):
    stack.start_redis()
    relay = stack.start_relay()
    agent = stack.start_agent([relay], **options)
    wait_for(lambda: http(agent, "/readyz", agent.admin)[0] == 200, "the agent is ready")
    return agent


def dial(agent):
    host, port = agent.admin.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=60)


def ask(agent, command, newline=b"\n"):
    """As a check does: one command a connection, read to the END."""
    with dial(agent) as peer:
        peer.sendall(command.encode() + newline)
        answer = b""
        while not END.search(answer):
            piece = peer.recv(4096)
            if not piece:
                break
            answer += piece
    return answer.decode()


def test_health_and_stats_have_statsds_form(stack):
    agent = started(stack)
    assert ask(agent, "health") == "health: up\n"
    assert ask(agent, "health", b"") == "health: up\n", "a packet is a command, as in statsd"
    assert ask(agent, "health", b"\r\n") == "health: up\n"
    send(agent, "c.a:1|c\nbad\nc.b:x|c")
    wait_for(lambda: metrics(agent)[f"{A}lines_received_total"] == 3, "the lines are read")
    text = ask(agent, "stats")
    assert text.endswith("\nEND\n\n")
    stats = dict(line.split(": ") for line in text.splitlines() if ": " in line)
    assert set(stats) == {"uptime", "messages.last_msg_seen", "messages.bad_lines_seen",
                          "hourglass.samples_received"}
    assert int(stats["messages.bad_lines_seen"]) == 2 and int(stats["uptime"]) >= 0
    assert 0 <= int(stats["messages.last_msg_seen"]) < 60
    assert int(stats["hourglass.samples_received"]) == 1
    # HTTP is served on the same port.
    assert http(agent, "/healthz", agent.admin) == (200, "alive\n")
    assert agent.terminate() == 0


def test_what_came_is_shown(stack):
    agent = started(stack, seal_ms="1s")
    answers = {}

    def question(kind):
        answers[kind] = ask(agent, kind)
    asking = [threading.Thread(target=question, args=(kind,))
              for kind in ("counters", "timers", "gauges", "sets")]
    for one in asking:
        one.start()
    # They are answered by the seal that has the samples: send until one has.
    for _ in range(600):
        send(agent, "it's.a:2:3|c\nt.b:1:2.5|ms\ng.c:7|g\ns.d:x|s\ns.d:y|s")
        asking[0].join(0.1)
        if not asking[0].is_alive():
            if "it" in answers["counters"]:
                break
            asking[0] = threading.Thread(target=question, args=("counters",))
            asking[0].start()
    for one in asking:
        one.join(60)
    found = re.fullmatch(r"\{ 'it\\'s\.a': (\d+) \}\nEND\n\n", answers["counters"])
    assert found and int(found.group(1)) % 5 == 0
    for kind in ("timers", "gauges", "sets"):
        if answers[kind] == "{}\nEND\n\n":  # was answered before the first line came
            send(agent, "t.b:1:2.5|ms\ng.c:7|g\ns.d:x|s")
    shapes = {"timers": r"\{ 't\.b': \[ [\d., more items]+ \] \}\nEND\n\n",
              "gauges": r"\{ 'g\.c': 7 \}\nEND\n\n", "sets": r"\{ 's\.d': \d+ \}\nEND\n\n"}
    for kind, shape in shapes.items():
        assert re.fullmatch(shape, answers[kind]) or answers[kind] == "{}\nEND\n\n", answers[kind]
    assert agent.terminate() == 0


def test_words_may_come_in_any_pieces_and_number(stack):
    agent = started(stack, seal_ms="50ms")
    with dial(agent) as peer:
        for byte in b"health\nhealth\nnonsense\nhelp\ncounters\nhealth\nquit\n":
            peer.sendall(bytes([byte]))
        answer = b""
        while piece := peer.recv(4096):
            answer += piece
    assert answer.decode() == ("health: up\nhealth: up\nERROR\nCommands: stats, counters, timers, gauges,"
                               " sets, health, quit\n\n{}\nEND\n\nhealth: up\n")
    # The other side's end ends the last word; nc -N does so.
    host, port = agent.admin.rsplit(":", 1)
    for words in (b"counters", b"gauges\ntimers\n"):
        asked = subprocess.run(["nc", "-N", host, port], input=words, capture_output=True, timeout=60)
        assert asked.stdout == b"{}\nEND\n\n" * len(words.split())
    assert agent.terminate() == 0


def healthy(agent):
    """Whether it says so; who finds no room is closed, perhaps before his word was read."""
    try:
        return ask(agent, "health") == "health: up\n"
    except (ConnectionResetError, BrokenPipeError):
        return False


def test_hostile_guests_are_bounded(stack):
    agent = started(stack)
    before = agent.rss_bytes()
    silent = [dial(agent) for _ in range(100)]      # 64 may stand at the door
    talking = []
    for _ in range(40):                              # 16 may speak at a time
        talking.append(dial(agent))
        talking[-1].sendall(b"h")
    endless = dial(agent)
    try:
        for _ in range(1000):
            endless.sendall(b"x" * 1000)
    except OSError:
        pass
    for one in silent + talking + [endless]:
        one.close()
    wait_for(lambda: healthy(agent), "there is room again")
    wait_for(lambda: http(agent, "/healthz", agent.admin)[0] == 200, "for HTTP, too")
    assert agent.rss_bytes() - before < 4 << 20
    assert agent.terminate() == 0
