"""Tokens: no token reads a key outside of its prefixes, by any endpoint; who may connect and under what name."""
import base64
import http.client
import json
import random
import re
import signal
import subprocess
import time
import urllib.parse

import pytest

from conftest import BUILD, Stack, http as get, send, wait_for

SEED = 20261121
REQUESTS = 700
TENANTS = {"shop": ["shop."], "bank": ["bank.eu.", "bank.us."], "root": ["*"], "own": ["hourglass."],
           "start": ["shoppi", "bank.e"]}  # of names that begin as others' do
# Every value of a tenant has these digits, of which no other number is made.
MARKS = {"shop.": 7171717, "bank.eu.": 8383838, "bank.us.": 8484848, "bank.jp.": 9595959,
         "shopping.": 6262626}
NODES = ["orders", "Orders", "a b", "ü", "x[1]", "50%", "shop.", "q?", "back\\slash", "<b>"]


def make_token():
    """(token, hash) from the program itself."""
    shown = subprocess.run([f"{BUILD}/hourglass-queryd", "--token"], capture_output=True, text=True,
                           check=True, timeout=60)
    token = re.search(r"(?m)^hg_\S+$", shown.stdout).group(0)
    return token, re.search(r"NAME = ([0-9a-f]{64}) PREFIX", shown.stdout).group(1)


def request(queryd, path, token=None, method="GET", body=None, headers=None):
    """(status, headers, text) of a path that goes out as it is, whatever it holds."""
    host, port = queryd.listen.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.putrequest(method, "/", skip_host=True, skip_accept_encoding=True)
    # http.client refuses odd paths; ours must answer them.
    connection._buffer[0] = f"{method} ".encode() + path + b" HTTP/1.1"
    sent = {"Host": "localhost", **(headers or {})}
    if token:
        sent["Authorization"] = f"Bearer {token}"
    if body is not None:
        sent.update({"Content-Type": "application/x-www-form-urlencoded", "Content-Length": len(body)})
    for name, value in sent.items():
        connection.putheader(name, str(value))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, answer.headers, text


def key_line(name, tags, value, second):
    """A statsd line whose name may hold anything but `:`."""
    return f"{name}:{value}|ms|T{second}" + (f"|#{tags}" if tags else "") + "\n"


def fill(stack):
    """Keys of several customers that look alike, each value telling whose it is, all in one hour."""
    second = int(time.time())
    stack.hour = time.strftime("%Y-%m-%d/%H", time.gmtime(second))
    for prefix, mark in MARKS.items():
        for node in NODES:
            send(stack.agent, key_line(prefix + node, None, mark, second))
            send(stack.agent, key_line(prefix + node, f"host=shop.{prefix}h,secret{mark}:v{mark}",
                                      mark, second))
    wait_for(lambda: len(get(stack.scribe, "/v1/keys?limit=1000")[1]["keys"]) >=
             2 * len(MARKS) * len(NODES), "all names are known")


@pytest.fixture(scope="module")
def world():
    stack = Stack()
    try:
        stack.start_redis()
        relay = stack.start_relay()
        made = {name: make_token() for name in TENANTS}
        lines = {f"tokens.{name}": " ".join([made[name][1], *TENANTS[name]]) for name in TENANTS}
        stack.queryd = stack.start_queryd(**lines)
        stack.scribe = stack.start_queryd("scribe")
        stack.agent = stack.start_agent([relay])
        stack.tokens = {name: token for name, (token, _) in made.items()}
        stack.hashes = {name: digest for name, (_, digest) in made.items()}
        fill(stack)
        wait_for(lambda: len(json.loads(request(stack.queryd, b"/v1/keys?limit=1000",
                                                stack.tokens["root"])[2])["keys"]) >=
                 2 * len(MARKS) * len(NODES), "all names are known")
        yield stack
    finally:
        stack.close()


# ---- what is asked --------------------------------------------------------------------------------

def odd(random_, text):
    """The same text as somebody would write it who tries to get around something."""
    out = b""
    for byte in text.encode():
        char = bytes([byte])
        choice = random_.random()
        if choice < 0.08:
            out += b"%%%02x" % byte
        elif choice < 0.1:
            out += char.swapcase()
        elif choice < 0.12:
            out += char + random_.choice([b"%00", b"%2F", b"/", b"%2e%2e", b"..", b"%ff", b"%3B", b",",
                                          b"*", b"?", b"\\", b"%5c", b"{", b"}", b"%0a", b"%"])
        elif byte < 33 or byte > 126 or char in b"%#&+?":
            out += b"%%%02X" % byte
        else:
            out += char
    return out


