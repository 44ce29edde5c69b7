"""What an operator types: help, checks, mistakes."""
import os
import socket
import subprocess

import pytest

from conftest import BUILD

DAEMONS = ["agent", "relay", "queryd"]


def run(daemon, *arguments, text=None):
    return subprocess.run([f"{BUILD}/hourglass-{daemon}", *arguments], capture_output=True, text=True,
                          timeout=60, input=text)


@pytest.mark.parametrize("daemon", DAEMONS)
def test_help_names_every_key(daemon):
    shown = run(daemon, "--help")
    assert shown.returncode == 0 and shown.stderr == ""
    dumped = run(daemon, "--dump")
    assert dumped.returncode == 0
    keys = [line.split("=")[0].strip() for line in dumped.stdout.splitlines()
            if "=" in line and line[0] not in "#;"]
    assert len(keys) > 4
    for key in keys:
        assert key in shown.stdout


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_dump_reads_back_the_same(daemon, tmp_path):
    dumped = run(daemon, "--dump").stdout
    path = tmp_path / "again.conf"
    path.write_text(dumped)
    assert run(daemon, "-c", str(path), "--dump").stdout == dumped
    assert run(daemon, "-c", str(path), "--check").returncode == 0


@pytest.mark.parametrize("daemon", DAEMONS)
def test_the_example_is_right_and_says_every_key(daemon):
    example = os.path.join(os.path.dirname(__file__), f"../../packaging/examples/{daemon}.conf")
    checked = run(daemon, "-c", example, "--check")
    assert checked.returncode == 0, checked.stderr
    with open(example) as text:
        example_text = text.read()
    for line in run(daemon, "--dump").stdout.splitlines():
        if "=" in line and line[0] not in "#;":
            assert line.split("=")[0].strip() in example_text


@pytest.mark.parametrize("daemon,text,words", [
    ("agent", "\nseal_ms = 5x\n", ["bad.conf:2", "seal_ms", "5x", "to"]),
    ("agent", "seal_ms = 999999999\n", ["bad.conf:1", "seal_ms", "999999999"]),
    ("relay", "partitions = 0\n", ["bad.conf:1", "partitions", "0", "1024"]),
    ("relay", "# fine\n\ncomit_ms = 100\n", ["bad.conf:3", "comit_ms", "commit_ms"]),
    ("queryd", "redis = http://x\n", ["bad.conf:1", "redis", "http://x"]),
    ("queryd", "listen\n", ["bad.conf:1"]),
])
def test_a_mistake_is_named_and_nothing_starts(daemon, text, words, tmp_path):
    path = tmp_path / "bad.conf"
    path.write_text(text)
    for arguments in (["-c", str(path)], ["-c", str(path), "--check"]):
        refused = run(daemon, *arguments)
        assert refused.returncode == 2 and refused.stdout == ""
        for word in words:
            assert word in refused.stderr, refused.stderr
        assert "listening" not in refused.stderr


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_mistake_on_the_command_line(daemon):
    for arguments, word in ((["-o", "nothing=1"], "nothing"), (["-c", "/no/such/file"], "/no/such/file"),
                            (["--wrong"], "wrong"), (["-o", "log_level=loud"], "loud")):
        refused = run(daemon, *arguments)
        assert refused.returncode == 2 and word in refused.stderr, refused.stderr


def test_explain_needs_no_relay():
    shown = run("agent", "--explain", text="a:1|ms\na:x|c\n")
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) == 2 and '"reason":"bad_value"' in shown.stdout


@pytest.mark.parametrize("daemon", ["relay", "queryd"])
def test_the_password_of_redis_is_shown_nowhere(daemon):
    dumped = run(daemon, "-o", "redis=redis://metrics:hunter2@store:6379/1", "--dump")
    assert "redis = redis://***@store:6379/1\n" in dumped.stdout
    refused = run(daemon, "-o", "redis=redis://metrics:hunter2@store:port", "--check")
    assert refused.returncode == 2 and "redis://***@store:port" in refused.stderr
    assert "hunter2" not in dumped.stdout + refused.stderr


@pytest.mark.parametrize("daemon,options,words", [
    ("agent", ["listen=udp://127.0.0.1:{taken}"], ["listen_failed", "{taken}", "EADDRINUSE", "ss -lntup"]),
    ("agent", ["admin=127.0.0.1:{taken}"], ["listen_failed", "{taken}", "EADDRINUSE", "ss -lntup"]),
    ("agent", ["listen=udp://nohost.invalid:8125"], ["listen_failed", "nohost.invalid", "does not resolve"]),
    ("agent", ["listen=unix:///nowhere/at/all"], ["listen_failed", "/nowhere/at/all", "make it first"]),
    ("agent", ["state_dir=/nowhere/at/all"], ["identity_failed", "/nowhere/at/all", "make it first"]),
    ("agent", ["state_dir=/etc/passwd"], ["identity_failed", "/etc/passwd", "name a folder"]),
    ("relay", ["listen=127.0.0.1:{taken}"], ["listen_failed", "{taken}", "EADDRINUSE", "ss -lntup"]),
    ("queryd", ["listen=127.0.0.1:{taken}"], ["listen_failed", "{taken}", "EADDRINUSE", "ss -lntup"]),
])
def test_what_keeps_a_daemon_from_starting_is_named_with_what_to_do(daemon, options, words):
    ports = {"agent": ["listen=udp://127.0.0.1:0", "admin=127.0.0.1:0"],
             "relay": ["listen=127.0.0.1:0", "admin=127.0.0.1:0"], "queryd": ["listen=127.0.0.1:0"]}
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as packets:
        stream.bind(("127.0.0.1", 0))
        stream.listen()
        taken = stream.getsockname()[1]
        if options[0].startswith("listen=udp"):
            packets.bind(("127.0.0.1", 0))
            taken = packets.getsockname()[1]
        arguments = []
        for option in ports[daemon] + options:
            arguments += ["-o", option.format(taken=taken)]
        ended = run(daemon, *arguments)
    assert ended.returncode == 1 and "ready" not in ended.stderr
    for word in words:
        assert word.format(taken=taken) in ended.stderr, ended.stderr
