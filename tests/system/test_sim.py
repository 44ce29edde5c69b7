# SPDX-License-Identifier: Apache-2.0
"""The delivery contract, by the simulator (tests/sim/README.md): the daemons' own cores in one thread.

20,000 seeds, or as many as 60 s have; HOURGLASS_LONG=1: all of them, and the outage is an hour long."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOURGLASS_BUILD", ROOT / "build" / "release"))
SIM = str(BUILD / "sim")
LONG = bool(os.environ.get("HOURGLASS_LONG"))
SEEDS = 20000
SECONDS = 1500 if LONG else 60
OUTAGE_MINUTES = 60 if LONG else 3


@pytest.fixture(scope="module", autouse=True)
def built():
    if not os.path.exists(SIM):
        subprocess.run(["make", "-s", f"BUILD={BUILD.parent}", f"MODE={BUILD.name}", SIM],
                       cwd=ROOT, check=True, stdin=subprocess.DEVNULL)


def sim(*arguments, seconds=900):
    done = subprocess.run([SIM, *map(str, arguments)], capture_output=True, text=True,
                          timeout=seconds, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def trace_of(seed):
    code, out, err = sim("--seed", seed)
    assert code == 0, out + err
    return re.search(r"trace ([0-9a-f]{16})", out).group(1)


def test_nothing_is_lost_and_nothing_counted_twice():
    code, out, err = sim("--seeds", SEEDS, "--seconds", SECONDS, seconds=SECONDS + 300)
    assert code == 0, err[-6000:] + out
    assert " 0 lost, 0 twice, 0 torn, 0 wrong, " in out and " 0 stuck" in out
    assert int(out.split(" seeds")[0]) >= (SEEDS if LONG else 5 * SECONDS)
    assert not re.search(r"\b0 (rolled back|agent kills|relay kills|resets|hours|days|machines|batches found)", out)


def test_every_rule_of_the_contract_is_missed_when_it_is_gone():
    code, out, err = sim("--self-test")
    assert code == 0, out + err
    assert len(re.findall(r"^without \S+ +fails", out, re.MULTILINE)) >= 14


@pytest.mark.parametrize("spool", ["disk", "memory"])
def test_an_outage_is_survived_within_the_memory_that_was_given(spool):
    code, out, err = sim("--outage", spool, "--minutes", OUTAGE_MINUTES)
    assert code == 0, out + err
    received, over = (int(re.search(rf"(\d+) {what}", out).group(1)) for what in ("received", "over"))
    counted = int(re.search(r"(\d+) counted afterwards", out).group(1))
    assert received == OUTAGE_MINUTES * 60 * 50000 == counted + over
    assert (over == 0) == (spool == "disk")


def test_a_seed_is_a_run():
    traces = [trace_of(seed) for seed in range(1, 21)]
    assert traces == [trace_of(seed) for seed in range(1, 21)]
    assert len(set(traces)) == len(traces)
    code, out, err = sim("--seeds", 100, "--twice")
    assert code == 0, out + err


def test_a_failure_names_its_seed_and_shows_the_way_there():
    code, out, err = sim("--without", "discard", "--seeds", 20)
    assert code == 1
    seed = re.search(r"replay: sim --seed (\d+) --without discard --trace", err).group(1)
    assert re.search(r"^ *\d+ ms  redis runs relay=", err, re.MULTILINE)
    code, out, err = sim("--seed", seed, "--without", "discard", "--trace")
    assert code == 1 and f"seed {seed}: FAILED" in out
    assert re.search(r"^ *\d+ ms  relay discards ", out, re.MULTILINE)


def test_what_cannot_be_is_refused():
    for wrong in (["--without", "gravity"], ["--seeds", "many"], ["--seed"], ["--frob"]):
        assert sim(*wrong)[0] == 2, wrong
