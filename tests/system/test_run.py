"""`make run`: the first thing that anybody does."""
import os
import random
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
    """An offset at which all of the stack's ports are free: below those that the kernel hands out, and
    hardly one that a test beside this one finds, too."""
    for offset in random.sample(range(2000, 24000, 23), 100):
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
        # The three lines to try are typed, with a key that the demo does not send.
        send, ask, keys = (line.strip().replace("checkout.latency", "typed.by.hand") for line in
                           re.findall(r"(?m)^  (?:echo|curl) .*$", printed()))

        def typed(command):
            return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60,
                                  stdin=subprocess.DEVNULL).stdout
        wait_for(lambda: typed(send) == "" and '"value":12.5' in typed(ask), f"{send}; {ask}")
        wait_for(lambda: '"typed.by.hand"' in typed(keys), keys)
        date, hour = this_hour()
        url = re.search(r'curl "(http://[^/]+)/', printed()).group(1)
        wait_for(lambda: b"checkout.latency" in
                 urllib.request.urlopen(f"{url}/v1/keys?limit=1000").read(), "the demo's keys")
        with urllib.request.urlopen(f"{url}/shop.page.views;page=home/sum/{date}/{hour}") as answer:
            assert answer.status == 200
        # A second one would ruin the first one's files.
        second = subprocess.run([sys.executable, f"{ROOT}/packaging/demo/run.py", "--build", BUILD,
                                 "--data", str(tmp_path / "data"), "--offset", str(offset)],
                                capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert second.returncode == 1 and "in use by a pipeline that runs" in second.stderr
        assert second.stdout == ""
        with urllib.request.urlopen(f"{url}/v1/keys") as answer:
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
    assert done.returncode == 1 and done.stdout == ""
    assert f"127.0.0.1:{8129 + offset} cannot be used" in done.stderr and "OFFSET=" in done.stderr


def children(folder):
    """Processes that were started with a folder on their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                if folder.encode() in line.read():
                    found.append(pid)
        except OSError:
            pass
    return found


def test_interrupted_at_any_stage_nothing_stays_behind(tmp_path):
    """Ctrl-C when each of the stages has just begun."""
    for stage in ("redis |", "relay-1 | listening", "relay-2 | listening", "queryd | listening",
                  "agent | listening"):
        folder = str(tmp_path / f"stage-{stage.split()[0]}")
        process = subprocess.Popen([sys.executable, "-u", f"{ROOT}/packaging/demo/run.py", "--build", BUILD,
                                    "--data", folder, "--offset", str(free_offset())],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   stdin=subprocess.DEVNULL)
        printed = []
        try:
            for line in process.stdout:
                printed.append(line)
                if stage in line:
                    break
            process.send_signal(signal.SIGINT)
            printed.append(process.communicate(timeout=60)[0])
            text = "".join(printed)
            assert process.returncode in (0, 1) and "Traceback" not in text, text
            wait_for(lambda: not children(folder), f"all have ended that began before {stage}\n{text}")
        finally:
            if process.poll() is None:
                process.kill()
            for pid in children(folder):
                os.kill(int(pid), signal.SIGKILL)
