/*
 * carry.h - how many samples a sampled value stands for.
 *
 * At rate r a value stands for 1/r samples, but weights are whole. The fraction that is cut
 * off is carried over to the next value of the same series and rate, so that over many
 * values the weights add up to what was meant. That is decided here, before the seal,
 * because a batch must mean the same when it is sent again.
 *
 * One slot of 16 bytes for each series and rate in a table of fixed size (8,192 slots, four
 * tried for a key; allocated on first use). A series that is pushed out starts again at a random
 * fraction, which keeps the expected weight right. Pure; one thread at a time.
 */
#ifndef AGENT_CARRY_H
#define AGENT_CARRY_H

#include <stdint.h>

#define CARRY_SLOTS 8192

/* 1/rate is at most this: a smaller rate is refused, because a few such values would fill
 * the 2^53 samples that a sketch can count. */
#define CARRY_WEIGHT_MAX (1u << 20)

struct carry_slot;

struct carry {
	/* private */
	struct carry_slot *slots;
	uint64_t random;
};

/* An empty carry; allocates nothing yet. */
void carry_init(struct carry *c);

/* Frees the table. */
void carry_release(struct carry *c);

/* The weight of the next value at `rate` (0 < rate < 1, 1/rate <= CARRY_WEIGHT_MAX) of the series
 * that `key` is a hash of. At least 1. Without memory the nearest whole number. */
uint32_t carry_weight(struct carry *c, uint64_t key, double rate);

#endif
