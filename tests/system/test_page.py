"""The page at `/`: a person at a real pipeline, in headless Chromium."""
import datetime
import random
import signal
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from browser import Browser, Person, audit, axe_source, needs_browser
from conftest import Stack, http, send, this_hour, wait_for
from test_tokens import make_token

pytestmark = needs_browser

HOURS = 30
ODD = "odd.<img src=x onerror=alert(1)>&amp\"'"


def percentile(values, rank):
    """Type 7, as the API has it."""
    values = sorted(values)
    at = (len(values) - 1) * rank / 100
    low = values[int(at)]
    return low + (values[min(int(at) + 1, len(values) - 1)] - low) * (at - int(at))


def today():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")


def number(text):
    return float(text.replace(",", "").replace("≈", "").strip())


class Shop:
    """A pipeline with 30 hours of a shop, and a second host whose socket once overflowed."""

    def __init__(self, stack):
        self.stack = stack
        self.relays, self.agent, self.queryd = stack.start_all(relays=1)
        self.url = f"http://{self.queryd.listen}"
        self.samples = []  # (date, value) of shop.latency
        rng = random.Random(4)
        now = int(time.time()) // 3600 * 3600
        for at in range(now - (HOURS - 1) * 3600, now + 1, 3600):
            values = [rng.randrange(20, 900) for _ in range(40)]
            date = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%d")
            self.samples += [(date, value) for value in values]
            send(self.agent, f"shop.latency:{':'.join(map(str, values))}|ms|T{at}\n"
                             f"shop.search.latency:{':'.join(map(str, values[:9]))}|ms|T{at}\n"
                             f"shop.orders:{len(values)}|c|T{at}\nshop.queue:{values[0]}|g|T{at}")
        send(self.agent, f"{ODD}:1|c\nsampled:5:7|ms|@0.5")
        self.wait("shop.latency", len(self.samples))
        self.wait("shop.search.latency", 9 * HOURS)
        wait_for(lambda: ODD in self.keys(), "the odd key is listed")

    def count(self, match):
        status, answer = http(self.queryd, f"/v1/query?match={match}&stat=count&from=-48h&step=total")
        return answer["groups"][0]["value"] if status == 200 and answer["groups"] else 0

    def keys(self):
        return http(self.queryd, "/v1/keys?limit=1000")[1]["keys"]

    def wait(self, key, count):
        wait_for(lambda: self.count(key) == count, f"{count} samples of {key}")

    def lose(self):
        """A stopped agent's socket overflows: (datagrams that the kernel dropped)."""
        agent = self.stack.start_agent(self.relays, name="second", receive_buffer="4KiB")
        agent.signal(signal.SIGSTOP)
        for _ in range(400):
            send(agent, "burst:1|c|#pad:" + "x" * 400)
        agent.signal(signal.SIGCONT)

        def dropped():
            status, answer = http(self.queryd, "/v1/ledger?from=-24h")
            return status == 200 and answer["total"].get("kernel_drops", 0)
        return wait_for(dropped, "the ledger has the drops")


@pytest.fixture(scope="module")
def shop():
    stack = Stack()
    yield Shop(stack)
    stack.close()


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture
def browser(tab):
    """The tab as new; afterwards it has complained of nothing and asked nobody else."""
    tab.open("about:blank")
    tab.desk()
    tab.colours("light")
    tab.asked()
    tab.complaints()
    tab.expected = ()
    yield tab
    asked, complaints = tab.asked(), tab.complaints()
    tab.open("about:blank")
    home = {urllib.parse.urlsplit(url).netloc for url in asked
            if url.split(":")[0] not in ("about", "data", "blob", "chrome")}
    assert all(place.startswith("127.0.0.1:") for place in home), home
    assert len(home) <= 1, home
    assert [said for said in complaints if not any(word in said for word in tab.expected)] == []


