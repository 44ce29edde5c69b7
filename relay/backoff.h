/*
 * backoff.h - how long to wait after a failure: twice as long as after the one before.
 *
 * Without chance in it: a partition has one commit, one read and one owner of a stream to wait for,
 * no crowd that must be spread. Whoever succeeds sets its pause back to 0. Pure.
 */
#ifndef RELAY_BACKOFF_H
#define RELAY_BACKOFF_H

#include <stdint.h>

/* The pause after one of last_ms: twice that, from least_ms (also after 0) to most_ms. */
static inline uint32_t backoff_next_ms(uint32_t last_ms, uint32_t least_ms, uint32_t most_ms)
{
	uint32_t next_ms = last_ms > 0 ? 2 * last_ms : least_ms;

	return next_ms < most_ms ? next_ms : most_ms;
}

#endif
