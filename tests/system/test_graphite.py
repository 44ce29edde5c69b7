"""Graphite's API as Grafana's data source calls it, request by request.

The shapes are those of Grafana's source (the browser's data source up to 10, the backend's after
it): forms by POST with the target wrapped in aliasSub(), finds by POST whose query is not escaped,
completions by GET with repeated `expr`. Not run against a Grafana.
"""
import datetime
import http.client
import json
import time
import urllib.parse

import pytest
from conftest import Stack, send, wait_count, wait_for

HOUR = 3600
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def request(queryd, method, path, body=None, headers=None):
    """(status, content type, body) of one request."""
    host, port = queryd.listen.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers["Content-Type"], text


def encoded(text):
    """As the browser's encodeURIComponent."""
    return urllib.parse.quote(text, safe="!'()*-._~")


def wrapped(target, ref):
    """A panel's target as Grafana 10 and later send it, blanks and all."""
    return f'aliasSub({target}, "(^.*$)", "\\1 {ref}")'


def browser_render(queryd, targets, start, until, points=1000):
    """What Grafana's panels send: every target wrapped, `key=value` joined in that order."""
    parts = []
    for ref, target in targets.items():
        parts.append("target=" + encoded(wrapped(target, ref)))
    parts += [f"from={start}", f"until={until}", "format=json", f"maxDataPoints={points}"]
    status, kind, text = request(queryd, "POST", "/render", "&".join(parts), FORM)
    assert kind == "application/json"
    return status, json.loads(text)


def backend_render(queryd, target, start, until, points=1000):
    """What Grafana's backend sends: Go's url.Values, sorted by key."""
    form = urllib.parse.urlencode(sorted({"from": start, "until": until, "format": "json",
                                          "maxDataPoints": points, "target": target}.items()))
    status, _, text = request(queryd, "POST", "/render", form, FORM)
    return status, json.loads(text)


@pytest.fixture(scope="module")
def filled():
    """(queryd, the first second of the hour all samples are in)."""
    stack = Stack()
    try:
        _, agent, queryd = stack.start_all(relays=1)
        # All samples in one hour, however the clock stands.
        wait_for(lambda: time.time() % HOUR < HOUR - 5, "the hour is not about to end", 10)
        send(agent, "".join(f"shop.{area}.time:{v}|ms\n" for area, values in
                            (("cart", range(1, 101)), ("pay", (5, 15))) for v in values))
        send(agent, "shop.cart.time:7|ms|#host:web.1\nshop.cart.time:9|ms|#host:web.2\n"
                    "shop.errors:3|c\nroom:21.5|g\n")
        wait_count(queryd, "shop.cart.time", 100)
        wait_count(queryd, "shop.cart.time;host=web.2", 1)
        wait_count(queryd, "room", 21.5, stat="last")
        hour = int(time.time()) // HOUR * HOUR
        wait_for(lambda: "room" in request(queryd, "GET", "/metrics/find?query=room")[2],
                 "all names are known")
        yield queryd, hour
    finally:
        stack.close()


def values(answer):
    """{target: the values that are there}."""
    return {s["target"]: [v for v, _ in s["datapoints"] if v is not None] for s in answer}


def test_save_and_test(filled):
    """`Save & test`: constantLine(100) over the last hour, by the backend and wrapped."""
    queryd, _ = filled
    now = int(time.time())
    for answer in (backend_render(queryd, "constantLine(100)", now - HOUR, now, 100),
                   browser_render(queryd, {"A": "constantLine(100)"}, "-1h", "now", 300)):
        assert answer[0] == 200
        (series,) = answer[1]
        assert series["target"].split()[0] == "100"
        assert series["datapoints"] and all(v == 100 for v, _ in series["datapoints"])


