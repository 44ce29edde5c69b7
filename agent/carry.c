// SPDX-License-Identifier: Apache-2.0
#include "agent/carry.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CARRY_TRIES 4

struct carry_slot {
	uint64_t key; /* 0: free */
	double rest;  /* 0 <= rest < 1 */
};

void carry_init(struct carry *c)
{
	*c = (struct carry){ .random = 1 };
}

void carry_release(struct carry *c)
{
	free(c->slots);
	carry_init(c);
}

/* SplitMix64 (Steele, Lea, Flood 2014): also the mixer for keys. */
static uint64_t carry_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static struct carry_slot *carry_find(struct carry *c, uint64_t key)
{
	struct carry_slot *slot;

	for (size_t i = 0; i < CARRY_TRIES; i++) {
		slot = &c->slots[(key + i) % CARRY_SLOTS];
		if (slot->key == key)
			return slot;
		if (slot->key == 0) {
			/* Half a sample to begin with: one value alone is rounded. */
			*slot = (struct carry_slot){ .key = key, .rest = 0.5 };
			return slot;
		}
	}
	c->random = carry_mix(c->random);
	slot = &c->slots[(key + c->random % CARRY_TRIES) % CARRY_SLOTS];
	*slot = (struct carry_slot){ .key = key, .rest = (double)(c->random >> 11) * 0x1p-53 };
	return slot;
}

uint32_t carry_weight(struct carry *c, uint64_t key, double rate)
{
	struct carry_slot *slot;
	double whole;
	uint64_t mixed;

	assert(rate > 0 && rate < 1 && 1 / rate <= CARRY_WEIGHT_MAX);
	if (c->slots == NULL)
		c->slots = calloc(CARRY_SLOTS, sizeof(*c->slots));
	if (c->slots == NULL)
		return (uint32_t)(1 / rate + 0.5);
	memcpy(&mixed, &rate, sizeof(mixed));
	mixed = carry_mix(mixed ^ key);
	slot = carry_find(c, mixed ? mixed : 1);
	slot->rest = modf(slot->rest + 1 / rate, &whole);
	return (uint32_t)whole;
}
