/*
 * ring.h - which relays a partition prefers.
 *
 * Rendezvous hashing (Thaler & Ravishankar 1998): each relay scores each partition by
 * XXH3, the order of scores is the order of preference. First places are bounded: no
 * relay is first for more than ceil(partitions / relays), so a small fleet is even too.
 * The same names give the same ring everywhere, in whatever order they are listed. When
 * a relay leaves, partitions it did not own move only if the bound let them back to their own
 * favourite; tests/unit/test_ring.c measures how few.
 *
 * Which relay is first is an optimisation: correctness never depends on it, so agents
 * may disagree (CONTRACT.md). Cost: O(partitions x relays log relays) to build, O(1) to ask.
 */
#ifndef PROTO_RING_H
#define PROTO_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring;

/* Builds a ring over count relay identities (their advertised `host:port`, distinct, copied) and
 * partitions. count may be 0. *out is the caller's. 0, -ENOMEM, -EINVAL (a name twice, no partitions). */
int ring_new(const char *const *names, size_t count, uint32_t partitions, struct ring **out)
	__attribute__((warn_unused_result));

/* Frees it. NULL is allowed. */
void ring_free(struct ring *r);

size_t ring_size(const struct ring *r); /* relays in it */

/* The relay at a place (0 = first) of a partition's order, as an index into the names
 * given to ring_new. place < ring_size, partition < partitions. */
size_t ring_at(const struct ring *r, uint32_t partition, size_t place);

#endif
