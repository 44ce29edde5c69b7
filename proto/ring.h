/*
 * ring.h - which relays a partition prefers.
 *
 * Rendezvous hashing (Thaler & Ravishankar 1998): each relay scores each partition by
 * XXH3, the order of scores is the order of preference. First places are bounded: a
 * relay is first for floor or ceil(partitions / relays), so a small fleet is even too. They
 * are given out by falling score, each to a relay that still has room; after the first place
 * a row goes by score. The same names give the same ring everywhere, in whatever order they
 * are listed.
 *
 * When a relay leaves (or comes back), its own 1/n moves, and because the bound moves too,
 * a few others between relays that stay; tests/unit/proto/test_ring.c measures, mean and worst
 * of n = 2..16: 32 partitions 6 and 12 %, 64 partitions 5 and 9 %, 256 partitions 3 and 4 %.
 *
 * Which relay is first is an optimisation: correctness never depends on it, so agents
 * may disagree (CONTRACT.md). Cost: O(m log m) to build, m = partitions x relays, 20 bytes each
 * meanwhile and 4 after; O(1) to ask. Immutable once built, so threads may share it.
 */
#ifndef PROTO_RING_H
#define PROTO_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring;

/* Builds a ring over count relay identities (their advertised `host:port`, distinct, not kept)
 * and partitions. count may be 0. *out is the caller's. 0, -ENOMEM, -EINVAL (a name twice, no
 * partitions). */
int ring_new(const char *const *names, size_t count, uint32_t partitions, struct ring **out)
	__attribute__((warn_unused_result));

/* Frees it. NULL is allowed. */
void ring_free(struct ring *r);

size_t ring_size(const struct ring *r); /* relays in it */

/* The relay at a place (0 = first) of a partition's order, as an index into the names
 * given to ring_new. place < ring_size, partition < partitions. */
size_t ring_at(const struct ring *r, uint32_t partition, size_t place);

#endif