def start(shop, browser, path="/"):
    """Opens the page and waits until it can be used."""
    browser.open(shop.url + path)
    browser.sees("#home, #stats", "latency" if path == "/" else "")
    wait_for(lambda: browser.run("return document.activeElement.id") == "search-input" or path != "/",
             "the search has the cursor")
    return Person(browser)


def find(person, text, key):
    """Types until the key is the first that is found: one step."""
    person.types(text)
    wait_for(lambda: (person.browser.texts("#search-list li .mono") or [""])[0] == key,
             f"{key} is found by {text}")


def drawn(browser, *keys):
    """Waits until these keys are drawn, in this order."""
    wait_for(lambda: browser.texts("#picks .pick .mono") == list(keys), f"picks {keys}")
    wait_for(lambda: browser.texts("#whole h3") == list(keys), f"drawn {keys}")
    assert browser.run("return document.querySelectorAll('#plot canvas').length") > 0


def cell(browser, stat, where="#whole"):
    return browser.text(f"{where} .cell[data-stat='{stat}'] dd")


# ---- five tasks, each in at most four steps ----------------------------------------------------

def test_find_a_key(shop, browser):
    person = start(shop, browser)
    find(person, "shop.l", "shop.latency")
    person.presses("enter")
    drawn(browser, "shop.latency")
    assert "median" in browser.text("#chart-title") and "p10" in browser.text("#chart-title")
    assert person.steps <= 4
    # What is drawn is what the API says.

    def same():
        answer = http(shop.queryd, "/v1/query?match=shop.latency&stat=median&from="
                      f"{int(time.time()) // 3600 * 3600 - 23 * 3600}")[1]["groups"][0]
        return number(cell(browser, "median")) == pytest.approx(answer["value"], rel=1e-4) and \
            number(cell(browser, "count")) == answer["count"]
    wait_for(same, "the median and the count of the whole range")
    browser.shot("one")


def test_compare_two(shop, browser):
    person = start(shop, browser)
    person.types("latency")
    wait_for(lambda: len(browser.texts("#search-list li")) == 2, "both are found")
    person.clicks("#search-list li:nth-child(1) .beside")
    person.clicks("#search-list li:nth-child(2)")
    assert person.steps <= 4
    drawn(browser, "shop.latency", "shop.search.latency")
    person.clicks("#picks button[aria-label='Remove shop.latency']")
    drawn(browser, "shop.search.latency")


def test_a_days_p99(shop, browser):
    person = start(shop, browser)
    find(person, "shop.l", "shop.latency")
    person.presses("enter")
    person.clicks("#ranges button", "Today")
    person.clicks("#stats button", "p99")
    assert person.steps <= 4

    def right():
        values = [value for date, value in shop.samples if date == today()]
        shown = cell(browser, "p99")
        return shown and number(shown) == pytest.approx(percentile(values, 99), rel=1e-4)
    wait_for(right, "the p99 of today's samples")
    wait_for(lambda: browser.text("#chart-title") == "p99", "the chart is of p99")
    assert "exact" in browser.text("#honest")


def test_share_a_link(shop, browser):
    hour = this_hour()
    person = start(shop, browser, "/?key=shop.latency&key=shop.search.latency&stat=p90&range=7d")
    drawn(browser, "shop.latency", "shop.search.latency")
    browser.devtools("Browser.grantPermissions", origin=shop.url,
                     permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    person.clicks("#share")
    browser.sees("#toast", "Link copied")
    assert person.steps <= 4
    values = browser.texts("#whole .cell")
    link = browser.driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[0], e => arguments[0](String(e)))")
    assert link.startswith(shop.url) and "from=2" in link and "to=2" in link, link
    browser.open(link)
    drawn(browser, "shop.latency", "shop.search.latency")
    if this_hour() == hour:  # what "7 days" were moved on with the hour, before or after the click
        wait_for(lambda: browser.texts("#whole .cell") == values, "the same values")
    assert browser.text("#stats [aria-pressed=true]") == "p90"
    assert browser.run("return document.cookie") == ""


