# SPDX-License-Identifier: Apache-2.0
"""Sends the samples of test_clients.py by python3-statsd: python3 send.py HOST PORT PREFIX"""
import sys

import statsd

host, port, prefix = sys.argv[1:]
client = statsd.StatsClient(host, int(port))
for i in range(1, 51):
    client.incr(prefix + "hits")
    client.timing(prefix + "took", i)
with client.pipeline() as pipe:  # several lines a datagram
    pipe.incr(prefix + "hits", 7)
    pipe.decr(prefix + "hits", 2)
    pipe.gauge(prefix + "level", 42.5)
    for who in ("ann", "bob", "ann"):
        pipe.set(prefix + "users", who)
