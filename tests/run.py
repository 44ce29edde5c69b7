#!/usr/bin/python3
"""Runs the suites and adds them up.

    tests/run.py --build build/release unit replay golden system

Ends with one line `N passed, N failed` over all suites named; exit status 1 if any failed. A
unit program that crashes or hangs counts as one failure and its output is shown. What passes is
one line a program.
"""
import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

UNIT_SECONDS = 120
PYTEST_SECONDS = 1500
TEST_SECONDS = 1200 if os.environ.get("HOURGLASS_LONG") else 240  # then it hangs, and shows where


def run_unit(build, names):
    """Each cmocka program: (passed, failed)."""
    passed = failed = 0
    programs = sorted(p for p in glob.glob(f"{build}/unit/*/test_*") if os.access(p, os.X_OK)
                      and not p.endswith((".o", ".d")))
    for program in programs:
        name = os.path.relpath(program, f"{build}/unit")
        if names and not any(n in name for n in names):
            continue
        began = time.monotonic()
        try:
            done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=UNIT_SECONDS, stdin=subprocess.DEVNULL)
            output, code = done.stdout.decode(errors="replace"), done.returncode
        except subprocess.TimeoutExpired as hang:
            output, code = (hang.stdout or b"").decode(errors="replace") + "\nhung", -1
        good = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", output))
        bad = len(set(re.findall(r"(?m)\[  FAILED  \] (?!\d)(\w+)$", output)))
        skipped = sum(int(n) for n in re.findall(r"\[  SKIPPED \] (\d+) test", output))
        if code != 0 and bad == 0 or good + bad + skipped == 0:
            bad = max(1, bad)
        passed += good
        failed += bad
        print(f"  unit/{name}: {good} passed" + (f", {bad} FAILED" if bad else "") +
              f" ({time.monotonic() - began:.1f} s)", flush=True)
        if bad:
            print(output, f"\n  exit status {code}", flush=True)
    if passed + failed == 0:
        print("  unit: no test ran", flush=True)
        failed = 1
    return passed, failed


# System tests wait most of the time, so two run at once.
WORKERS = {"tests/system": ["-n", "2"]}


def run_replay(build, names):
    """Each fuzz target over its corpus, one test a target: (passed, failed)."""
    passed = failed = 0
    for folder in sorted(glob.glob("tests/fuzz/corpus/fuzz_*")):
        name = os.path.basename(folder)[len("fuzz_"):]
        if names and not any(n in name for n in names):
            continue
        try:
            done = subprocess.run([f"{build}/replay/{name}", folder], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=UNIT_SECONDS,
                                  stdin=subprocess.DEVNULL)
            output, code = done.stdout.decode(errors="replace"), done.returncode
        except OSError as error:
            output, code = str(error), -1
        except subprocess.TimeoutExpired as hang:
            output, code = (hang.stdout or b"").decode(errors="replace") + "\nhung", -1
        passed, failed = passed + (code == 0), failed + (code != 0)
        said = output.strip().splitlines() or [""]
        print(f"  replay/{name}: {said[-1]}" + (" FAILED" if code else ""), flush=True)
        if code:
            print("\n".join(said[-30:]), f"\n  exit status {code}", flush=True)
    if passed + failed == 0 and not names:
        print("  replay: no corpus was found", flush=True)
        failed = 1
    return passed, failed


def run_pytest(folder, build, names):
    """One folder of pytest: (passed, failed)."""
    environment = dict(os.environ, HOURGLASS_BUILD=os.path.abspath(build),
                       PYTHONDONTWRITEBYTECODE="1")
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [sys.executable, "-m", "pytest", "-q", "-x" if os.environ.get("FAST") else "-q",
                   "-p", "no:cacheprovider", "--tb=short", "--durations=5",
                   "--timeout", str(TEST_SECONDS),
                   f"--junitxml={report.name}", *WORKERS.get(folder, []), folder]
        if names:
            command += ["-k", " or ".join(names)]
        try:
            code = subprocess.run(command, env=environment, timeout=PYTEST_SECONDS,
                                  stdin=subprocess.DEVNULL).returncode
        except subprocess.TimeoutExpired:
            print(f"  {folder}: not done within {PYTEST_SECONDS} s")
            return 0, 1
        if code == 5 and names:
            return 0, 0
        try:
            suite = xml.parse(report.name).getroot().find("testsuite")
            total, bad = int(suite.get("tests")), int(suite.get("failures")) + int(suite.get("errors"))
            skipped = int(suite.get("skipped"))
        except (xml.ParseError, AttributeError):
            return 0, 1
    if code not in (0, 1) or total == 0:
        bad = max(bad, 1)
    return total - bad - skipped, bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("-k", action="append", default=[], help="only what has this in its name")
    parser.add_argument("suites", nargs="+", choices=["unit", "replay", "golden", "system"])
    args = parser.parse_args()
    passed = failed = 0
    for suite in args.suites:
        began = time.monotonic()
        print(f"{suite}:", flush=True)
        good, bad = (run_unit(args.build, args.k) if suite == "unit"
                     else run_replay(args.build, args.k) if suite == "replay"
                     else run_pytest(f"tests/{suite}", args.build, args.k))
        passed, failed = passed + good, failed + bad
        print(f"{suite}: {good} passed, {bad} failed in {time.monotonic() - began:.0f} s\n", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
