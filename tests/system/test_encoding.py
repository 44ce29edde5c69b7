# SPDX-License-Identifier: Apache-2.0
"""Answers compressed for clients that take it, asked for by curl: the same bytes after all, and a tag for each form."""
import subprocess

from conftest import BUILD, send, wait_for
from test_compaction import past_day, spell

LONG, SHORT = "/v1/keys?match=packed.*&limit=1000", "/v1/keys?match=packed.*&limit=1"
KEYS, HOURS = 60, 24


def curl(queryd, path, *more):
    """(status, headers in small letters, body as curl gives it, bytes of it on the wire)."""
    run = subprocess.run(["curl", "-sS", "-i", "-w", "\n%{size_download}", *more, f"http://{queryd.listen}{path}"],
                         capture_output=True, timeout=60, check=True)
    head, _, rest = run.stdout.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    body, _, size = rest.rpartition(b"\n")
    return int(lines[0].split()[1]), headers, body, int(size)


def test_curl_gets_the_same_compressed_and_plain(stack):
    _, agent, queryd = stack.start_all(relays=1)
    day = past_day()
    for first in range(0, KEYS, 20):
        send(agent, "\n".join(f"packed.of.a.longer.name.{n}:1|c|T{day + n % HOURS * 3600}"
                              for n in range(first, first + 20)))
    send(agent, "\n".join(f"packed.day:{n}|ms|T{day + n * 3600}" for n in range(HOURS)))
    wait_for(lambda: curl(queryd, LONG)[2].count(b"packed.") == KEYS + 1, "all keys are listed")
    path = f"/packed.day/max/{spell(day)[0]}"
    wait_for(lambda: curl(queryd, path)[2].count(b'"hour":') == HOURS, "the whole day is there")
    wait_for(lambda: b'"complete":true' in curl(queryd, path)[2], "the day is complete")

    for asked in (LONG, path, "/", "/v1/page/dygraph.min.js", "/functions"):
        _, headers, plain, size = curl(queryd, asked)
        assert "content-encoding" not in headers and headers["vary"] == "Accept-Encoding"
        status, headers, unpacked, packed_size = curl(queryd, asked, "--compressed")
        assert (status, headers["content-encoding"], headers["vary"]) == (200, "gzip", "Accept-Encoding")
        assert unpacked == plain and 0 < packed_size < size / 1.5
        assert headers["x-content-type-options"] == "nosniff"
    for asked, *more in ((SHORT, "--compressed"), (LONG, "-H", "Accept-Encoding: gzip;q=0, *"),
                         (LONG, "-H", "Accept-Encoding: gzip", "-H", "Accept-Encoding: gzip;q=0"),
                         (LONG, "-H", "Accept-Encoding: br"), ("/metrics", "--compressed")):
        assert "content-encoding" not in curl(queryd, asked, *more)[1]
    assert "content-encoding" in curl(queryd, LONG, "-H", "Accept-Encoding: br", "-H", "Accept-Encoding: gzip", "-I")[1]
    assert "content-encoding" in curl(queryd, SHORT, "-H", "Accept-Encoding: gzip, identity;q=0", "-I")[1]
    printed = subprocess.run([f"{BUILD}/hourglass-queryd", "-o", f"redis=unix://{stack.redis_socket}",
                              "--get", LONG],
                             capture_output=True, timeout=60, check=True).stdout
    assert printed == curl(queryd, LONG)[2]
    check_tags(queryd, path)


def check_tags(queryd, path):
    """Each form is 304 for who has it, and whole for who has the other."""
    forms = [[], ["--compressed"]]
    tags = [curl(queryd, path, *form)[1]["etag"] for form in forms]
    assert tags[0] != tags[1] and all(tag[0] == tag[-1] == '"' for tag in tags)
    for form in (0, 1):
        for has, expected in ((tags[form], 304), ("W/" + tags[form], 304), (", ".join(tags), 304),
                              (f'"x"\r\nIf-None-Match: {tags[form]}', 304), ("*", 304),
                              (tags[1 - form], 200)):
            status, headers, body, _ = curl(queryd, path, *forms[form], "-H", f"If-None-Match: {has}")
            assert (status, headers["etag"]) == (expected, tags[form]), (has, form)
            assert headers["vary"] == "Accept-Encoding" and bool(body) == (expected == 200)


def test_long_answers_are_compressed_beside_the_loop(stack):
    """A year of hours of every stat of a key is 2.5 MB, most of it null."""
    _, agent, queryd = stack.start_all(relays=1)
    day = past_day()
    send(agent, "\n".join(f"long.key:{n}|ms|T{day + 60 * n}" for n in range(20)))
    wait_for(lambda: b'"count":20' in curl(queryd, "/long.key")[2], "the key is there")
    wait_for(lambda: b"long.key" in curl(queryd, "/v1/keys")[2], "and its name")
    path = f"/render?target=long.key.*&target=long.key.m*&from={day - 398 * 86400}&until={day + 86400}&maxDataPoints=9600"
    _, headers, plain, size = curl(queryd, path)
    assert "content-encoding" not in headers and size > 2 << 20
    runs = [subprocess.Popen(["curl", "-sS", "--compressed", "-w", "%{stderr}%{size_download}", f"http://{queryd.listen}{path}"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    for run in runs:
        unpacked, packed_size = run.communicate(timeout=60)
        assert run.returncode == 0 and unpacked == plain and int(packed_size) < size / 5
    _, headers, body, _ = curl(queryd, path, "-I", "-H", "Accept-Encoding: gzip")
    assert headers["content-encoding"] == "gzip" and not body
    # Who goes away meanwhile takes nothing along.
    subprocess.run(["curl", "-sS", "--compressed", "-m", "0.2", f"http://{queryd.listen}{path}"], capture_output=True,
                   timeout=60, check=False)
    assert curl(queryd, path, "--compressed")[2] == plain