def wild(random_):
    """A key, a glob or a path over all customers."""
    prefix = random_.choice([*MARKS, "hourglass.", "*", "", "{shop,bank}.", "[a-z]*.", "shop*", "bank.*.",
                             "../", "shop./../bank.jp.", "bank."])
    return prefix + random_.choice([*NODES, "*", "?*", "{orders,Orders}", "orders;host=shop.bank.eu.h"])


def make_request(random_):
    """(path with query, form or None) of any endpoint."""
    def text():
        return odd(random_, wild(random_))
    hour = time.strftime("%Y-%m-%d/%H", time.gmtime())
    stat = random_.choice(["max", "median", "p99_9", "count", "*", "max;host=shop.bank.jp.h"])
    target = random_.choice([
        b"%s.%s" % (text(), stat.encode()),
        b"aliasSub(%s.max,%%22(^.*$)%%22,%%22%%5C1%%20A%%22)" % text(),
        b"sumSeries(%s.max,%s.*)" % (text(), text()),
        b"groupByNode(*.*.max,0,%22max%22)", b"highestAverage(*.*.*.max,5)",
        b"seriesByTag('name=~.*','host=~.*')", b"seriesByTag('name=%s.max')" % text(),
        b"seriesByTag('host=~shop.*')", b"seriesByTag('secret8383838!=x','name=~b.*')",
        b"movingAverage(%s.max,2)" % text(), b"alias(%s.max,'%s')" % (text(), b"x")])
    asked = random_.choice([
        b"/%s/max/%s" % (text(), hour.encode()), b"/%s/max/%s" % (text(), hour.split("/")[0].encode()),
        b"/%s/median?from=-3h" % text(), b"/%s" % text(), b"/%s/moving_average/3" % text(),
        b"/v1/series?key=%s&stat=max&from=-3h" % text(), b"/v1/series?key=%s" % text(),
        b"/v1/series?key=shop.orders&key=%s&stat=max&from=-1h" % text(),
        b"/v1/keys?match=%s&limit=1000" % text(), b"/v1/keys?limit=1000&after=%s" % text(),
        b"/v1/keys?limit=1000", b"/v1/query?match=%s&stat=max&from=-3h&by=host" % text(),
        b"/v1/query?match=*&stat=max&from=-3h&by=secret%d" % random_.choice([*MARKS.values()]),
        b"/v1/top?match=%s&stat=max&n=1000&from=-3h" % text(), b"/v1/ledger?from=-3h", b"/metrics",
        b"/render?target=%s&from=-3h" % target, b"/render?format=csv&target=%s&from=-3h" % target,
        b"/metrics/find?query=%s" % text(), b"/metrics/find?query=*", b"/metrics/expand?query=%s" % text(),
        b"/tags/autoComplete/tags?expr=host=~.*", b"/tags/autoComplete/values?tag=host",
        b"/tags/autoComplete/values?tag=name&valuePrefix=%s" % text(), b"/tags/autoComplete/tags",
        b"/tags/autoComplete/values?tag=name&limit=9000", b"/events/get_data", b"/functions", b"/version",
        b"//%s/max" % text(), b"/v1//keys?match=*", b"/v1/../metrics", b"/%2e%2e/metrics"])
    if asked.startswith(b"/render?") and random_.random() < 0.5:
        return b"/render", asked[len(b"/render?"):]
    return asked, None


def hidden_from(prefixes):
    """Texts that an answer for these prefixes must not hold, and the request did not."""
    return [str(mark) for prefix, mark in MARKS.items()
            if not any(prefix.startswith(p) or p == "*" for p in prefixes)]


def test_no_token_reads_beyond_its_prefixes(world):
    random_ = random.Random(SEED)
    found = {name: 0 for name in TENANTS}
    for _ in range(REQUESTS):
        name = random_.choice([*TENANTS])
        path, form = make_request(random_)
        status, _, text = request(world.queryd, path, world.tokens[name],
                                  "POST" if form else "GET", form)
        asked = urllib.parse.unquote((path + (form or b"")).decode("latin-1"))
        assert status in (200, 301, 400, 403, 404, 405), (status, path, text)
        for mark in hidden_from(TENANTS[name]):
            assert mark not in text or mark in asked, (name, path, form, text)
        if status == 200 and name in ("shop", "bank", "start") and text[:1] in "{[":
            for key in json.loads(text).get("keys", []) if path.startswith(b"/v1/keys") else []:
                assert key.startswith(tuple(TENANTS[name])), (name, path, key)
        found[name] += status == 200 and any(str(m) in text for m in MARKS.values())
    # The requests are not all in vain: who may see finds.
    assert found["root"] > 20 and found["shop"] > 5 and found["bank"] > 5 and found["start"] > 5, found
    assert found["own"] == 0


