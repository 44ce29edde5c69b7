"""The agent's spool on disk: what a killed or stopped agent holds is counted once by the next."""
import os
import re
import signal
import socket
import subprocess

import pytest

from conftest import Process, ask, metrics, send, this_hour, total, wait_count, wait_for

PREFIX = "hourglass_agent_"


def field(process, pattern):
    """A number that the process logged since its start, 0 when it did not."""
    found = re.search(pattern, process.log())
    return int(found.group(1)) if found else 0


def count_of(queryd, key, hours):
    """The samples of a key over the hours of a test."""
    answers = [ask(queryd, key, "count", when) for when in hours]
    return sum(a["value"] for status, a in answers if status == 200)


def hand_socket_to(agent):
    """Gives an agent a socket that outlives it, as a systemd socket unit does."""
    held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    held.bind(("127.0.0.1", 0))
    script = f'exec 3<&{held.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
    command = [f"admin={agent.admin}" if part == "admin=127.0.0.1:0" else part
               for part in agent.command]
    agent.command = ["bash", "-c", script, "bash", *command]
    agent.pass_fds = (held.fileno(),)
    agent.listen, agent.held = f"127.0.0.1:{held.getsockname()[1]}", held

    def start():
        Process.start(agent)
        agent.logged(r"(?m)^(<\d>)?ready\b")
    agent.start = start


def test_what_a_killed_agent_had_sealed_is_counted_by_the_next(stack):
    stack.start_redis()
    relay, queryd = stack.start_relay(), stack.start_queryd()
    agent = stack.start_agent([relay], confirm_ms="200ms", grace_ms="300ms")
    before = this_hour()
    send(agent, "\n".join(f"k:{n}|ms" for n in range(50)))
    wait_count(queryd, "k", 50, before)
    relay.kill()
    for burst in range(5):
        send(agent, "\n".join(f"k:{n}|ms" for n in range(100)))
        wait_for(lambda: total(agent, PREFIX + "samples_sealed_total") == 50 + 100 * (burst + 1),
                 "sealed without a relay")
    agent.kill()
    agent.start()
    assert field(agent, r"unsealed_lost samples=(\d+)") == 0
    # The next agent seals before any relay is back: it remembers how many partitions there are.
    send(agent, "\n".join(f"k:{n}|ms" for n in range(30)))
    wait_for(lambda: total(agent, PREFIX + "samples_sealed_total") == 30, "sealed without a relay")
    assert total(agent, PREFIX + "samples_restored_total") >= 500
    agent.kill()
    agent.start()
    relay.start()
    hours = {before, this_hour()}
    wait_for(lambda: count_of(queryd, "k", hours) == 580, "each is counted")
    seen = metrics(agent)
    assert seen[PREFIX + "samples_undelivered"] == 0
    assert total(agent, PREFIX + "samples_lost_total") == 0
    # Stable at last, so the files of the earlier agents go.
    wait_for(lambda: total(agent, PREFIX + "spool_batches") == 0, "the spool is empty")
    folder = os.path.join(stack.folder, "state-agent", "spool")
    wait_for(lambda: len(os.listdir(folder)) <= 1, "the files are gone")
    assert count_of(queryd, "k", hours) == 580


def test_samples_that_die_unsealed_are_reported_by_number(stack):
    stack.start_redis()
    relay = stack.start_relay()
    agent = stack.start_agent([relay])
    send(agent, "a:1|ms\na:2|ms")
    wait_for(lambda: total(agent, PREFIX + "samples_sealed_total") == 2, "sealed")
    agent.terminate()
    agent = stack.start_agent([relay], seal_ms="60s")  # over the same state folder
    assert "unsealed_lost" not in agent.log()
    send(agent, "\n".join(f"a:{n}|ms" for n in range(77)) + "\nno:line\na:1|ms|T1")
    wait_for(lambda: total(agent, PREFIX + "samples_received_total") == 78, "received")
    agent.kill()
    agent.start()
    assert field(agent, r"unsealed_lost samples=(\d+)") == 77
    assert metrics(agent)[PREFIX + 'samples_lost_total{reason="unsealed"}'] == 77
    agent.terminate()
    agent.start()  # reported once
    assert "unsealed_lost" not in agent.log()
    assert metrics(agent)[PREFIX + 'samples_lost_total{reason="unsealed"}'] == 0


