# SPDX-License-Identifier: Apache-2.0
"""What an answer may cost in bytes and in time (keys, points and cells read: test_query.py)."""
import signal
import threading

from conftest import http, send, wait_count, wait_for

KEYS = 60


def test_an_answer_over_max_answer_is_refused_whole(stack):
    _, agent, queryd = stack.start_all(relays=1)
    small = stack.start_queryd("small", max_answer="4KiB")
    send(agent, "\n".join(f"bounded.{'long' * 20}.{n}:1|c" for n in range(KEYS)))
    for one in (queryd, small):
        wait_for(lambda: len(http(one, f"/v1/keys?match=bounded.*.{KEYS - 1}")[1].get("keys", [])) == 1, "all are listed")
    status, answer = http(queryd, "/v1/keys?match=bounded.*")
    assert status == 200 and len(answer["keys"]) == KEYS
    status, answer = http(small, "/v1/keys?match=bounded.*")
    assert (status, answer["error"]) == (413, "too_large") and "max_answer" in answer["message"]
    assert http(small, "/functions")[0] == 413
    status, answer = http(small, "/v1/keys?match=bounded.*&limit=10")
    assert status == 200 and len(answer["keys"]) == 10


def test_redis_has_read_timeout_for_an_answer(stack):
    _, agent, queryd = stack.start_all(relays=1)
    hasty = stack.start_queryd("hasty", read_timeout="50ms", cache=0)
    patient = stack.start_queryd("patient", read_timeout="60s", cache=0)
    send(agent, "bounded.a:1|c")
    wait_count(queryd, "bounded.a", 1)

    def ask(one, into):
        into.append(http(one, "/bounded.a/count?from=-3h&step=total", timeout=60))

    def both():
        """Redis stands still until the one has given up; the other waits for it."""
        gave_up, waited = [], []
        stack.redis_process.signal(signal.SIGSTOP)
        waiting = threading.Thread(target=ask, args=(patient, waited))
        waiting.start()
        ask(hasty, gave_up)
        stack.redis_process.signal(signal.SIGCONT)
        waiting.join()
        status, answer = gave_up[0]
        assert (status, answer["error"]) == (503, "store_unavailable")
        return "in time" in answer["message"] and waited[0][0] == 200
    wait_for(both, "the one gives up, the other answers")
