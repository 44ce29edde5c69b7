/*
 * rest.h - how rarely an agent may seal while nobody takes its batches.
 *
 * In a long outage small batches fill the spool's memory of batches long before its bytes: so the
 * fuller it is, the rarer what came little is sealed.
 */
#ifndef AGENT_REST_H
#define AGENT_REST_H

#include <stddef.h>
#include <stdint.h>

#define REST_MAX_MS       60000
#define REST_LITTLE_BYTES ((size_t)1024 * 1024) /* in the open table */

/* How long after a seal the next may be left out: 0; or, of a spool that is so many quarters full
 * (spool_quarters), 4 times seal_ms a quarter. */
static inline int64_t rest_after_seal_ms(unsigned quarters, int64_t seal_ms, size_t open_bytes)
{
	int64_t rest_ms = seal_ms << 2 * quarters;

	if (quarters == 0 || open_bytes >= REST_LITTLE_BYTES)
		return 0;
	return rest_ms < REST_MAX_MS ? rest_ms : REST_MAX_MS;
}

#endif
