# SPDX-License-Identifier: Apache-2.0
"""Every request that API.md documents, with the whole answer, byte for byte (tests/golden/answers.json).

Samples lie in hours 13 and 14 of the day before yesterday. In requests and answers `{date}` is that day, `{next}` the
one after it, `{compact}` that day as Graphite writes it, `{t13}` the unix second of its hour 13, `{t13+1}` a second later; `{now-1}` and `{hour-1}` are the hour
before the one that runs, as a second and as text."""
import json
import pathlib
import re
import socket
import time

from conftest import send, wait_for
from test_compaction import past_day, spell
from test_tokens import request

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = json.loads((ROOT / "tests/golden/answers.json").read_text())
API = (ROOT / "proto/API.md").read_text()
LINES = {
    13: ["time:1|ms", "time:2|ms", "time:10|ms", "time:4|ms|#host:web.1", "time:8|ms|#host:web.2", "rated:5|ms|@0.5",
         "both:7|ms", "hits:3|c", "hits:4|c|@0.5", "room:21.5|g", "room:19|g", "who:ann|s", "who:bob|s",
         "who:ann|s", "last:5|ms", "a/b <\u00fc&>:1|ms"],
    14: ["time:31|ms", "both:1|c", "hits:1|c", "room:+2|g", "who:eve|s", "last:6|ms", "last:10|ms"],
}
# By other names, so that what lists `golden.*` stays short: odd ones, and such as fixed paths have.
OTHERS = {
    5: ["other.early:3|ms"],
    13: ["other.two:3|ms|#host:web.1,az:b", "other.huge:1e308|ms", "other.huge:1e308|ms", "metrics:7|ms", "render:9|ms",
         "v1/keys:8|ms"],
}
ELSEWHERE = {"/", "/v1/page/<file>", "/metrics"}  # test_page.py, and counters that never stand still


def paths_of(api):
    """The fixed paths of API.md's first table, without their parameters."""
    table = api.split("| path | answer |")[1].split("\n\n")[0]
    cells = re.findall(r"(?m)^\| (`.*?`) \|", table)
    return {path.split("?")[0] for cell in cells for path in re.findall(r"`(\S+)`", cell)
            if not path.startswith("/<key>")} - ELSEWHERE


def stats_of(api):
    table = api.split("| kind | stats |")[1].split("\n\n")[0]
    return set(re.findall(r"`(\w+)`", table))


def functions_of(api):
    return re.findall(r"\w+", re.sub(r"\(.*?\)", "", api.split("**Functions**: ")[1].split(". Another")[0]))


def test_all_that_is_documented_is_golden():
    asked = [row[0].replace("POST ", "") for row in GOLDEN]
    assert paths_of(API) - {re.split("[? ]", path)[0] for path in asked} == set()
    for stat in stats_of(API):
        assert any(re.match(rf"/golden\.\w+/{stat}/", path) for path in asked), stat
    for function in functions_of(API):
        assert any(f"target={function}(" in path for path in asked), function


class Places:
    """What the placeholders stand for."""

    def __init__(self):
        self.day, self.now = past_day(), int(time.time()) // 3600 * 3600
        self.names = {"date": spell(self.day)[0], "compact": spell(self.day)[0].replace("-", ""), "next": spell(self.day + 86400)[0], "host": socket.gethostname()}

    def found(self, match):
        what, hours, seconds = match[1], int(match[2] or 0), int(match[3] or 0)
        if what == "t":
            return str(self.day + hours * 3600 + seconds)
        if what == "now":
            return str(self.now + hours * 3600)
        if what == "hour":
            return time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime(self.now + hours * 3600))
        return self.names[what]

    def put(self, text):
        """A second that is a whole value of JSON stands there in quotes, but is a number."""
        text = re.sub(r'"(\{(?:t\d+|now[-+]\d+)\})"', r"\1", text)
        return re.sub(r"\{(t(?=\d)|now|hour|date|compact|next|host|agent)([+-]?\d+)?(?:\+(\d+))?\}", self.found, text)

    def body(self, golden):
        """The bytes that queryd writes: its JSON has no blanks, and nothing a browser could take for markup."""
        if isinstance(golden, str):
            return self.put(golden)
        text = json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n"
        return self.put(re.sub("[<>&]", lambda c: f"\\u{ord(c[0]):04x}", text))


def ask(queryd, places, path):
    """(status, type, text)."""
    method, _, rest = path.partition(" ") if path.startswith("POST ") else ("GET", "", path)
    where, _, form = rest.partition(" ")
    status, headers, text = request(queryd, places.put(where).encode(), None, method,
                                    places.put(form).encode() if form else None)
    return status, headers["Content-Type"], text


def test_every_documented_request_has_its_answer(stack):
    places = Places()
    stack.start_redis()
    relay = stack.start_relay(**{"windows.golden.last": 100})
    queryd = stack.start_queryd()
    agent = stack.start_agent([relay])
    for hour, lines in LINES.items():
        for second, line in enumerate(lines):
            send(agent, f"golden.{line}|T{places.day + hour * 3600 + second}")
    for hour, lines in OTHERS.items():
        send(agent, "\n".join(f"{line}|T{places.day + hour * 3600}" for line in lines))
    places.names["agent"] = agent.logged(r"identity agent=([0-9a-f]{32})")[1]
    for path, golden, *kind in GOLDEN:
        def expected():
            places.now = int(time.time()) // 3600 * 3600
            return 200, *(kind or ["application/json"]), places.body(golden)
        # Samples are on their way at first, and a busy machine's Redis may be too slow for an answer.
        wait_for(lambda: ask(queryd, places, path) == expected(),
                 lambda: f"{path}:\n{ask(queryd, places, path)}, not\n{expected()}")
