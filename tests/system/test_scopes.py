# SPDX-License-Identifier: Apache-2.0
"""Random scopes over random keys: whatever is asked by whatever endpoint and however it is spelt, no answer says
anything of a key outside. `test_tokens.py` does the same for scopes that are chosen, and who may ask what."""
import json
import random
import time
import urllib.parse

import pytest

from conftest import Stack, send, wait_for
from test_tokens import make_token, request

SEED = 20261122
KEYS, SCOPES, REQUESTS = 60, 20, 1500
NODES = ["app", "App", "ap", "a b", "ü", "x[1]", "50%", "%2F", "%252f", "..", "a/b", "q?", "back\\slash", "<b>", "*"]
TAGS = ["host", "Host", "h"]


def make_names(rng):
    """Names of a few nodes, many of which begin alike. Of each a word tells whose it is: n1000z, n1001z and so on."""
    return [".".join(rng.choice(NODES) for _ in range(rng.randrange(1, 4))) + rng.choice([".", "/", "-"]) +
            f"n{1000 + n}z" + rng.choice(["", ".t", ".sub.t"]) for n in range(KEYS)]


def fill(stack, rng):
    """Sends one sample a key, whose value no other has and nothing is made of."""
    second = int(time.time())
    stack.date, stack.hour = time.strftime("%Y-%m-%d", time.gmtime(second)), time.gmtime(second).tm_hour
    for n, name in enumerate(make_names(rng)):
        tags = "|#" + f"{rng.choice(TAGS)}:v{1000 + n}w" if rng.random() < 0.4 else ""
        send(stack.agent, f"{name}:{71717000 + n}|ms|T{second}{tags}\n")

    def known():
        top = json.loads(request(stack.scribe, b"/v1/top?match=*&stat=max&n=1000&from=-3h")[2]).get("top", [])
        stack.values = {place["key"]: place["value"] for place in top if place["value"] > 71716999}
        return len(stack.values) == KEYS
    wait_for(known, "all keys are known")


def make_scope(rng, keys):
    """Prefixes cut out of canonical keys, between any two letters; never `hourglass.` or what takes it in."""
    found = []
    while not found or rng.random() < 0.5:
        key = rng.choice(keys)
        cut = key[:rng.randrange(1, len(key) + 1)]
        if not set(cut) & set("*?[];\\,\"' ") and not "hourglass.".startswith(cut):
            found.append(cut)
    return found


@pytest.fixture(scope="module")
def world():
    stack, rng = Stack(), random.Random(SEED)
    try:
        stack.start_redis()
        stack.agent = stack.start_agent([stack.start_relay()])
        stack.scribe = stack.start_queryd("scribe")
        fill(stack, rng)
        keys = sorted(stack.values)
        stack.scopes = [(make_token(), make_scope(rng, keys)) for _ in range(SCOPES)]
        stack.queryd = stack.start_queryd(**{f"tokens.t{n}": " ".join([digest, *prefixes])
                                             for n, ((_, digest), prefixes) in enumerate(stack.scopes)})
        whose = (token for (token, _), _ in stack.scopes)
        wait_for(lambda: request(stack.queryd, b"/v1/keys", next(whose))[0] == 200, "the names are read")
        stack.rng = rng
        yield stack
    finally:
        stack.close()


# ---- what is asked --------------------------------------------------------------------------------

TRICKS = [b"%00", b"%2F", b"%2f", b"%252F", b"%252f", b"/", b"..", b"%2e%2E", b"%2E.", b"/../", b"%5C", b"%3B", b"%ff",
          b"%c3", b"*", b"?", b"{", b"}", b"%0A", b"%"]


def odd(rng, text, tricks):
    """A text as it may stand in a URL: escaped or not, in small or large digits, twice, with something in between."""
    out = b""
    for byte in text.encode():
        choice = rng.random()
        if choice < 0.03:
            out += b"%%25%02X" % byte
        elif choice < 0.2 or not (byte == 47 or chr(byte).isalnum() or byte in b".-_~*"):
            out += (b"%%%02x" if rng.random() < 0.5 else b"%%%02X") % byte
        else:
            out += bytes([byte]).swapcase() if choice > 0.995 else bytes([byte])
        if rng.random() < tricks:
            out += rng.choice(TRICKS)
    return out


def make_glob(rng, key):
    """Something that may match a key and others."""
    at = sorted(rng.sample(range(len(key) + 1), 2)) if len(key) > 1 else [0, 1]
    return rng.choice([key, "*", key[:at[0]] + "*", "*" + key[at[0]:], key[:at[0]] + "*" + key[at[1]:],
                       key[:at[0]] + "?" + key[at[0] + 1:], key.split(".")[0] + ".*", "*.*", "?*",
                       "{" + key[:at[0]] + ",a,App}*", "[a-z]*", "[!z]*"])


