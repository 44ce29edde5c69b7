# SPDX-License-Identifier: Apache-2.0
"""`hourglass-queryd --get` when Redis cannot be reached: where, why, what to do. All at once, because it waits 10 s."""
import contextlib
import json
import os
import re
import socket
import subprocess
import threading

from conftest import BUILD
from redis_fleet import Servers, free_ports

SECRET = "the-secret"


def bound(stack_of_sockets):
    """A port that nobody listens on, and nobody else can take."""
    made = stack_of_sockets.enter_context(socket.socket())
    made.bind(("127.0.0.1", 0))
    return made


def port_of(sock):
    return sock.getsockname()[1]


@contextlib.contextmanager
def peer(says):
    """A port whose listener says the same to all and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.recv(1000)
                        client.sendall(says)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port_of(listener)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def start_sentinel(stack):
    """One that watches nothing."""
    port, = free_ports(1)
    path = os.path.join(stack.folder, "sentinel.conf")
    with open(path, "w", encoding="ascii") as conf:
        conf.write("\n")
    Servers(stack).start(port, path, "--sentinel")
    return port


def test_a_redis_that_cannot_be_reached_is_named_with_the_reason(stack):
    stack.start_redis()
    stack.redis().config_set("requirepass", SECRET)
    sentinel = start_sentinel(stack)
    with contextlib.ExitStack() as sockets:
        refused = f"127.0.0.1:{port_of(bound(sockets))}"
        hangs = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        http = sockets.enter_context(peer(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        closes = sockets.enter_context(peer(b""))
        cases = [
            (f"redis://{refused}", f"redis://{refused}/0: connection refused; start Redis there, or"),
            (f"sentinel://{refused}/main", f"sentinel://{refused}: connection refused; start Redis"),
            (f"cluster://{refused}", f"cluster://{refused}: connection refused; start Redis"),
            ("unix:///nowhere.sock", "unix:///nowhere.sock: no such file or directory; start Redis"),
            # Without a network no server says that there is no such name.
            ("redis://nowhere.invalid", "redis://nowhere.invalid:6379/0: .*; .*(resolve|name server|not answer)"),
            (f"redis://127.0.0.1:{port_of(hangs)}", "connection timed out; it does not answer"),
            (f"redis://127.0.0.1:{http}", "what listens there does not speak as Redis"),
            (f"redis://127.0.0.1:{closes}", "what listens there hung up"),
            (f"unix://{stack.redis_socket}", "redis.sock: NOAUTH .*; it wants a password"),
            (f"unix://:wrong-{SECRET}@{stack.redis_socket}", "redis.sock: WRONGPASS .*; user or password in `redis`"),
            (f"sentinel://127.0.0.1:{sentinel}/main", f"127.0.0.1:{sentinel}/main/0: no sentinel names a master; "),
        ]
        cases = [(redis, "^Redis cannot be reached: .*" + words) for redis, words in cases]
        # As it is when replicas may be read.
        cases.append((cases[0][0] + "\nstale_ok=yes", cases[0][1]))
        cases.append((f"unix://:{SECRET}@{stack.redis_socket}", "^no relay has set up this Redis"))
        asked = []
        for redis, words in cases:
            options = [part for line in f"redis={redis}".split("\n") for part in ("-o", line)]
            asked.append((words, subprocess.Popen([f"{BUILD}/hourglass-queryd", *options, "--get", "/a.b/count?from=-1h"],
                                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)))
        for words, process in asked:
            out, err = process.communicate(timeout=120)
            answer = json.loads(err.splitlines()[-1])
            assert (process.returncode, out, answer["error"]) == (1, "", "store_unavailable")
            assert re.search(words, answer["message"]), (words, answer)
            assert SECRET not in err
