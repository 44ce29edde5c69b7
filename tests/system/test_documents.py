# SPDX-License-Identifier: Apache-2.0
"""Documents that cannot rot: what README.md, API.md and LINE.md show is typed as it stands.

Addresses are those of the stack that runs, and API.md's day is yesterday, whose samples are sent
with timestamps. What comes back must have the form that is shown: fields, their order, types.
"""
import datetime
import json
import os
import pathlib
import re
import subprocess

import pytest

import documents
from conftest import BUILD, Stack, http, send, wait_count, wait_for
from documents import ROOT, answer_of, codes, differs, examples, table, text_of

API_DAY = "2026-11-20"
YESTERDAY = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=1)


def explained(lines, *options):
    done = subprocess.run([f"{BUILD}/hourglass-agent", "--explain", *options], input=lines.encode(),
                          capture_output=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


class World:
    """A stack with the keys that the documents speak of."""

    def __init__(self, stack):
        stack.start_redis()
        relay = stack.start_relay(**{"windows.a.b": 1000, "windows.checkout.*": 1000})
        self.queryd = stack.start_queryd()
        self.agent = stack.start_agent([relay])
        wait_for(lambda: http(self.agent, "/readyz", self.agent.admin)[0] == 200, "the agent is ready")

    def fill(self):
        start = datetime.datetime.combine(YESTERDAY, datetime.time(), datetime.timezone.utc).timestamp()
        lines = []
        for hour, values in ((13, range(3, 23)), (14, range(12, 32))):
            for value in values:
                lines.append(f"checkout.latency:{value}|ms|T{int(start) + hour * 3600 + value}")
        lines += [f"checkout.latency:{v}|ms|#host:web-1" for v in (1, 2)]
        lines += ["checkout.latency:9|ms", "checkout.errors:1|c", "checkout.revenue:2|c",
                  "checkout.bad:x|c", "_e{1,1}:a|b"]
        send(self.agent, "\n".join(lines))
        wait_count(self.queryd, "checkout.latency,host=web-1", 2)

    def here(self, text):
        """A documented command or path with this stack's addresses and days."""
        host, port = self.agent.listen.rsplit(":", 1)
        admin = self.agent.admin
        for said, real in (("127.0.0.1:8129", self.queryd.listen), ("localhost:8129", self.queryd.listen),
                           ("127.0.0.1 8125", f"{host} {port}"), ("localhost:8126", admin),
                           ("localhost 8126", admin.replace(":", " ")),
                           (API_DAY, f"{YESTERDAY}")):
            text = text.replace(said, real)
        return text

    def run(self, command):
        """A documented command by bash: what it prints."""
        command = re.sub(r"\bcurl ", "curl -sS ", self.here(command))
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, PATH=f"{BUILD}:{os.environ['PATH']}"))
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return done.stdout

    def assert_shown(self, asked, shown):
        """What is asked for comes in the form that is shown, within the time it takes to be counted."""
        last = [None]

        def same():
            text = self.run(asked if not asked.startswith("/") else
                            f"curl 'http://127.0.0.1:8129{asked}'")
            last[0] = differs(answer_of(shown), json.loads(text)), text
            return last[0][0] is None
        wait_for(same, lambda: f"{asked} answers as documented: {last[0]}", 30)


@pytest.fixture(scope="module")
def world():
    stack = Stack()
    try:
        made = World(stack)
        made.fill()
        yield made
    finally:
        stack.close()


def test_the_first_thing_a_reader_types(world):
    """README.md: three samples by nc, their average by curl, and the paths named below it."""
    (send_it, nothing), (ask_it, shown) = examples("README.md")
    assert nothing == ""
    world.run(send_it)
    world.assert_shown(ask_it, shown)
    told = json.loads(world.run(ask_it))
    assert told["value"] == answer_of(shown)["value"] and told["count"] == answer_of(shown)["count"]
    paths = re.findall(r"`(/[^`]+)`", text_of("README.md").split("(one line really;")[1].split("\n\n")[0])
    assert len(paths) == 4
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%F")
    for path in paths:
        assert http(world.queryd, re.sub(r"2026-\d\d-\d\d", today, path))[0] == 200, path


# One case each, by what is asked: a failure names the example.
API = [(asked, shown) for asked, shown in examples("proto/API.md") if shown.startswith("{")]


def test_the_documented_answers_are_found():
    assert len(API) >= 13


@pytest.mark.parametrize("asked,shown", API, ids=[asked for asked, _ in API])
def test_api_answers_as_documented(world, asked, shown):
    world.assert_shown(asked, shown)