def test_a_token_finds_what_is_its_own(world):
    token = world.tokens["bank"]
    keys = json.loads(request(world.queryd, b"/v1/keys?limit=1000", token)[2])["keys"]
    assert len(keys) == 4 * len(NODES)
    assert all(k.startswith(("bank.eu.", "bank.us.")) for k in keys)
    page = json.loads(request(world.queryd, b"/v1/keys?limit=7&after=bank.eu.zzz", token)[2])["keys"]
    assert page == [k for k in keys if k > "bank.eu.zzz"][:7]
    top = json.loads(request(world.queryd, b"/v1/top?match=*&stat=max&n=3&from=-3h", token)[2])
    assert top["keys"] == len(keys) and {t["value"] for t in top["top"]} == {MARKS["bank.us."]}
    find = json.loads(request(world.queryd, b"/metrics/find?query=*", token)[2])
    assert [node["text"] for node in find] == ["bank"]
    deeper = json.loads(request(world.queryd, b"/metrics/find?query=bank.*", token)[2])
    assert [node["text"] for node in deeper] == ["eu", "us"]
    merged = json.loads(request(world.queryd, b"/v1/query?match=*orders&stat=count&from=-3h", token)[2])
    assert merged["groups"][0]["value"] == 2


def test_401_and_403_and_what_is_open(world):
    hour = world.hour.encode()
    for path in (b"/v1/keys", b"/shop.orders/max/" + hour, b"/metrics", b"/version", b"/nothing/at/all",
                 b"/render?target=a"):
        for bad in (None, "wrong", "hg_" + "A" * 43, world.hashes["root"], world.tokens["root"][:-1]):
            status, headers, text = request(world.queryd, path, bad)
            assert status == 401 and json.loads(text)["error"] == "no_token", (path, text)
            assert headers["WWW-Authenticate"].startswith("Bearer ")
    for path in (b"/healthz", b"/readyz", b"/"):
        assert request(world.queryd, path)[0] == 200
    for name, path, wanted in (
            ("shop", b"/bank.eu.orders/max/" + hour, 403), ("shop", b"/bank.eu.none/max/" + hour, 403),
            ("shop", b"/shop.none/max/" + hour, 404), ("shop", b"/v1/ledger?from=-1h", 403),
            ("shop", b"/metrics", 403), ("own", b"/metrics", 200), ("own", b"/v1/ledger?from=-1h", 200),
            ("root", b"/metrics", 200), ("shop", b"/shop.orders/max/" + hour, 200)):
        status, _, text = request(world.queryd, path, world.tokens[name])
        assert status == wanted, (name, path, text)
        assert status != 403 or json.loads(text)["error"] == "not_allowed"


def test_a_tag_that_somebody_else_has_gets_no_304(world):
    path = b"/shop.orders/max/" + world.hour.encode()
    status, headers, _ = request(world.queryd, path, world.tokens["shop"])
    assert status == 200
    for name, wanted in (("shop", 304), ("bank", 403), (None, 401)):
        for tag in (headers["ETag"], "*"):
            # The hour is open, so an agent may have come or gone: then it is a whole answer.
            status = request(world.queryd, path, world.tokens.get(name), headers={"If-None-Match": tag})[0]
            assert status == wanted or (name == "shop" and status == 200)


def test_basic_takes_the_token_as_password(world):
    for user in ("", "grafana"):
        pair = base64.b64encode(f"{user}:{world.tokens['shop']}".encode()).decode()
        status, _, text = request(world.queryd, b"/v1/keys", headers={"Authorization": f"Basic {pair}"})
        assert status == 200 and json.loads(text)["keys"][0].startswith("shop.")


def test_sighup_takes_tokens_and_gives_them_back(world):
    path = f"{world.folder}/reload.conf"

    def write(names):
        with open(path, "w") as conf:
            conf.write(f"redis = unix://{world.redis_socket}\nlisten = 127.0.0.1:0\n[tokens]\n")
            for name in names:
                conf.write(f"{name} = {world.hashes[name]} {' '.join(TENANTS[name])}\n")
    write(["shop"])
    process = world.add("reloaded", [f"{BUILD}/hourglass-queryd", "-c", path]).start()
    process.listen = process.logged(r"listening listen=(\S+)").group(1)
    wait_for(lambda: request(process, b"/v1/keys", world.tokens["shop"])[0] == 200, "it answers")
    assert request(process, b"/v1/keys", world.tokens["bank"])[0] == 401
    write(["bank"])
    process.signal(signal.SIGHUP)
    wait_for(lambda: request(process, b"/v1/keys", world.tokens["bank"])[0] == 200, "bank may ask")
    assert request(process, b"/v1/keys", world.tokens["shop"])[0] == 401
    with open(path, "a") as conf:
        conf.write("shop = nonsense\n")
    process.signal(signal.SIGHUP)
    process.logged("configuration_refused")
    assert request(process, b"/v1/keys", world.tokens["bank"])[0] == 200
    assert process.terminate() == 0


