/*
 * rng.h - the simulator's only source of chance.
 *
 * SplitMix64 (Steele, Lea, Flood 2014): one word of state, so a seed is a run. Everything that
 * looks random, also what the cores ask for, is drawn from here, in the order of events.
 */
#ifndef TESTS_SIM_RNG_H
#define TESTS_SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

/* The next 64 bits. */
static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

/* 0 .. count - 1; count > 0 and small. */
static inline uint32_t rng_below(struct rng *r, uint32_t count)
{
	return (uint32_t)((rng_next(r) >> 32) * count >> 32);
}

/* low .. high, both included. */
static inline int64_t rng_between(struct rng *r, int64_t low, int64_t high)
{
	return low + (int64_t)rng_below(r, (uint32_t)(high - low + 1));
}

/* True so often in 10,000. */
static inline bool rng_chance(struct rng *r, uint32_t in_10000)
{
	return in_10000 > 0 && rng_below(r, 10000) < in_10000;
}

#endif