def test_a_panel_of_two_targets(filled):
    """The whole answer, byte for byte but for the hour."""
    queryd, hour = filled
    parts = ["target=" + encoded('aliasSub(shop.*.time.median,"(^.*$)","\\1 A")'),
             "target=" + encoded('aliasSub(alias(shop.errors.sum, \'wrong\'),"(^.*$)","\\1 B")'),
             f"from={hour - 2 * HOUR - 1}", f"until={hour + HOUR - 1}", "format=json", "maxDataPoints=1180"]
    status, _, text = request(queryd, "POST", "/render", "&".join(parts), FORM)
    assert status == 200
    points = "[null,{0}],[null,{1}],[{{}},{2}]".format(hour - 2 * HOUR, hour - HOUR, hour)
    series = '{{"target":"{} {}","tags":{{"name":"{}"}},"datapoints":[{}]}}'
    assert text == "[" + ",".join([
        series.format("shop.cart.time.median", "A", "shop.cart.time.median", points.format("50.5")),
        series.format("shop.pay.time.median", "A", "shop.pay.time.median", points.format("10")),
        series.format("wrong", "B", "shop.errors.sum", points.format("3")),
    ]) + "]\n"


def test_from_is_exclusive(filled):
    queryd, hour = filled

    def times(start, until):
        return [t for _, t in backend_render(queryd, "room.last", start, until)[1][0]["datapoints"]]
    assert times(hour - HOUR, hour) == [hour]
    assert times(hour - HOUR - 1, hour) == [hour - HOUR, hour]
    assert times(hour - HOUR, hour + 1) == [hour]
    # Half an hour holds no full hour: the running one is given.
    assert times(hour + 600, hour + 2400) == [hour]


def test_tags(filled):
    queryd, hour = filled
    status, answer = backend_render(
        queryd, "aliasByTags(seriesByTag('name=shop.cart.time.max'), 'host')", hour - 1, hour + 1)
    assert (status, answer["error"]) == (400, "bad_target")
    status, answer = backend_render(
        queryd, "seriesByTag('name=shop.cart.time.max', 'host=~web.*')", hour - 1, hour + 1)
    assert status == 200
    assert [(s["target"], s["tags"]) for s in answer] == [
        ("shop.cart.time.max;host=web.1", {"name": "shop.cart.time.max", "host": "web.1"}),
        ("shop.cart.time.max;host=web.2", {"name": "shop.cart.time.max", "host": "web.2"})]
    _, answer = backend_render(queryd, "shop.cart.time.p99_9;host=web.1", hour - 1, hour + 1)
    assert values(answer) == {"shop.cart.time.p99_9;host=web.1": [7]}


@pytest.mark.parametrize("target, want", [
    ("shop.{cart,pay}.time.{max,min}", {"shop.cart.time.max": [100], "shop.cart.time.min": [1],
                                        "shop.pay.time.max": [15], "shop.pay.time.min": [5]}),
    ("sumSeries(shop.*.time.count)", {"sumSeries(shop.*.time.count)": [102]}),
    ("averageSeries(shop.*.time.max)", {"averageSeries(shop.*.time.max)": [57.5]}),
    ("maxSeries(shop.*.time.max)", {"maxSeries(shop.*.time.max)": [100]}),
    ("minSeries(shop.*.time.max)", {"minSeries(shop.*.time.max)": [15]}),
    ("aliasByNode(shop.*.time.max, 1)", {"cart": [100], "pay": [15]}),
    ("groupByNode(shop.*.time.max, 0, 'sum')", {"shop": [115]}),
    ("aliasSub(shop.pay.time.max, '^.*\\.(\\w+)\\.max$', '\\1!')", {"time!": [15]}),
    ("scale(offset(room.last, -1.5), 2)", {"scale(offset(room.last,-1.5),2)": [40]}),
    ("limit(sortByName(shop.*.time.max, false, true), 1)", {"shop.pay.time.max": [15]}),
    ("highestAverage(shop.*.time.max, 1)", {"shop.cart.time.max": [100]}),
    ("movingAverage(shop.errors.sum, '2h')", {'movingAverage(shop.errors.sum,"2h")': [3]}),
    ("summarize(shop.errors.sum, '1d', 'sum')", {'summarize(shop.errors.sum, "1d", "sum")': [3]}),
    ("summarize(shop.errors.sum, '1d', 'sum', false)", {'summarize(shop.errors.sum, "1d", "sum")': [3]}),
    ("max(shop.*.time.max)", {"maxSeries(shop.*.time.max)": [100]}),
    ("min(shop.*.time.max)", {"minSeries(shop.*.time.max)": [15]}),
    ("alias(constantLine(5), 'limit')", {"limit": [5]}),
    ("aliasByNode(seriesByTag('name=shop.cart.time.max', 'host=~web.*'), 'host')",
     {"web.1": [7], "web.2": [9]}),
    ("no.such.thing.max", {}),
    ("undefined", {}),      # a panel whose query is still empty, wrapped
])
def test_functions(filled, target, want):
    queryd, hour = filled
    status, answer = backend_render(queryd, target, hour - 1, hour + 1)
    assert status == 200
    assert values(answer) == want


