"""`make run`: the first thing that anybody does."""
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

from conftest import BUILD, this_hour, wait_for

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
PORTS = (8125, 8126, 8127, 8128, 8129, 8137, 8138)


def free_offset():
    """An offset at which all of the stack's ports are free."""
    for offset in range(20000, 50000, 101):
        held = []
        try:
            for port in PORTS:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    one = socket.socket(socket.AF_INET, kind)
                    held.append(one)
                    one.bind(("127.0.0.1", port + offset))
            return offset
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
    raise AssertionError("no free ports")


def test_the_whole_stack_runs_answers_and_stops(tmp_path):
    offset = free_offset()
    log = open(tmp_path / "log", "w+b")
    process = subprocess.Popen([sys.executable, f"{ROOT}/packaging/demo/run.py", "--build", BUILD,
                                "--data", str(tmp_path / "data"), "--offset", str(offset), "--demo"],
                               stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def printed():
        log.seek(0)
        return log.read().decode()
    try:
        wait_for(lambda: "Try, in another terminal" in printed() or process.poll() is not None,
                 "the stack is up")
        assert process.poll() is None, printed()
        # The three lines to try are true: the port answers, with the demo's samples.
        date, hour = this_hour()
        url = re.search(r'curl "(http://[^/]+)/', printed()).group(1)
        wait_for(lambda: b"checkout.latency" in
                 urllib.request.urlopen(f"{url}/v1/keys?limit=1000").read(), "the demo's keys")
        with urllib.request.urlopen(f"{url}/shop.page.views;page=home/sum/{date}/{hour}") as answer:
            assert answer.status == 200
        # Ctrl-C: everything ends in order, by itself, with nothing left behind.
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, printed()
        text = printed()
        for name in ("agent", "relay-1", "relay-2", "queryd"):
            assert re.search(rf"{name} \| .*stopped", text), text
        assert "undelivered_samples=0" in text
        assert "error" not in text.lower().replace("errors", "")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        log.close()


def test_a_port_in_use_is_named(tmp_path):
    offset = free_offset()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.bind(("127.0.0.1", 8129 + offset))
        holder.listen()
        done = subprocess.run([sys.executable, f"{ROOT}/packaging/demo/run.py", "--build", BUILD,
                               "--data", str(tmp_path / "data"), "--offset", str(offset)],
                              capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    assert f"127.0.0.1:{8129 + offset}" in done.stdout and "EADDRINUSE" in done.stdout