# ---- hosts, headers, --------------------------------------------------------------------------------

def test_a_name_that_is_not_ours_is_refused(world):
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8129"):
        status, _, text = request(world.scribe, b"/v1/keys", headers={"Host": host})
        assert status == 421 and json.loads(text)["error"] == "bad_host"
        assert request(world.scribe, b"/", headers={"Host": host})[0] == 421
        assert request(world.scribe, b"/readyz", headers={"Host": host})[0] == 200
    for host in ("localhost", "127.0.0.1:1", "[::1]", "grafana.localhost"):
        assert request(world.scribe, b"/v1/keys", headers={"Host": host})[0] == 200


def test_every_answer_has_the_headers_of_safety(world):
    for path in (b"/", b"/v1/keys", b"/metrics", b"/nothing/at/all", b"/render?target=nope(", b"/version",
                 b"/healthz", b"/%00", b"/v1/page/main.js"):
        status, headers, text = request(world.scribe, path)
        policy = headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert "default-src 'none'" in policy and "unsafe" not in policy, path
        assert "<script>" not in text or path == b"/"


def test_beyond_this_host_needs_tokens_or_a_word(world):
    def run(*more):
        return subprocess.run([f"{BUILD}/hourglass-queryd", "-o", "listen=0.0.0.0:0", "--check", *more],
                              capture_output=True, text=True, timeout=60)
    refused = run()
    assert refused.returncode == 2
    assert "--token" in refused.stderr and "allow_open = yes" in refused.stderr
    assert run("-o", "allow_open=yes").returncode == 0
    assert run("-o", f"tokens.a={world.hashes['shop']} shop.").returncode == 0
    for wrong in (f"tokens.a={world.hashes['shop']}", f"tokens.a={world.hashes['shop']} shop.*",
                  f"tokens.a={world.hashes['shop']} hour", "tokens.a=secret *"):
        assert run("-o", wrong).returncode == 2


# ---- --get ----------------------------------------------------------------------------------------

def test_get_prints_what_the_server_answers(world):
    def run(path, *more):
        shown = subprocess.run([f"{BUILD}/hourglass-queryd", "-o", f"redis=unix://{world.redis_socket}",
                                *more, "--get", path], capture_output=True, timeout=60)
        shown.stdout, shown.stderr = shown.stdout.decode(), shown.stderr.decode()
        return shown
    hour = world.hour
    for path in (f"/shop.orders/max/{hour}", "/v1/keys?match=bank.*&limit=3",
                 "/v1/query?match=shop.*&stat=p99&from=-1h", "/version", "/v1/top?match=*&stat=max&from=-1h",
                 "/render?target=shop.orders.max&format=csv"):
        def same():
            # What is known of the agents may be a second old.
            shown = run(path)
            assert (shown.returncode, shown.stderr) == (0, ""), (path, shown)
            status, _, text = request(world.scribe, path.encode())
            return status == 200 and shown.stdout == text
        wait_for(same, path)
    for path, error in ((f"/shop.none/max/{hour}", "no_data"), ("/shop.orders/p999", "bad_stat"),
                        ("/", None)):
        shown = run(path)
        if error is None:
            assert shown.returncode == 0 and "<html" in shown.stdout
            continue
        assert shown.returncode == 1 and shown.stdout == ""
        assert json.loads(shown.stderr)["error"] == error
    assert run("/v1/keys", "-o", f"tokens.a={world.hashes['shop']} shop.").returncode == 0
    assert run("/v1/keys", "--wrong").returncode == 2
    assert run("v1/keys").returncode == 2 and "begins with a slash" in run("v1/keys").stderr
    assert run("/v1/keys", "-o", "nothing=1").returncode == 2
    away = subprocess.run([f"{BUILD}/hourglass-queryd", "-o", "redis=unix:///nowhere.sock", "--get",
                           "/v1/keys"], capture_output=True, text=True, timeout=60)
    assert away.returncode == 1 and '"store_unavailable"' in away.stderr
