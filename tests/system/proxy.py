# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy in user space that misbehaves when told to.

    proxy = Proxy(("127.0.0.1", 8127), seed=7)      # listens on proxy.address
    proxy.begin("dribble"); ...; proxy.heal()

It goes between an agent and a relay, or a relay and Redis. One thread carries all connections of
one proxy. Each connection is two lanes, one a direction, and a lane lives on when the other has
died: what a stuck network held of a connection that its sender gave up long ago still arrives,
late, as it does in the world. Bytes are never altered or reordered, and none go missing from the
middle: TCP does not do that either. What is swallowed ends in a reset.

The seed fixes every choice made here; the moments are the machine's.
"""
import collections
import random
import select
import socket
import struct
import threading
import time

PASS = "pass"
KINDS = {
    "cut": "every connection is closed, new ones at once",
    "reset": "every connection is reset, new ones at once",
    "delay": "bytes come 50 to 400 ms late",
    "dribble": "one byte a segment",
    "half_up": "nothing goes from the client to the server; it arrives at the end",
    "half_down": "nothing goes from the server to the client; it arrives at the end",
    "swallow": "bytes vanish both ways, new connections are taken; reset at the end",
}

CHUNK_BYTES = 65536
HELD_BYTES = 1 << 22        # a lane with more waiting does not read on
STUCK_BYTES = 64 << 20      # the same for a half-open one, which must see its sender go
DRIBBLE_SENDS = 200         # of one byte, each time a lane's turn comes
DELAY_SECONDS = (0.05, 0.4)


class Lane:
    """One direction of a connection."""

    def __init__(self, up, source, sink):
        self.up, self.source, self.sink = up, source, sink
        self.pieces = collections.deque()   # (due, memoryview)
        self.size = 0
        self.ended = False                  # the source has said its last
        self.done = False                   # nothing will be written any more
        self.due = 0.0

    def take(self, data, due):
        self.due = max(self.due, due)       # in order, whatever the delay
        self.pieces.append((self.due, memoryview(data)))
        self.size += len(data)

    def give_up(self):
        self.pieces.clear()
        self.size, self.done = 0, True


class Link:
    """A connection: the client's socket, the server's, and two lanes."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.lanes = (Lane(True, client, server), Lane(False, server, client))
        self.swallows = False

    def close(self, reset):
        for end in (self.client, self.server):
            if end is None:
                continue
            if reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()


class Proxy(threading.Thread):
    """`address` is where to connect; `counts` says what was done to whom."""

    def __init__(self, target, seed, name="link"):
        super().__init__(daemon=True, name=name)
        self.target, self.random = target, random.Random(seed)
        self.kind = PASS
        self.counts = collections.Counter()
        self.links = []
        self.orders = collections.deque()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.listener.setblocking(False)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.ear, self.mouth = socket.socketpair()
        self.open = True
        self.start()

    # ---- what tests call ----
    def begin(self, kind):
        """Misbehaves in one of KINDS from now on."""
        assert kind in KINDS
        self.order(kind)

    def heal(self):
        """Behaves again; held bytes go out, swallowed connections are reset."""
        self.order(PASS)

    def close(self):
        self.open = False
        self.mouth.send(b"x")
        self.join(10)

    def order(self, kind):
        done = threading.Event()
        self.orders.append((kind, done))
        self.mouth.send(b"x")
        done.wait(10)

    # ---- the thread ----
    def run(self):
        while self.open:
            self.turn()
        for link in self.links:
            link.close(reset=True)
        for one in (self.listener, self.ear, self.mouth):
            one.close()

    def turn(self):
        now = time.monotonic()
        readers, writers, wait = self.interest(now)
        readable, writable, _ = select.select(readers, writers, [], wait)
        if self.ear in readable:
            self.ear.recv(4096)
        while self.orders:
            kind, done = self.orders.popleft()
            self.become(kind)
            done.set()
        if self.listener in readable:
            self.accept()
        now = time.monotonic()
        for link in self.links:
            for lane in link.lanes:
                if lane.source in readable:
                    self.read(link, lane, now)
                if lane.sink in writable:
                    self.write(lane, now)
        self.reap()

    def interest(self, now):
        """(sockets to read, sockets to write, seconds to wait)."""
        readers, writers, wait = [self.ear, self.listener], [], 0.5
        for link in self.links:
            for lane in link.lanes:
                most = STUCK_BYTES if self.stuck(lane) else HELD_BYTES
                if not lane.ended and lane.size < most:
                    readers.append(lane.source)
                if not lane.pieces or self.stuck(lane):
                    continue
                if lane.pieces[0][0] <= now:
                    writers.append(lane.sink)
                else:
                    wait = min(wait, lane.pieces[0][0] - now)
        return readers, writers, wait

    def stuck(self, lane):
        return self.kind == ("half_up" if lane.up else "half_down")

    def become(self, kind):
        if self.kind == "swallow":
            self.drop_all([link for link in self.links if link.swallows], reset=True)
        self.kind = kind
        if kind in ("cut", "reset"):
            self.counts[kind] += len(self.links)
            self.drop_all(list(self.links), reset=kind == "reset")
        if kind == "swallow":
            for link in self.links:
                link.swallows = True

    def drop_all(self, links, reset):
        for link in links:
            link.close(reset)
            self.links.remove(link)

    def accept(self):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        self.counts["connections"] += 1
        if self.kind in ("cut", "reset"):
            self.counts[self.kind] += 1
            Link(client, None).close(self.kind == "reset")
            return
        server = None
        if self.kind != "swallow":
            server = self.connect()
            if server is None:
                Link(client, None).close(reset=True)
                return
        for end in filter(None, (client, server)):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(client, server)
        link.swallows = self.kind == "swallow"
        if server is None:
            link.lanes = (Lane(True, client, None),)
        self.links.append(link)

    def connect(self):
        """Loopback answers at once, except a stopped process with a full backlog."""
        try:
            return socket.create_connection(self.target, timeout=0.5)
        except OSError:
            self.counts["refused"] += 1
            return None

    def read(self, link, lane, now):
        try:
            data = lane.source.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            lane.ended = True
            return
        self.counts["bytes"] += len(data)
        if link.swallows:
            self.counts["swallow"] += len(data)
            return
        if lane.done:
            return
        late = self.random.uniform(*DELAY_SECONDS) if self.kind == "delay" else 0
        if self.kind == "delay" or self.stuck(lane):
            self.counts[self.kind] += len(data)
        lane.take(data, now + late)

    def write(self, lane, now):
        sends = DRIBBLE_SENDS if self.kind == "dribble" else 16
        while sends > 0 and lane.pieces and lane.pieces[0][0] <= now and not self.stuck(lane):
            due, piece = lane.pieces[0]
            sends -= 1
            try:
                sent = lane.sink.send(piece[:1] if self.kind == "dribble" else piece)
            except BlockingIOError:
                return
            except OSError:
                lane.give_up()
                return
            self.counts["dribble"] += self.kind == "dribble"
            lane.size -= sent
            lane.pieces.popleft()
            if sent < len(piece):
                lane.pieces.appendleft((due, piece[sent:]))

    def reap(self):
        """Ends what has been said to the end; a swallowed connection only with its client."""
        for link in list(self.links):
            for lane in link.lanes:
                if not lane.ended or lane.done or lane.pieces or link.swallows:
                    continue
                lane.done = True
                try:
                    lane.sink.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            over = link.lanes[0].ended if link.swallows else all(l.done for l in link.lanes)
            if over:
                link.close(reset=link.swallows)
                self.links.remove(link)
