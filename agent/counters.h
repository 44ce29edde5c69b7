/*
 * counters.h - how many samples were taken and sealed, kept by the kernel when we are killed.
 *
 * A page of `state_dir/counters` is mapped and counted in (SPOOL.md): the receiver adds what it
 * puts into the open table, once a burst; the loop adds what it seals. After kill -9 the page
 * still holds the numbers, so the next start knows how many samples died between the two. Without
 * a state folder the numbers are in memory and die too. The page also remembers P, so that an
 * agent can seal before a relay has told it again.
 */
#ifndef AGENT_COUNTERS_H
#define AGENT_COUNTERS_H

#include "proto/daemon/tally.h"
#include "proto/hash.h"

#include <stdbool.h>
#include <stdint.h>

#define COUNTERS_BYTES 4096

struct counters_page {
	uint8_t magic[8];
	tally_count partitions; /* of the fleet; 0: not known */
	tally_count taken;      /* into the open table */
	tally_count lost;       /* of them at a seal, or at the end */
	tally_count sealed;     /* of them */
	tally_count in_memory;  /* of those sealed, because the disk failed */
	struct stream_id stream;
	/* While what POSTs brought is being sealed: 1 + the samples sealed before it; else 0. */
	tally_count unfinished;
	tally_count boot_ms; /* unix: when the system was started, as the clocks said then */
};

struct counters {
	struct counters_page *page; /* never NULL after counters_open */
	/* private */
	struct counters_page own;
	bool mapped;
};

/* Maps the page of a state folder ("": there is none). Whatever fails, counting goes on in memory,
 * with a warning. A page that is no page of ours counts as zeros. */
void counters_open(struct counters *c, const char *state_dir);

/* What POSTs brought is being sealed from now on, or no longer is. */
void counters_mark_unfinished(struct counters *c, bool unfinished);

/* Whether the process before was killed while it sealed what POSTs had brought, with *sealed
 * samples sealed before that. False also when the system may have been started since: pages of
 * different times may have come back then. A clock that was set meanwhile looks the same. */
bool counters_unfinished(const struct counters *c, uint64_t *sealed);

/* Begins to count from zero, for a stream. */
void counters_begin(struct counters *c, const struct stream_id *stream);

/* Another stream is written from now on. */
void counters_set_stream(struct counters *c, const struct stream_id *stream);

/* Gives the page back. */
void counters_close(struct counters *c);

#endif
