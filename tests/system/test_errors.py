"""Every error of API.md's closed list, by a request that is answered with it (tests/golden/errors.json)."""
import json
import pathlib
import re

from conftest import http, send, wait_for
from test_tokens import make_token, request

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = json.loads((ROOT / "tests/golden/errors.json").read_text())


def closed_list():
    """The errors that API.md names, with their statuses."""
    section = (ROOT / "proto/API.md").read_text().split("\n## Errors\n")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| (\d+) \| ((?:`\w+` ?)+)\|", section)
    return {(int(status), name) for status, names in rows for name in re.findall(r"`(\w+)`", names)}


def test_every_error_has_a_request_that_shows_it(stack):
    stack.start_redis()
    relay = stack.start_relay()
    queryd = stack.start_queryd(max_series=1)
    token, digest = make_token()
    guarded = stack.start_queryd("guarded", **{"tokens.a": f"{digest} golden."})
    agent = stack.start_agent([relay])
    send(agent, "golden.key:1|ms\ngolden.other:1|ms\n")
    wait_for(lambda: len(http(queryd, "/v1/keys?match=golden.*")[1].get("keys", [])) == 2, "keys are listed")
    seen = set()

    def check(process, path, status, error, *more, **options):
        def answered():
            # A busy machine's Redis may be too slow for one answer: that is another error.
            got, headers, text = request(process, path.encode(), *more, **options)
            return (got != 503 or error == "store_unavailable") and (got, headers, json.loads(text))
        got, headers, body = wait_for(answered, path)
        assert (got, body["error"]) == (status, error), (path, body)
        assert body["message"] and headers["Content-Type"] == "application/json"
        assert headers["X-Content-Type-Options"] == "nosniff"
        seen.add((status, error))
        return headers
    for path, status, error in GOLDEN:
        check(queryd, path, status, error)
    check(queryd, "/" + "a" * 9000, 414, "too_large")
    assert "GET" in check(queryd, "/v1/keys", 405, "bad_method", method="DELETE")["Allow"]
    check(queryd, "/v1/keys", 421, "bad_host", headers={"Host": "evil.example"})
    assert "Bearer" in check(guarded, "/v1/keys", 401, "no_token")["WWW-Authenticate"]
    check(guarded, "/other.key", 403, "not_allowed", token)
    stack.redis_process.kill()
    headers = check(queryd, "/golden.key/max?from=-3h", 503, "store_unavailable")
    assert headers["Retry-After"] == "1"
    assert seen == closed_list()