def kill_at_rest(agent, run):
    """kill -9 under load, but not in the middle of a burst: what was read of the socket and not
    counted yet would be in no count. The sender is held up until all it sent is counted."""
    run.process.send_signal(signal.SIGSTOP)
    before = [-1]

    def settled():
        received = total(agent, PREFIX + "samples_received_total")
        done, before[0] = received == before[0], received
        return done
    wait_for(settled, "all that was sent is received")
    agent.kill()
    run.process.send_signal(signal.SIGCONT)


def test_sums_are_exact_over_ten_agents(stack, generator):
    """Stopped, killed and started under load: counted + reported lost = sent."""
    stack.start_redis()
    relay, queryd = stack.start_relay(), stack.start_queryd()
    agent = stack.start_agent([relay], seal_ms="1s")
    agent.terminate()
    hand_socket_to(agent)
    agent.start()
    before = this_hour()
    run = generator(agent, count=160000, rate=20000, senders=2, keys=20, payload=1000)
    lost = 0
    for turn in range(10):
        wait_for(lambda: total(agent, PREFIX + "samples_received_total") > 3000 or
                 not run.running(), "at work")
        if turn % 3 == 2:
            kill_at_rest(agent, run)
        else:
            assert agent.terminate() == 0
        agent.start()
        lost += field(agent, r"unsealed_lost samples=(\d+)")
    report = run.report()
    sent = sum(key["count"] for key in report["keys"].values())
    hours = {before, this_hour()}

    def counted():
        return sum(count_of(queryd, key, hours) for key in report["keys"])
    assert report["send_errors"] == 0
    wait_for(lambda: counted() + lost >= sent, "all arrive", 30)
    assert lost > 0
    assert counted() + lost == sent
    assert total(agent, PREFIX + "kernel_drops_total") == 0
    agent.held.close()


@pytest.fixture
def small_disk(stack):
    """A folder on a file system of its own, of 4 MiB."""
    folder = os.path.join(stack.folder, "small-disk")
    os.makedirs(folder)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder],
                             capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("no file system may be mounted here: tests/unit/agent/test_spool_faults.c has full disks")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill_disk(folder):
    """Leaves no room; returns the file to remove."""
    path = os.path.join(folder, "filler")
    with open(path, "wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            pass
    return path


def test_a_full_file_system_is_lived_with_until_it_has_room(stack, small_disk):
    """No relay takes anything, so that all that is sent has to be kept."""
    stack.start_redis()
    relay, queryd = stack.start_relay(), stack.start_queryd()
    agent = stack.start_agent([relay], state_dir=small_disk, segment_bytes="1MiB", spool_max="4MiB",
                              seal_ms="100ms")
    before = this_hour()
    keys = [f"full.{n}.{'k' * 180}" for n in range(300)]
    bursts = 0

    def burst():
        nonlocal bursts
        bursts += 1
        for at in range(0, len(keys), 6):
            send(agent, "\n".join(f"{key}:1|c" for key in keys[at:at + 6]))
        wait_for(lambda: total(agent, PREFIX + "samples_sealed_total") == len(keys) * bursts, "sealed")

    burst()
    wait_for(lambda: count_of(queryd, keys[0], {before, this_hour()}) == 1, "the pipeline works")
    relay.kill()
    filler = fill_disk(small_disk)
    while metrics(agent)[PREFIX + "spool_degraded"] == 0:
        burst()
        assert bursts < 100, "4 MiB are full by now"
    burst()
    assert metrics(agent)[PREFIX + "spool_in_memory_samples"] > 0
    agent.logged(r"spool_degraded err=ENOSPC")
    os.remove(filler)
    wait_for(lambda: metrics(agent)[PREFIX + "spool_degraded"] == 0, "the disk is used again")
    assert metrics(agent)[PREFIX + "spool_in_memory_samples"] == 0
    burst()
    relay.start()
    wait_for(lambda: metrics(agent)[PREFIX + "samples_committed_total"] == len(keys) * bursts, "all")
    for key in (keys[0], keys[150], keys[-1]):
        assert count_of(queryd, key, {before, this_hour()}) == bursts
    assert total(agent, PREFIX + "samples_lost_total") == 0