def test_see_what_was_lost(shop, browser):
    person = start(shop, browser)
    browser.sees("#ledger-pill", "Nothing lost")
    drops = shop.lose()
    browser.open(shop.url)
    browser.sees("#ledger-pill", f"{drops:,} datagrams dropped")
    assert "bad" in browser.run("return document.getElementById('ledger-pill').className")
    person.clicks("#ledger-pill")
    assert person.steps <= 4
    browser.sees("#ledger tr.bad", f"{drops:,}")
    assert len(browser.texts("#ledger tbody tr")) == 2
    browser.shot("ledger")


# ---- other ways ----------------------------------------------------------------------------------

def test_by_keyboard_alone(shop, browser):
    """Everything that the five tasks need, without a pointer."""
    person = start(shop, browser, "/?range=7d")
    find(person, "shop.*latency", "shop.*latency")
    person.presses("arrow_down")
    person.presses("enter")
    drawn(browser, "shop.latency")
    assert browser.run("return document.activeElement.id") == "chart"
    person.presses("arrow_left")
    hour = datetime.datetime.now(datetime.timezone.utc).strftime("%H:00–")
    wait_for(lambda: "of 40" in browser.text("#readout"), f"the hour {hour} is read out")
    person.presses("c")
    find(person, "shop.s", "shop.search.latency")
    browser.shot("search")
    person.presses("enter")
    drawn(browser, "shop.latency", "shop.search.latency")
    person.presses("1")
    wait_for(lambda: browser.text("#ranges [aria-pressed=true]") == "Today", "the range is today")
    person.presses("/")
    find(person, "shop.o", "shop.orders")
    person.presses("shift", "enter")
    person.presses("escape")
    browser.sees("#picks .pick.off", "shop.orders")  # a counter, beside distributions
    assert "has no median" in browser.text("#picks .pick.off")
    person.presses("?")
    assert browser.run("return document.getElementById('help').open")
    person.presses("escape")
    wait_for(lambda: not browser.run("return document.getElementById('help').open"), "it is closed")
    person.presses("t")
    wait_for(lambda: browser.run("return document.documentElement.dataset.theme") == "dark", "dark")
    person.presses("t")
    wait_for(lambda: browser.run("return document.documentElement.dataset.theme") == "light", "light")
    browser.driver.back()
    wait_for(lambda: len(browser.texts("#picks .pick")) == 2, "Back undoes a choice")
    person.presses("l")
    assert browser.run("return document.activeElement.id") == "ledger"


@pytest.mark.parametrize("path", ["/", "/?key=shop.latency&key=shop.search.latency&range=custom"
                                  "&from=2026-01-01&to=2026-01-03", "/?key=shop.latency&range=7d"])
def test_a_phone_has_nothing_to_scroll_sideways(shop, browser, path):
    browser.phone()
    start(shop, browser, path)
    wait_for(lambda: path == "/" or browser.text("#chart-over") or browser.text("#whole"), "drawn")
    assert browser.overflow() <= 0
    browser.run("document.getElementById('table').open = true")
    browser.run("document.getElementById('search-input').click()")
    wait_for(lambda: browser.texts("#search-list li"), "keys are offered")
    assert browser.overflow() <= 0
    browser.shot("phone")


def test_what_is_not_exact_says_so(shop, browser):
    start(shop, browser, "/?key=sampled&key=shop.latency&range=today")
    drawn(browser, "sampled", "shop.latency")
    assert "approximate" in browser.text("#honest") and "from sampled lines" in browser.text("#honest")
    assert "complete but for the running hour" in browser.text("#honest")
    assert browser.texts("#whole .cell[data-stat=median] dd")[0] == "≈ 6"
    assert "≈" not in browser.texts("#whole .cell[data-stat=median] dd")[1]
    send(shop.agent, "sampled:5:7|ms|@0.5")  # once more, the hour may be another one by now
    wait_for(lambda: "≈" in "".join(browser.texts("#live .cell[data-stat=count] dd")[:1]),
             "a live count that is not exact")
    assert "≈" not in browser.text("#live .strip:nth-child(2)")