def test_other_commands_of_the_api(world):
    # An answer from a replica needs one: test_replicas.py.
    rest = dict(e for e in examples("proto/API.md") if not e[1].startswith(("{", "Hourglass-Stale")))
    (token,) = [asked for asked in rest if "--token" in asked]
    (stats,) = [asked for asked in rest if "echo stats" in asked]
    assert len(rest) == 2
    line = rest[token].splitlines()[1]
    assert re.match(r"acme = [0-9a-f]+\.\.\.[0-9a-f]+ shop\. checkout\.", line)
    assert re.search(r"(?m)^NAME = [0-9a-f]{64} PREFIX$", world.run(token))
    shown = rest[stats].splitlines()
    printed = world.run(stats).splitlines()
    assert [s.split(":")[0] for s in shown] == [p.split(":")[0] for p in printed if p]


def test_the_graphite_example(world):
    (request, answer), = re.findall(r"    POST /render +(.+)\n    (\[.*\])\n", text_of("proto/API.md"))
    body = subprocess.run(["curl", "-sS", *(w for part in request.split("&")
                                            for w in ("--data-urlencode", part)),
                           f"http://{world.queryd.listen}/render"], capture_output=True, text=True, timeout=60)
    real = json.loads(body.stdout)
    (shown,) = json.loads(answer.replace(",…", ""))
    (one,) = [r for r in real if r["target"] == shown["target"]]
    assert list(one) == list(shown) and one["tags"] == shown["tags"]
    assert all(len(point) == 2 for point in one["datapoints"]) and one["datapoints"]


# ---- LINE.md ------------------------------------------------------------------------------------

def test_what_explain_prints():
    block = text_of("proto/LINE.md").split("\n## --explain\n")[1]
    shown = [s for s in re.findall(r"(?m)^    (\{.*\})$", block)]
    assert len(shown) == 3
    for text in shown:
        cut = text.endswith(",...]}")
        wanted = json.loads(text.replace(",...]}", "]}"))
        (real,) = explained(wanted["line"] + "\n")
        if cut:
            assert len(real["samples"]) > len(wanted["samples"])
            real["samples"] = real["samples"][:len(wanted["samples"])]
        assert real == wanted and list(real) == list(wanted)


def test_the_canonical_series_table():
    rows = table("proto/LINE.md", "The canonical series")
    assert len(rows) == 9
    for sent, series in rows:
        for line in codes(sent):
            (real,) = explained(line + "\n")
            assert [s["series"] for s in real["samples"]] == codes(series), line


def test_the_examples_table():
    rows = table("proto/LINE.md", "Examples")
    refused = {reason: 0 for reason in re.findall(r"(?m)^\| `(\w+)` \|", text_of("proto/LINE.md"))}
    for line, understood in rows:
        (real,) = explained(line.strip("`") + "\n")
        reason = codes(understood)[:1]
        if reason and reason[0] in refused:
            assert (real["accepted"], real["reason"]) == (False, reason[0]), line
            refused[reason[0]] += 1
        else:
            assert real["accepted"] and real["samples"], line
    assert sum(refused.values()) >= 5 and len(rows) >= 11


def test_every_reason_is_documented_and_counted(world):
    documented = {row[0].strip("`") for row in table("proto/LINE.md", "Reasons for refusing")}
    _, text = http(world.agent, "/metrics", world.agent.admin)
    counted = set(re.findall(r'(?:lines|samples)_(?:rejected|unsupported)_total\{reason="(\w+)"\}', text))
    assert documented == counted


# ---- all documents ------------------------------------------------------------------------------

def test_every_link_leads_to_a_file():
    broken = [f"{d.relative_to(ROOT)}: {to}#{heading}" for d in documents.DOCUMENTS
              for to, heading in documents.relative_links(d)
              if not os.path.exists(to) or heading and heading not in documents.anchors(to)]
    assert not broken


