"""Samples sent by other people's clients, in the ways they have of writing them: all arrive.

Each client sends, below a prefix of its own: `hits`, 50 times 1, then 7 and -2 (a counter); `took`,
1 to 50 (a timer); `level`, 42.5 (a gauge); and, where it has sets, `users`: ann, bob, ann. Those of
npm are fetched into build/clients at pinned versions; without npm, or without its registry, their
tests are skipped.
"""
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

from conftest import BUILD, Stack, this_hour, wait_count

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
FETCHED = os.path.join(os.path.dirname(os.path.abspath(BUILD)), "clients")
NPM = ["npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"]
WANTED = {("hits", "sum"): 55, ("hits", "samples"): 52, ("took", "count"): 50, ("took", "sum"): 1275,
          ("took", "max"): 50, ("took", "median"): 25.5, ("level", "last"): 42.5, ("users", "unique"): 2}
LINES = "".join([f"{{0}}hits:1|c\n{{0}}took:{i}|ms\n" for i in range(1, 51)] +
                ["{0}hits:7|c\n", "{0}hits:-2|c\n", "{0}level:42.5|g\n",
                 "{0}users:ann|s\n", "{0}users:bob|s\n", "{0}users:ann|s\n"])


@pytest.fixture(scope="module")
def pipeline():
    stack = Stack()
    try:
        yield stack.start_all(relays=1)
    finally:
        stack.close()


def fetch():
    """npm's clients, once a build folder; skips where they cannot be had."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("npm and node are not installed: its clients are not tested")
    lock = "package-lock.json"
    if os.path.exists(f"{FETCHED}/{lock}") and filecmp.cmp(f"{HERE}/{lock}", f"{FETCHED}/{lock}", False):
        return
    shutil.rmtree(FETCHED, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(FETCHED)) as fresh:
        shutil.copy(f"{HERE}/package.json", fresh)
        shutil.copy(f"{HERE}/{lock}", fresh)
        try:
            done = subprocess.run(NPM, cwd=fresh, capture_output=True, text=True, timeout=120)
            why = done.stderr.strip()[-300:] if done.returncode else None
        except subprocess.TimeoutExpired:
            why = "it took too long"
        if why is not None:
            pytest.skip(f"npm could not fetch the clients: {why}")
        try:
            os.rename(fresh, FETCHED)
        except OSError:  # another test was faster
            return
        os.mkdir(fresh)


def run(command, text=None):
    subprocess.run(command, input=text, text=True, check=True, timeout=60)


def check(queryd, prefix, when, names=("hits", "took", "level", "users")):
    for (name, stat), value in WANTED.items():
        if name in names:
            wait_count(queryd, prefix + name, value, when, stat)


@pytest.mark.parametrize("library", ["hot-shots", "node-statsd", "lynx", "statsd-client"])
def test_a_client_of_npm(pipeline, library):
    fetch()
    _, agent, queryd = pipeline
    host, port = agent.listen.rsplit(":", 1)
    prefix, when = f"npm.{library}.", this_hour()
    process = subprocess.Popen(["node", f"{HERE}/send.js", library, host, port, prefix],
                               stdin=subprocess.PIPE, env=dict(os.environ, NODE_PATH=f"{FETCHED}/node_modules"))
    try:
        check(queryd, prefix, when)
    finally:
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_python3_statsd(pipeline):
    pytest.importorskip("statsd", reason="python3-statsd is not installed")
    _, agent, queryd = pipeline
    when = this_hour()
    run([sys.executable, f"{HERE}/send.py", *agent.listen.rsplit(":", 1), "python."])
    check(queryd, "python.", when)


def test_perl_net_statsd(pipeline):
    if subprocess.run(["perl", "-MNet::Statsd", "-e", "1"], capture_output=True).returncode != 0:
        pytest.skip("libnet-statsd-perl is not installed")
    _, agent, queryd = pipeline
    when = this_hour()
    run(["perl", f"{HERE}/send.pl", *agent.listen.rsplit(":", 1), "perl."])
    check(queryd, "perl.", when, ("hits", "took", "level"))


def test_netcat(pipeline):
    _, agent, queryd = pipeline
    when = this_hour()
    run(["nc", "-u", "-w1", *agent.listen.rsplit(":", 1)], LINES.format("nc."))
    check(queryd, "nc.", when)


def test_bash_without_any_tool(pipeline):
    _, agent, queryd = pipeline
    host, port = agent.listen.rsplit(":", 1)
    when = this_hour()
    run(["bash", "-c", f'while read -r line; do echo "$line" > /dev/udp/{host}/{port}; done'],
        LINES.format("bash."))
    check(queryd, "bash.", when)