@pytest.mark.parametrize("target, word", [
    ("holtWintersForecast(a.b.max)", "holtWintersForecast"),
    ("alias(a.b.max", "parenthesis"),
    ("aliasSub(a.b.max, '(a)\\1', 'x')", "back-references"),
    ("scale(a.b.max)", "factor"),
])
def test_mistakes_are_named(filled, target, word):
    status, answer = backend_render(filled[0], target, "-1h", "now")
    assert (status, answer["error"]) == (400, "bad_target")
    assert word in answer["message"]


def test_the_editor(filled):
    """What is asked while somebody builds a query."""
    queryd, hour = filled
    # The browser does not escape the query of a find, and adds the range to the URL.
    status, _, text = request(queryd, "POST", f"/metrics/find?from={hour}&until={hour + 1}",
                              "query=shop.*", FORM)
    assert status == 200
    assert json.loads(text)[0] == {"text": "cart", "id": "shop.cart", "leaf": 0, "expandable": 1,
                                   "allowChildren": 1, "context": {}}
    assert [n["text"] for n in json.loads(text)] == ["cart", "errors", "pay"]
    status, _, text = request(queryd, "POST", "/metrics/find", "query=shop.{cart,pay}.time.p*", FORM)
    assert [(n["text"], n["leaf"]) for n in json.loads(text)] == [
        ("p90", 1), ("p95", 1), ("p99", 1), ("p99_9", 1)]
    assert request(queryd, "GET", "/metrics/expand?query=shop.*.time", headers=FORM)[2] == \
        '{"results":["shop.cart.time","shop.pay.time"]}\n'
    window = f"from={hour}&until={hour + 1}"
    tags = request(queryd, "GET", f"/tags/autoComplete/tags?expr=&limit=100&{window}")[2]
    assert "host" in json.loads(tags) and "name" in json.loads(tags)
    for spelling in ("expr", "expr[]"):
        text = request(queryd, "GET", "/tags/autoComplete/values?" + urllib.parse.urlencode(
            [(spelling, "name=shop.cart.time.max"), (spelling, "host=~web"), ("tag", "host"),
             ("valuePrefix", "web"), ("limit", "100")]))[2]
        assert json.loads(text) == ["web.1", "web.2"]


# What Grafana's sources (public/app/plugins/datasource/graphite/datasource.ts, pkg/tsdb/graphite) send for
# one thing a person does, in their order of parameters and with their escapes.
RECORDED = [
    # Save & test, by the browser and by the backend
    ("POST", "/render", "target=aliasSub(constantLine(100)%2C%20%22(%5E.*%24)%22%2C%20%22%5C1%20A%22)"
                        "&from={from}&until={until}&format=json&maxDataPoints=300"),
    ("POST", "/render", "format=json&from={from}&maxDataPoints=100&target=constantLine%28100%29&until={until}"),
    # Save & test of Grafana up to 6, and a variable of all first nodes
    ("GET", "/metrics/find?query=*", None),
    # two panels' targets, relative times, a data source with a cache timeout
    ("POST", "/render", "target=aliasSub(alias(shop.*.time.median%2C%20'x')%2C%20%22(%5E.*%24)%22%2C%20%22%5C1%20A%22)"
                        "&target=aliasSub(shop.errors.sum%2C%20%22(%5E.*%24)%22%2C%20%22%5C1%20a_b%22)"
                        "&from=-6h&until=now&format=json&cacheTimeout=60&maxDataPoints=1421"),
    # the same by the backend, to a URL whose query is empty
    ("POST", "/render?", "format=json&from={from}&maxDataPoints=1421&target=aliasSub%28summarize%28shop."
                         "errors.sum%2C+%271h%27%2C+%27sum%27%2C+false%29%2C+%22%28%5E.%2A%24%29%22%2C+%22%5C1+A%22%29"
                         "&until={until}"),
    # variables: the next node, whole paths, tags, values of a tag
    ("POST", "/metrics/find?from={from}&until={until}", "query=shop.*"),
    ("POST", "/metrics/find?from={from}&until={until}", "query=shop.%2A"),
    ("GET", "/metrics/expand?query=shop.*.time&from={from}&until={until}", None),
    ("GET", "/metrics/expand?from={from}&query=shop.%2A.time&until={until}", None),
    ("GET", "/tags/autoComplete/tags?limit=10000&from={from}&until={until}", None),
    ("GET", "/tags/autoComplete/tags?expr=name%3Dshop.cart.time.max&tagPrefix=h", None),
    ("GET", "/tags/autoComplete/values?expr=name%3Dshop.cart.time.max&tag=host&limit=10000", None),
    # annotations, the editor's functions, the version
    ("GET", "/events/get_data?from=-6h&until=now&tags=deploy", None),
    ("GET", "/events/get_data?from={from}&until={until}", None),
    ("GET", "/functions", None),
    ("GET", "/version", None),
]