FOLDERS = ["proto", "proto/daemon", "proto/net", "proto/store", "agent", "relay", "queryd"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_readme_names_every_file_of_its_folder(folder):
    """By its name, or by its end (`_open` beside `spool_disk`); a private header needs no word."""
    text = text_of(f"{folder}/README.md")
    words = set(re.findall(r"\w+", text))
    ends = tuple(word for word in words if re.fullmatch(r"_[a-z]\w*", word))
    assert not [name for name in documents.sources(ROOT / folder)
                if name not in words and not name.endswith(("_private", *ends))]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_files_of_a_reading_order_are_there(folder):
    text = text_of(f"{folder}/README.md")
    named = {name for row in re.findall(r"(?m)^\| (`[^|]+) \|", text.split("eading order\n")[-1].split("\n## ")[0])
             for name in codes(row)}
    assert not {pathlib.Path(name).stem for name in named} - documents.sources(ROOT / folder)


def test_every_file_that_is_named_is_there():
    names = {p.name for p in ROOT.rglob("*.*") if "build" not in p.relative_to(ROOT).parts}
    gone = [f"{d.relative_to(ROOT)}: {one}" for d in documents.DOCUMENTS
            for name in re.findall(r"`([\w/{},-]+\.(?:c|h|md|py|lua|js|sh|conf|json|yml|service|socket))`",
                                   d.read_text(encoding="utf-8"))
            for one in documents.spread(name)
            if not (ROOT / one).exists() and not (d.parent / one).exists() and ("/" in one or one not in names)]
    assert set(gone) <= {"packaging/README.md: redis.conf"}


def options():
    """What --help says can be set, {daemon: {key: default}}."""
    told = {}
    for daemon in ("agent", "relay", "queryd"):
        shown = subprocess.run([f"{BUILD}/hourglass-{daemon}", "--help"], capture_output=True, text=True,
                               check=True, timeout=60).stdout.split("\nConfiguration:")[1]
        told[daemon] = dict(re.findall(r"(?m)^  ([a-z_]+) +(\(empty\)|\S+) ", shown))
        assert len(told[daemon]) > 15
    return told


# What looks like `key = value` and is an equation.
EQUATIONS = {"received", "chain_n"}


def test_every_option_that_is_named_is_there():
    real = {key for keys in options().values() for key in keys}
    wrong = [f"{d.relative_to(ROOT)}: {key}" for d in documents.DOCUMENTS
             for key in re.findall(r"`([a-z_]+) = ", d.read_text(encoding="utf-8")) if key not in real | EQUATIONS]
    assert not wrong


def test_examples_show_the_defaults():
    for daemon, keys in options().items():
        shown = dict(re.findall(r"(?m)^#?([a-z_]+) = *(.*)$", text_of(f"packaging/examples/{daemon}.conf")))
        for key, default in keys.items():
            assert shown[key] == default.replace("(empty)", ""), (daemon, key)


def test_every_library_is_told():
    """Those of the Makefile by the README's table of reasons, spelt as people spell them."""
    packages = set(" ".join(re.findall(r"(?m)^PKGS_\w+ +:= (.+)$", text_of("Makefile"))).split()) - {"$(MSGPACK)"}
    told = text_of("README.md").split("* **Libraries**")[1].split("\n\n")[0].lower()
    assert len(packages) >= 9 and "msgpack-c" in told
    for package in packages:
        assert re.sub(r"^lib(?!uv|micro|systemd|sodium)", "", package).replace("isal", "isa-l") in told, package


def test_alerts_speak_of_what_can_be_set_and_is_counted(world):
    rules = text_of("packaging/prometheus/hourglass.rules.yml")
    metrics = "".join(http(d, "/metrics", getattr(d, "admin", None))[1] for d in world_daemons(world))
    known = {key for keys in options().values() for key in keys} | set(re.findall(r'"(\w+)"', metrics)) | \
        set(re.findall(r"(?m)^(\w+)", metrics)) | {"rmem_max", "rule_files"}
    assert not set(re.findall(r"\b[a-z]+_[a-z_]+\b", rules)) - known
    (lost,) = re.findall(r"alert: HourglassSamplesLost\n(?:.*\n)*?.*description: \"(.*)\"", rules)
    assert set(re.findall(r"(\w+):", lost)) == \
        set(re.findall(r'hourglass_agent_samples_lost_total\{reason="(\w+)"\}', metrics))


def test_every_target_of_make_that_is_named_is_there():
    targets = set(re.findall(r"(?m)^([a-z-]+):", text_of("Makefile")))
    wrong = {f"{d.name}: make {t}" for d in documents.DOCUMENTS
             for t in re.findall(r"(?:`|    )(?:[A-Z_]+=\S+ )*make ([a-z-]+)(?![a-z/-])", d.read_text(encoding="utf-8"))
             if t not in targets}
    assert not wrong


def test_every_test_that_is_named_is_there():
    wrong = []
    for document in documents.DOCUMENTS:
        for name in re.findall(r"`((?:\w+/)*test_[\w{},]+?(?:\.\w+)?)`", document.read_text(encoding="utf-8")):
            for one in documents.spread(name):
                stem = pathlib.Path(one).stem
                if not any(ROOT.glob(f"tests/**/{stem}.*")):
                    wrong.append(f"{document.name}: {one}")
    assert not wrong


def test_every_metric_that_is_named_is_there(world):
    real = set()
    for daemon in world_daemons(world):
        real |= set(re.findall(r"(?m)^(hourglass_\w+)", http(daemon, "/metrics", getattr(daemon, "admin", None))[1]))
    named = {name for d in documents.DOCUMENTS
             for name in re.findall(r"\bhourglass_(?:agent|relay|queryd)_\w+", d.read_text(encoding="utf-8"))}
    assert len(named) > 5
    assert not named - real


def world_daemons(world):
    return [p for p in world.queryd.stack.processes if p.name != "redis"]


def test_the_manuals_are_clean(tmp_path):
    subprocess.run(["make", "-s", "-C", str(ROOT), "install", f"DESTDIR={tmp_path}", "PREFIX=/usr",
                    f"BUILD={os.path.dirname(BUILD)}"], check=True, capture_output=True)
    for page in (tmp_path / "usr/share/man/man8").iterdir():
        text = page.read_text()
        assert "@HELP@" not in text and "@SYSCONFDIR@" not in text
        assert ".SH NAME" in text and "Configuration: key" in text
