/*
 * bench.h - what the programs that time a core in one thread have in common.
 *
 * Random numbers by SplitMix64 (Steele, Lea, Flood 2014) from a fixed seed, so that each run works on
 * the same input, and the monotonic clock.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdint.h>
#include <time.h>

/* The next of the same 64-bit numbers in every run. */
static inline uint64_t bench_random(void)
{
	static uint64_t state = 1;
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Nanoseconds of the monotonic clock. */
static inline double bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

#endif