@pytest.mark.parametrize("method, path, body", RECORDED)
def test_recorded_requests_have_answers(filled, method, path, body):
    queryd, _ = filled
    now = int(time.time())
    times = {"from": now - 6 * HOUR - 1, "until": now + 1}
    status, kind, text = request(queryd, method, path.format(**times), body and body.format(**times),
                                 FORM if body or "expand" in path else None)
    assert status == 200, text
    if path == "/version":
        assert text == "1.1.10"
        return
    assert kind == "application/json"
    answer = json.loads(text)
    if "get_data" in path:
        assert answer == []
    else:
        assert answer, path
    if path.startswith("/render"):
        for series in answer:
            # The reference is the last word, from which Grafana takes it.
            assert series["target"].split(" ")[-1] in ("A", "a_b", "100")
            assert all(len(point) == 2 for point in series["datapoints"])


def test_what_grafana_asks_once(filled):
    queryd, _ = filled
    assert request(queryd, "GET", "/version") == (200, "text/plain; charset=utf-8", "1.1.10")
    functions = json.loads(request(queryd, "GET", "/functions")[2])
    assert {"alias", "aliasSub", "aliasByNode", "constantLine", "sumSeries", "averageSeries", "maxSeries",
            "minSeries", "groupByNode", "movingAverage", "summarize", "scale", "offset", "limit",
            "highestAverage", "sortByName"} <= set(functions)
    for name, function in functions.items():
        assert function["name"] == name and function["group"] and function["description"]
        assert all({"name", "type"} <= set(p) for p in function["params"])
    assert functions["groupByNode"]["params"][2] == {"name": "callback", "type": "aggFunc",
                                                     "default": "average"}
    assert request(queryd, "GET", "/events/get_data?from=1&until=2&tags=deploy")[2] == "[]\n"


def test_csv_and_get(filled):
    queryd, hour = filled
    status, kind, text = request(queryd, "GET", f"/render?target=room.last&target=shop.errors.sum"
                                                f"&format=csv&from={hour - 1}&until={hour}")
    when = datetime.datetime.fromtimestamp(hour, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    assert (status, kind) == (200, "text/csv; charset=utf-8")
    assert text == f"room.last,{when},21.5\r\nshop.errors.sum,{when},3\r\n"


def test_hostile_forms(filled):
    queryd, _ = filled
    for body, status in (("target=%zz", 400), ("&".join(["target=a.b"] * 65), 400),
                         ("target=" + "(" * 10000, 400), ("target=" + "alias(" * 33 + "a.b.max", 400),
                         ("target=" + "a" * 20000, 400), ("a" * 70000, 413),
                         ("target=" + encoded("aliasSub(room.*,'(a*)*(a*)*b','')"), 200)):
        assert request(queryd, "POST", "/render", body, FORM)[0] == status
    assert request(queryd, "POST", "/render", "target=room.last", {"Content-Type": "text/plain"})[0] == 400
    assert request(queryd, "PUT", "/render", "target=room.last", FORM)[0] == 405
    assert request(queryd, "POST", "/v1/keys", "x", FORM)[0] == 405
    assert request(queryd, "GET", "/healthz")[0] == 200
