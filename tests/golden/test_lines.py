# SPDX-License-Identifier: Apache-2.0
"""The golden lines: each datagram of lines.jsonl, through `hourglass-agent --explain`.

A case says what must be stored (`expect`), how many lines must be refused (`reject`) and
how many are recognised but unsupported. HOURGLASS_BUILD names the folder of the build.
"""
import json
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
AGENT = ROOT / os.environ.get("HOURGLASS_BUILD", "build/release") / "hourglass-agent"

CASES = [json.loads(line) for line in (HERE / "lines.jsonl").open(encoding="utf-8")]


def explain(datagram, *options):
    """The agent's answers to one datagram, one object a line."""
    done = subprocess.run([AGENT, "--explain", "--datagram", *options], input=datagram,
                          stdout=subprocess.PIPE, check=True, timeout=10)
    return [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]


def datagram_of(case):
    return bytes.fromhex(case["in_hex"]) if "in_hex" in case else case["in"].encode()


def sample_of(found):
    """A sample without the series, which the cases do not spell."""
    return {key: found[key] for key in found if key != "series"}


def samples_expected(case):
    """The samples of a case in full: defaults filled in, packed values apart."""
    for expected in case["expect"]:
        sample = {"name": expected["name"], "type": expected["type"],
                  "rate": expected.get("rate", 1), "tags": expected.get("tags", {})}
        for optional in ("gauge_delta", "ts"):
            if optional in expected:
                sample[optional] = expected[optional]
        for value in expected.get("values", [expected.get("value")]):
            yield dict(sample, value=value)


def series_of(sample):
    """The canonical series, written a second time: by the words of LINE.md."""
    def escape(text, also=""):
        return "".join("\\" + c if c in ";\\" + also else c for c in text)

    tags = sorted(sample["tags"].items(), key=lambda tag: tag[0].encode())
    return escape(sample["name"]) + "".join(
        f";{escape(key, '=')}={escape(value)}" for key, value in tags)


def test_the_golden_file_is_whole():
    assert len(CASES) == 296
    assert len({case["id"] for case in CASES}) == 296


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_datagram_is_understood_as_the_golden_file_says(case):
    answers = explain(datagram_of(case))
    samples = [s for a in answers if a["accepted"] for s in a["samples"]]
    refused = [a for a in answers if not a["accepted"]]
    unsupported = [a for a in refused if a.get("unsupported")]

    assert [sample_of(s) for s in samples] == list(samples_expected(case)), case["why"]
    assert [s["series"] for s in samples] == [series_of(s) for s in samples]
    assert len(refused) - len(unsupported) == case["reject"], case["why"]
    assert len(unsupported) == case.get("unsupported", 0), case["why"]
    assert all(a["reason"] for a in refused)


@pytest.mark.parametrize("case", [c for c in CASES if any("name_if_sanitized" in e
                                                          for e in c["expect"])],
                         ids=lambda case: case["id"])
def test_sanitize_rewrites_names_as_statsd_does(case):
    answers = explain(datagram_of(case), "-o", "sanitize=statsd")
    names = [s["name"] for a in answers if a["accepted"] for s in a["samples"]]

    assert names == [e.get("name_if_sanitized", e["name"]) for e in case["expect"]]