def make_request(rng, world):
    """(path with query, form or None) of any endpoint, about any key."""
    key, tricks = rng.choice(list(world.values)), rng.choice([0, 0, 0.02, 0.1])

    def name():
        return odd(rng, key, tricks)

    def glob():
        return odd(rng, make_glob(rng, key), tricks)
    hour = f"{world.date}/{world.hour}".encode()
    plain, _, tags = key.partition(";")
    stat = rng.choice([b"max", b"min", b"median", b"p99_9", b"*", b"m*"])
    path = odd(rng, rng.choice([plain, make_glob(rng, plain)]), tricks) + b"." + stat + \
        (b"%3B" + odd(rng, tags, tricks) if tags and rng.random() < 0.5 else b"")
    target = rng.choice([
        path, path, b"alias(%s,'x')" % path, b"aliasSub(%s,%%22(^.*$)%%22,%%22%%5C1%%20A%%22)" % path,
        b"maxSeries(%s,%s)" % (path, glob() + b".max"), b"groupByNode(*.max,0,'max')", b"limit(*.*.max,9)",
        b"seriesByTag('name=~.*')", b"seriesByTag('host=~.*','h!=x')", b"seriesByTag('name=%s.max')" % name()])
    asked = rng.choice([
        b"/%s/max/%s" % (name(), hour), b"/%s/max/%s" % (name(), hour.split(b"/")[0]), b"/%s/min?from=-3h" % name(),
        b"/%s" % name(), b"/%s/moving_average/3" % name(), b"/%s/../%s/max/%s" % (name(), name(), hour),
        b"/v1/series?key=%s&stat=max&date=%s&hour=%s" % (name(), *hour.split(b"/")),
        b"/v1/series?key=%s&stat=max&from=-3h" % name(), b"/v1/series?key=%s" % name(),
        b"/v1/keys?limit=1000", b"/v1/keys?match=%s&limit=1000" % glob(), b"/v1/keys?limit=1000&after=%s" % name(),
        b"/v1/query?match=%s&stat=max&from=-3h&by=%s" % (glob(), rng.choice([b"host", b"Host", b"h"])),
        b"/v1/query?match=%s&stat=min&from=-3h&step=total" % glob(),
        b"/v1/top?match=%s&stat=max&n=1000&from=-3h" % glob(), b"/v1/ledger?from=-3h", b"/metrics",
        b"/render?target=%s&from=-3h" % target, b"/render?target=%s&from=-3h&format=csv" % target,
        b"/metrics/find?query=%s" % glob(), b"/metrics/find?query=*", b"/metrics/expand?query=%s.*" % glob(),
        b"/tags/autoComplete/tags?expr=name=~.*", b"/tags/autoComplete/values?tag=name&limit=9000",
        b"/tags/autoComplete/values?tag=host&expr=name=~%s" % glob(), b"/tags/autoComplete/values?tag=h&limit=9000"])
    if asked.startswith(b"/render?") and rng.random() < 0.5:
        return b"/render", asked[len(b"/render?"):]
    return asked, None


def decoded(path):
    """A request as it was sent and as it is after one and two decodings: an answer may repeat any of these."""
    once = urllib.parse.unquote_to_bytes(path)
    return "\n".join(text.decode("latin-1") for text in (path, once, urllib.parse.unquote_to_bytes(once)))


def test_no_random_scope_reads_beyond_itself(world):
    rng, found, refused = world.rng, set(), 0
    words = {key: [str(value), f"n{value - 71716000}z", f"v{value - 71716000}w"] for key, value in world.values.items()}
    for _ in range(REQUESTS):
        which = rng.randrange(SCOPES)
        (token, _), prefixes = world.scopes[which]
        path, form = make_request(rng, world)
        status, _, text = request(world.queryd, path, token, "POST" if form else "GET", form)
        assert status in (200, 301, 400, 403, 404, 405), (status, path, form, text)
        refused += status == 403
        asked = decoded(path + b"\n" + (form or b""))
        for key, marks in words.items():
            said = [mark for mark in marks if mark in text and mark not in asked]
            if key.startswith(tuple(prefixes)):
                found |= {which} if said else set()
            else:
                assert not said, (prefixes, key, path, form, text)
        assert "agent=" not in text and "hourglass_queryd" not in text, (prefixes, path, text)
    # The requests are not all in vain: each scope has found something of its own.
    assert len(found) == SCOPES and refused > REQUESTS / 50, (found, refused)
