/*
 * inputs.h - all ways in together: datagrams (receive.h), streams (clients.h), HTTP (posts.h), and
 * their intakes.
 *
 * There is an intake for each receiver, one for all streams and one for all bodies, so that no
 * thread waits for another; one ceiling of memory holds for all. The loop's thread, but for what
 * the threads of the inputs do themselves.
 */
#ifndef AGENT_INPUTS_H
#define AGENT_INPUTS_H

#include "agent/clients.h"
#include "agent/config.h"
#include "agent/posts.h"
#include "agent/reading.h"
#include "agent/receive.h"

#include <stddef.h>
#include <stdint.h>

#define INPUTS_INTAKES (RECEIVE_THREADS + 2)

struct inputs {
	struct intake *intakes; /* intake_count of them */
	size_t intake_count;
	struct receiver *receiver;
	struct posts posts; /* whoever opened the inputs readies it (posts_init) */
	/* private */
	struct clients *clients;
};

/* Makes the intakes and binds, or takes over, the sockets; reading and ledger are borrowed.
 * Whatever comes of it: inputs_close, inputs_release. 0, a negative errno (logged). */
int inputs_open(struct inputs *in, const struct config *config, const struct reading *reading,
		struct ledger *ledger) __attribute__((warn_unused_result));

/* What is put into the open tables is also counted here (borrowed). Before inputs_start. */
void inputs_set_taken(struct inputs *in, tally_count *taken);

/* Lines are taken from now on. 0, a negative errno. */
int inputs_start(struct inputs *in) __attribute__((warn_unused_result));

/* Takes what is there already, and no more. May be called twice. */
void inputs_stop(struct inputs *in);

/* The intake of posts. */
struct intake *inputs_posts_intake(struct inputs *in);

/* Limits and lines are so from now on; what was borrowed for the lines before may go. */
void inputs_change(struct inputs *in, const struct config *config, const struct reading *reading);

/* Samples of earlier seconds are refused from now on. */
void inputs_set_floor(struct inputs *in, int64_t floor_second);

/* Whether Redis is short of memory, so that no new series begin. */
void inputs_set_full(struct inputs *in, bool full);

/* Appends where it really listens. */
void inputs_addresses(const struct inputs *in, char out[LISTEN_TEXT_SIZE]);

/* Stops, and closes the sockets. Allowed on zeroes. */
void inputs_close(struct inputs *in);

/* Frees the intakes. Allowed on zeroes. */
void inputs_release(struct inputs *in);

#endif
