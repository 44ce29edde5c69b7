"""Every error of API.md's closed list, and each of their reasons that API.md names, by a request that is answered with
it, with the whole answer (tests/golden/errors.json). `{date}` is the day before yesterday."""
import json
import pathlib
import re

from conftest import http, send, wait_for
from test_answers import Places
from test_slow_clients import connect
from test_tokens import make_token, request

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = json.loads((ROOT / "tests/golden/errors.json").read_text())


def closed_list():
    """The errors that API.md names, with their statuses."""
    section = (ROOT / "proto/API.md").read_text().split("\n## Errors\n")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| (\d+) \| ((?:`\w+` ?)+)\|", section)
    return {(int(status), name) for status, names in rows for name in re.findall(r"`(\w+)`", names)}


# Megabytes of nulls: more than sockets hold, and than the least max_unread.
MUCH = "/render?format=json&from=-300d&until=now" + "&target=golden.key.sum" * 60

REASONS = {"unknown_key", "empty", "future", "expired", "no_window"}


def test_every_error_has_a_request_that_shows_it(stack):
    places = Places()
    stack.start_redis()
    relay = stack.start_relay(**{"windows.golden.other": 100})
    queryd = stack.start_queryd(max_series=1, max_points=100)
    token, digest = make_token()
    guarded = stack.start_queryd("guarded", **{"tokens.a": f"{digest} golden."})
    unread = stack.start_queryd("unread", max_unread="1MiB", max_points=10000000, query_timeout="60s")
    agent = stack.start_agent([relay])
    send(agent, "\n".join(f"golden.{line}|T{places.day + 13 * 3600}" for line in
                          ("key:1|ms", "other:1|ms", "hits:1|c", "room:1|g")))
    for process in (queryd, unread):
        wait_for(lambda process=process: len(http(process, "/v1/keys?match=golden.*")[1].get("keys", [])) == 4,
                 "keys are listed")
    seen, reasons = set(), set()

    def check(process, path, status, error, *more, **options):
        """error is its name, or all of the answer."""
        def answered():
            # A busy machine's Redis may be too slow for one answer: that is another error.
            got, headers, text = request(process, places.put(path).encode(), *more, **options)
            return (got != 503 or status == 503) and (got, headers, json.loads(text))
        got, headers, body = wait_for(answered, path)
        assert (got, body if isinstance(error, dict) else body["error"]) == (status, error), (path, body)
        assert body["message"] and headers["Content-Type"] == "application/json"
        assert headers["X-Content-Type-Options"] == "nosniff"
        seen.add((status, body["error"]))
        reasons.add(body.get("reason"))
        return headers
    for path, status, error in GOLDEN:
        check(queryd, path, status, error)
    assert reasons - {None} == REASONS
    check(queryd, "/" + "a" * 9000, 414, "too_large")
    assert check(queryd, "/v1/keys", 405, "bad_method", method="DELETE")["Allow"] == "GET, HEAD"
    assert check(queryd, "/v1/keys", 405, "bad_method", method="POST", body=b"match=*")["Allow"] == "GET, HEAD"
    assert check(queryd, "/render", 405, "bad_method", method="PUT", body=b"target=a")["Allow"] == "GET, HEAD, POST"
    check(queryd, "/v1/keys", 421, "bad_host", headers={"Host": "evil.example"})
    assert "Bearer" in check(guarded, "/v1/keys", 401, "no_token")["WWW-Authenticate"]
    check(guarded, "/other.key", 403, "not_allowed", token)
    check(guarded, "/v1/ledger?from=-3h", 403, "not_allowed", token)
    # What HTTP itself refuses is text.
    status, headers, text = request(queryd, b"/render", None, "POST", b"target=" + b"a" * 70000)
    assert (status, headers["Content-Type"], text) == (413, "text/plain", "the body is too large\n")
    with connect(unread, small=True) as other:
        other.sendall(f"GET {MUCH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert other.recv(12) == b"HTTP/1.1 200"
        assert check(unread, MUCH, 503, "busy")["Retry-After"] == "1"
    stack.redis_process.kill()
    headers = check(queryd, "/golden.key/max?from=-3h", 503, "store_unavailable")
    assert headers["Retry-After"] == "1"
    assert seen == closed_list()


def test_pages_of_listed_origins_may_read_and_others_may_not(stack):
    stack.start_redis()
    stack.start_relay()
    token, digest = make_token()
    queryd = stack.start_queryd(cors_origins="https://a.example, http://b.example:81", **{"tokens.a": f"{digest} *"})
    leave = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    wait_for(lambda: request(queryd, b"/v1/keys", token)[0] == 200, "the names are read")
    for origin, listed in (("https://a.example", True), ("http://b.example:81", True), ("https://a.example:443", False),
                           ("https://b.example", False), ("null", False), ("https://a.example.evil", False)):
        status, headers, _ = request(queryd, b"/v1/keys", token, headers={"Origin": origin})
        assert status == 200 and headers["Access-Control-Allow-Origin"] == (origin if listed else None)
        assert headers["Vary"] == "Accept-Encoding, Origin"
        # What is wrong may be read too.
        status, headers, _ = request(queryd, b"/v1/keys", headers={"Origin": origin})
        assert status == 401 and headers["Access-Control-Allow-Origin"] == (origin if listed else None)
        # A token makes a browser ask first, without it.
        status, headers, text = request(queryd, b"/v1/keys", method="OPTIONS", headers={"Origin": origin, **leave})
        assert (status, text, headers["Access-Control-Allow-Origin"]) == \
            ((204, "", origin) if listed else (401, text, None))
        if listed:
            assert headers["Access-Control-Allow-Headers"] == "Authorization" and "GET" in headers["Access-Control-Allow-Methods"]
    # Without that question it is a method like others, and nobody's origin is not a question.
    assert request(queryd, b"/v1/keys", token, "OPTIONS", headers={"Origin": "https://a.example"})[0] == 405
    assert request(queryd, b"/v1/keys", token, "OPTIONS", headers=leave)[0] == 405
