# SPDX-License-Identifier: Apache-2.0
"""The dashboard for Grafana and the alert rules for Prometheus, against running daemons."""
import json
import os
import re
import shutil
import subprocess
import time

import pytest
import yaml

from conftest import Stack, metrics, send, wait_count, wait_for
from test_graphite import HOUR, browser_render, request

PACKAGING = os.path.join(os.path.dirname(__file__), "../../packaging")
RULES = os.path.join(PACKAGING, "prometheus/hourglass.rules.yml")

# What a counter of loss is called. Sessions that are refused or too many have lost nothing yet.
LOSS = re.compile(r"lost|rejected|unsupported|drop|truncated|damaged|overflow|windows_over_limit|receive_errors")


@pytest.fixture(scope="module")
def pipeline():
    stack = Stack()
    try:
        (relay,), agent, queryd = stack.start_all(relays=1)
        send(agent, "".join(f"shop.{key}:{v}|ms\n" for key in ("cart", "pay") for v in range(1, 21)))
        send(agent, "not a line\n")
        wait_count(queryd, "shop.cart", 20)
        wait_count(queryd, "shop.pay", 20)

        def names():
            found = request(queryd, "GET", "/tags/autoComplete/values?tag=name&limit=10000")[2]
            return "hourglass.lines.rejected.sum" in found and "shop.pay" in \
                request(queryd, "GET", "/metrics/expand?query=shop.*")[2]
        wait_for(names, "the ledger's names are known")
        yield agent, relay, queryd
    finally:
        stack.close()


def dashboard():
    with open(os.path.join(PACKAGING, "grafana/hourglass.json")) as text:
        return json.load(text)


def filled_in(target, board):
    """The target with its variables as Grafana puts them in."""
    for variable in board["templating"]["list"]:
        value = "shop.*" if variable["name"] == "key" else variable["query"]
        target = target.replace("$" + variable["name"], value)
    return target


def test_the_dashboard_is_one_that_grafana_takes():
    board = dashboard()
    assert board["title"] and board["uid"] and board["schemaVersion"] >= 36
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["datasource"] == {"type": "graphite", "uid": "${datasource}"}
        refs = [target["refId"] for target in panel["targets"]]
        assert refs and len(set(refs)) == len(refs)


def test_every_panel_is_answered(pipeline):
    """Wrapped as Grafana does; and what has data shows some."""
    _, _, queryd = pipeline
    board, functions = dashboard(), set()
    now = int(time.time())
    for panel in board["panels"]:
        targets = {t["refId"]: filled_in(t["target"], board) for t in panel.get("targets", [])}
        if not targets:
            continue
        for target in targets.values():
            assert "$" not in target.replace("$'", ""), target
            functions |= set(re.findall(r"(\w+)\(", target))
        status, answer = browser_render(queryd, targets, now - 7 * 24 * HOUR, now)
        assert status == 200, (panel["title"], answer)
        shown = {series["target"].split(" ")[-1] for series in answer
                 if any(value is not None for value, _ in series["datapoints"])}
        # Nothing was lost, and nothing is refused as a sample or unsupported.
        missing = {"Lost": {"A"}, "Dropped by kernels": {"A"}, "Refused by reason": {"B", "C"}}
        assert shown >= set(targets) - missing.get(panel["title"], set()), (panel["title"], answer)
    known = json.loads(request(queryd, "GET", "/functions")[2])
    assert functions - {"seriesByTag"} <= set(known)


def names_of(process):
    return {re.sub(r"_(bucket|sum|count)$", "", key.split("{")[0]) for key in metrics(process)}


def expressions():
    with open(RULES) as text:
        return re.findall(r"^\s+expr: (.*)$", text.read(), re.MULTILINE)


def test_every_metric_of_a_rule_exists(pipeline):
    known = set().union(*(names_of(process) for process in pipeline))
    named = set(re.findall(r"hourglass_\w+", " ".join(expressions())))
    assert named and named <= known, named - known


def test_labels_of_the_rules_exist(pipeline):
    keys = [key for process in pipeline for key in metrics(process)]
    for name, label, values in re.findall(r'(hourglass_\w+)\{(\w+)=~?"([^"]*)"\}', " ".join(expressions())):
        for value in values.split("|"):
            assert any(key.startswith(name + "{") and f'{label}="{value}"' in key for key in keys), \
                (name, label, value)


def test_every_counter_of_loss_has_a_rule(pipeline):
    known = set().union(*(names_of(process) for process in pipeline))
    loss = {name for name in known if name.startswith("hourglass_") and LOSS.search(name)
            and name.endswith("_total")}
    assert len(loss) >= 12
    named = set(re.findall(r"hourglass_\w+", " ".join(expressions())))
    assert loss <= named, loss - named


def test_the_rules_are_what_prometheus_takes():
    if shutil.which("promtool"):
        checked = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    with open(RULES) as text:
        groups = yaml.safe_load(text)["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) == len(expressions())
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket", "info")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]