def test_a_drag_across_zooms_and_back_returns(shop, browser):
    from selenium.webdriver import ActionChains
    start(shop, browser, "/?key=shop.latency&range=24h")
    drawn(browser, "shop.latency")
    plot = browser.driver.find_element("css selector", "#plot")
    ActionChains(browser.driver).move_to_element_with_offset(plot, 0, 0).click_and_hold() \
        .move_by_offset(90, 2).move_by_offset(90, 0).release().perform()
    wait_for(lambda: "from=2" in browser.driver.current_url, "the hours are in the address")
    wait_for(lambda: number(cell(browser, "count")) < 12 * 40, "fewer hours are drawn")
    assert browser.text("#ranges [aria-pressed=true]") == "Custom"
    browser.driver.back()
    wait_for(lambda: number(cell(browser, "count")) >= 23 * 40, "all hours are drawn again")


def test_names_are_text_wherever_they_stand(shop, browser):
    person = start(shop, browser)
    find(person, "odd", ODD)
    person.presses("enter")
    drawn(browser, ODD)
    assert ODD in browser.driver.title
    assert browser.run("return document.querySelectorAll('img').length") == 0


def test_a_hidden_page_asks_nothing(shop, browser):
    start(shop, browser, "/?key=shop.latency")
    drawn(browser, "shop.latency")
    browser.sees("#live", "shop.latency")
    asked = "return performance.getEntriesByType('resource').filter(e => e.name.includes('/v1/')).length"
    before = browser.run(asked)
    wait_for(lambda: browser.run(asked) > before, "the running hour is asked for again")
    browser.run("Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
                "document.dispatchEvent(new Event('visibilitychange'))")
    browser.run("performance.clearResourceTimings(); window.began = performance.now()")
    wait_for(lambda: browser.run("return performance.now() - window.began > 2500"), "a poll's time")
    assert browser.run("return performance.getEntriesByType('resource')"
                       ".filter(e => e.startTime > window.began).length") == 0
    browser.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    wait_for(lambda: browser.run(asked) > 0, "it goes on when it is seen again")


def test_axe_finds_nothing_serious(shop, browser):
    source = axe_source()
    if source is None:
        pytest.skip("axe-core could not be had from npm")
    for scheme in ("light", "dark"):
        browser.colours(scheme)
        start(shop, browser)
        assert audit(browser, source) == []
        start(shop, browser, "/?key=shop.latency&key=shop.search.latency&range=7d")
        drawn(browser, "shop.latency", "shop.search.latency")
        browser.run("document.getElementById('table').open = true")
        browser.run("document.getElementById('search-input').click()")
        wait_for(lambda: browser.texts("#search-list li"), "keys are offered")
        # A value that has just changed fades; the audit looks at what stays.
        browser.run("document.querySelectorAll('.changed').forEach(e => e.classList.remove('changed'))")
        assert audit(browser, source) == []
        browser.run("document.getElementById('help').showModal()")
        assert audit(browser, source) == []
    browser.run("document.getElementById('help').append(document.createElement('button'))")
    assert len(audit(browser, source)) == 1, "the audit sees a button without a name"


# ---- nothing there, or not answering -------------------------------------------------------------

def test_an_empty_pipeline_shows_how_to_begin_and_then_begins(stack, browser):
    _, agent, queryd = stack.start_all(relays=1)
    browser.open(f"http://{queryd.listen}")
    browser.sees("#welcome", "nc -u -w1 127.0.0.1 8125")
    browser.shot("empty")
    send(agent, "a.b:1|ms\na.b:2|ms\na.b:10|ms")
    browser.sees("#home", "a.b")
    Person(browser).clicks("#home .key", "a.b")
    drawn(browser, "a.b")
    assert cell(browser, "median") == "2"


