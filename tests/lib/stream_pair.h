/*
 * stream_pair.h - a listener and a connection to it on one loop.
 *
 * Both ends record their events, and do on them what the test has set: echo, pause, close.
 * What the two see is then compared; nothing sleeps.
 */
#ifndef TESTS_LIB_STREAM_PAIR_H
#define TESTS_LIB_STREAM_PAIR_H

#include "proto/net/stream.h"
#include "tests/lib/test_loop.h"

/* One end: what its events brought, and what to do on them. */
struct stream_end {
	struct stream *s;
	unsigned connected;
	unsigned closed;
	unsigned drained;
	unsigned data_calls;
	unsigned data_after_closed;
	int reason;
	size_t received;
	uint64_t sum; /* of received bytes times their position: order counts */
	bool close_on_data;
	bool close_on_connected;
	bool close_on_drained;
	bool pause_on_data;
	bool echo;
	const char *greeting; /* written when connected */
	bool flush;           /* how to close */
};

struct stream_pair {
	struct test_loop t;
	struct stream_listener *listener;
	struct stream_end client;
	struct stream_end server;
	unsigned accepted;
	bool refuse;
	struct stream_options options;
};

/* Events of a stream whose arg is a struct stream_end. */
extern const struct stream_events stream_end_events;

/* The address, or a failed test. */
struct addr stream_address(const char *text);

/* The listener's accept function; arg is the pair. */
bool stream_pair_accept(void *arg, struct stream *s, struct stream_events *events,
			void **stream_arg);

/* Starts the loop and the listener; where to connect to. */
struct addr stream_pair_listen(struct stream_pair *f, const char *text);

/* Starts to connect the client. */
void stream_pair_dial(struct stream_pair *f, const struct addr *to);

/* Both of the above on loopback, and waits until both ends are there. */
void stream_pair_open(struct stream_pair *f);

/* Runs the loop until the end has received size bytes. */
void stream_pair_until(struct stream_pair *f, const struct stream_end *e, size_t size);

/* Closes what is open and proves that each end was closed once, without data after it. */
void stream_pair_finish(struct stream_pair *f);

#endif
