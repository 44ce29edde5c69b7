"""What `make install` puts where, and what systemd thinks of it."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import BUILD

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
SOCKETS = ["hourglass-agent.socket", "hourglass-agent-stream.socket"]
UNITS = ["hourglass-agent.service", "hourglass-relay.service", "hourglass-queryd.service"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={folder}", "PREFIX=/usr",
                    f"BUILD={os.path.dirname(BUILD)}"], check=True, capture_output=True)
    return folder


def test_everything_is_installed(installed):
    for path in ["usr/bin/hourglass-agent", "usr/bin/hourglass-relay", "usr/bin/hourglass-queryd",
                 *(f"lib/systemd/system/{socket}" for socket in SOCKETS), "usr/lib/sysusers.d/hourglass.conf",
                 "etc/hourglass/agent.conf", "etc/hourglass/relay.conf", "etc/hourglass/queryd.conf",
                 "usr/share/man/man8/hourglass-agent.8", "usr/share/hourglass/grafana/hourglass.json",
                 "usr/share/hourglass/prometheus/hourglass.rules.yml"]:
        assert (installed / path).exists(), path
    for unit in UNITS:
        text = (installed / "lib/systemd/system" / unit).read_text()
        assert "@" not in text.replace("@system-service", "").replace("@privileged", "") \
            .replace("@resources", "")
        program = re.search(r"ExecStart=(\S+) -c (\S+)", text)
        assert (installed / program.group(1)[1:]).exists()
        assert (installed / program.group(2)[1:]).exists()


def test_an_operators_configuration_is_kept(installed):
    mine = installed / "etc/hourglass/agent.conf"
    before = mine.read_text()
    mine.write_text("# mine\n")
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={installed}", "PREFIX=/usr",
                    f"BUILD={os.path.dirname(BUILD)}"], check=True, capture_output=True)
    assert mine.read_text() == "# mine\n"
    mine.write_text(before)


def test_systemd_finds_nothing_wrong(installed):
    if shutil.which("systemd-analyze") is None:
        return  # nothing to ask on this machine; the units are checked where systemd is
    units = [str(installed / "lib/systemd/system" / u) for u in UNITS + SOCKETS]
    # --root would hide the programs' own libraries; the path in ExecStart is checked above.
    for unit in units:
        with open(unit) as text:
            body = re.sub(r"/usr/bin/hourglass-\w+", "/bin/true", text.read())
        with open(unit, "w") as text:
            text.write(body)
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", *units],
                              capture_output=True, text=True)
    assert verified.returncode == 0 and verified.stderr.strip() == "", verified.stderr


def test_the_units_are_hardened(installed):
    if shutil.which("systemd-analyze") is None:
        return
    for unit in UNITS:
        shown = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                                str(installed / "lib/systemd/system" / unit)],
                               capture_output=True, text=True)
        level = re.search(r"exposure level for \S+: (\d+\.\d+)", shown.stdout)
        assert level, shown.stdout + shown.stderr
        assert float(level.group(1)) <= 1.5