def test_what_fails_says_what_to_do_and_heals(stack, browser):
    browser.expected = ("503", "ERR_CONNECTION_REFUSED", "Failed to load resource")
    _, agent, queryd = stack.start_all(relays=1)
    send(agent, "a.b:1|ms")
    wait_for(lambda: "a.b" in http(queryd, "/v1/keys")[1].get("keys", []), "the key is listed")
    browser.open(f"http://{queryd.listen}/?key=a.b")
    drawn(browser, "a.b")
    stack.redis_process.kill()
    browser.open(f"http://{queryd.listen}/?key=a.b")
    browser.sees("#notice", "503")
    browser.sees("#notice", "tried again by itself")
    browser.shot("error")
    stack.redis_process.start()
    stack.wait_redis()
    drawn(browser, "a.b")
    wait_for(lambda: browser.text("#notice") == "", "the notice goes")
    queryd.terminate()
    Person(browser).clicks("#ranges button", "Today")
    browser.sees("#notice", "Is hourglass-queryd running?")
    queryd.start()
    wait_for(lambda: browser.text("#notice") == "", "the notice goes")
    drawn(browser, "a.b")


def test_too_much_is_refused_with_advice(shop, browser):
    browser.expected = ("400",)
    start(shop, browser, "/?key=shop.latency&from=2020-01-01&to=2026-01-01")
    browser.sees("#notice", "9600")
    browser.sees("#notice", "Choose another range")


def test_the_files_are_cached_by_what_they_are(shop):
    """Types, tags, policy: by HTTP, without a browser."""
    for path, kind in (("/", "text/html"), ("/v1/page/main.js", "text/javascript"),
                       ("/v1/page/base.css", "text/css"), ("/v1/page/icon.svg", "image/svg+xml"),
                       ("/v1/page/dygraph.min.js", "text/javascript")):
        answer = urllib.request.urlopen(shop.url + path, timeout=20)
        assert answer.headers["Content-Type"].startswith(kind)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        again = urllib.request.Request(shop.url + path,
                                       headers={"If-None-Match": answer.headers["ETag"]})
        with pytest.raises(urllib.error.HTTPError) as unchanged:
            urllib.request.urlopen(again, timeout=20)
        assert unchanged.value.code == 304
    assert http(shop.queryd, "/v1/page/nothing.js")[0] in (400, 404)


@pytest.fixture
def guarded(shop):
    """A query daemon beside the other that wants tokens: (address, for all keys, for the shop's)."""
    (every, every_hash), (some, some_hash) = make_token(), make_token()
    queryd = shop.stack.start_queryd("guarded", **{"tokens.every": f"{every_hash} *",
                                                   "tokens.some": f"{some_hash} shop."})
    yield f"http://{queryd.listen}", every, some
    queryd.terminate()


def test_a_token_is_asked_for_and_kept_for_the_tab(browser, guarded):
    gate, every, some = guarded
    browser.expected = ("401", "403", "503")  # 503: it has only just begun to read the names
    browser.open(gate + "/?key=shop.latency")
    asked = "return document.getElementById('token').open"
    wait_for(lambda: browser.run(asked), "a token is asked for")
    browser.shot("token")
    person = Person(browser)
    person.types("guess")
    person.presses("enter")
    wait_for(lambda: browser.run(asked) and "not accepted" in browser.text("#token-why"),
             "a wrong one is refused")
    person.types(every)
    person.presses("enter")
    drawn(browser, "shop.latency")
    assert not browser.run(asked)
    assert every not in browser.driver.current_url
    assert browser.run("return localStorage.length + document.cookie.length") == 0
    browser.open(gate + "/?key=shop.latency&range=7d")
    drawn(browser, "shop.latency")
    assert not browser.run(asked)
    # A token for some keys only: there is no ledger for who has it.
    browser.run("sessionStorage.clear()")
    browser.open(gate + "/?key=shop.latency")
    wait_for(lambda: browser.run(asked), "a token is asked for")
    person.types(some)
    person.presses("enter")
    drawn(browser, "shop.latency")
    wait_for(lambda: browser.run("return document.getElementById('ledger-pill').hidden && "
                                 "document.getElementById('ledger').hidden"), "no ledger is shown")
