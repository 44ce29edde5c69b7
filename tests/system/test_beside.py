# SPDX-License-Identifier: Apache-2.0
"""Several queryd beside each other at one Redis, under load: who is left answers, and all say the same."""
import http.client
import json
import signal
import threading
import time

from conftest import send, wait_for
from test_compaction import past_day, spell

KEY = "beside.key"


def fetch(queryd, path, seconds=60):
    """(status, tag, body), or None without an answer."""
    connection = http.client.HTTPConnection(queryd.listen, timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers["ETag"], answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Reader(threading.Thread):
    """Asks one queryd all the time, a new connection each."""

    def __init__(self, queryd, paths):
        super().__init__(daemon=True)
        self.queryd, self.paths, self.answers, self.done = queryd, paths, [], threading.Event()
        self.start()

    def run(self):
        while not self.done.wait(0.01):
            self.answers.append(fetch(self.queryd, self.paths[len(self.answers) % len(self.paths)]))

    def grows(self, count=20):
        """Waits for so many more answers."""
        wanted = len(self.answers) + count
        wait_for(lambda: len(self.answers) >= wanted, "further answers")

    def finish(self):
        self.done.set()
        self.join()
        return self.answers


def same(queryds, path):
    """What all of them answer, once that is 200 with one tag and one body."""
    got = [None]

    def equal():
        got[0] = [fetch(one, path) for one in queryds]
        return len(set(got[0])) == 1 and got[0][0] and got[0][0][0] == 200 and got[0][0]
    _, tag, body = wait_for(equal, lambda: f"equal answers to {path}: {got[0]}")
    return tag, json.loads(body)


def test_one_killed_and_one_stopped_leave_the_third(stack, generator):
    _, agent, first = stack.start_all(relays=1)
    queryds = [first, stack.start_queryd("queryd-2"), stack.start_queryd("queryd-3", cache=0)]
    date, hour = spell(past_day() + 5 * 3600)
    send(agent, "\n".join(f"{KEY}:{n}|ms|T{past_day() + 5 * 3600 + n}" for n in range(50)))
    paths = [f"/{KEY}/{stat}/{date}{part}" for stat in ("count", "median") for part in (f"/{hour}", "")]

    def complete():
        return [json.loads(body[2])["complete"] for body in (fetch(one, paths[0]) for one in queryds)
                if body and body[0] == 200 and b'"value":50' in body[2]] == [True] * 3
    wait_for(complete, "all see the whole hour and its end")
    expected = {path: same(queryds, path) for path in paths}
    assert expected[paths[0]][1]["value"] == 50 and expected[paths[2]][1]["value"] == 24.5

    began = int(time.time()) // 3600 * 3600
    run = generator(agent, count=60000, rate=10000, senders=2, keys=50, payload=1400)
    readers = [Reader(one, paths) for one in queryds]
    for reader in readers:
        reader.grows()
    queryds[0].kill()
    queryds[1].signal(signal.SIGSTOP)
    readers[2].grows(100)
    queryds[1].signal(signal.SIGCONT)
    readers[1].grows()
    queryds[0].start()
    readers[0].grows()
    report = run.report()

    answers = [reader.finish() for reader in readers]
    assert None in answers[0]  # who is dead says nothing
    for answer in [a for one in answers for a in one if a and a[0] == 200]:
        assert (answer[1], json.loads(answer[2])) in expected.values()
    for answer in answers[2]:
        # A busy machine's Redis may be too slow for one answer, and then that is said.
        assert answer and answer[0] in (200, 503)
    assert sum(a[0] == 200 for a in answers[2]) > 0.9 * len(answers[2])
    check_load(queryds, report, began)


def check_load(queryds, report, began):
    """What was sent meanwhile: all of them count the same and right."""
    for key, want in sorted(report["keys"].items())[:10]:
        path = f"/{key}/count?from={began}&to={began + 7200}&step=total"

        def counted():
            found = [fetch(one, path) for one in queryds]
            return len(set(found)) == 1 and found[0] and f'"value":{want["count"]},'.encode() in found[0][2]
        wait_for(counted, f"all count {want['count']} of {key}")
