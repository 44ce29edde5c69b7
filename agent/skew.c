// SPDX-License-Identifier: Apache-2.0
#include "agent/skew.h"

void skew_init(struct skew *s)
{
	*s = (struct skew){ .warn_ms = INT64_MIN };
}

/* Relays are believed within +-2^52 ms, 140,000 years: sums do not overflow. */
static bool skew_sane(int64_t clock_ms)
{
	return clock_ms > 0 && clock_ms < INT64_C(1) << 52;
}

bool skew_note(struct skew *s, int64_t clock_ms, int64_t round_trip_ms, int64_t now_ms,
	       int64_t wall_ms)
{
	int64_t there_ms = clock_ms + round_trip_ms / 2;

	if (!skew_sane(clock_ms) || round_trip_ms < 0)
		return false;
	s->known = true;
	s->offset_ms = there_ms - now_ms;
	s->skew_ms = there_ms - wall_ms;
	if ((s->skew_ms <= SKEW_WARN_MS && s->skew_ms >= -SKEW_WARN_MS) || now_ms < s->warn_ms)
		return false;
	s->warn_ms = now_ms + SKEW_WARN_GAP_MS;
	return true;
}

int64_t skew_sealed_until(int64_t before_ms, int64_t wall_ms, bool held)
{
	int64_t second_ms = wall_ms - wall_ms % 1000;

	if (!held)
		return wall_ms;
	return before_ms > second_ms && before_ms <= wall_ms ? before_ms : second_ms;
}

int64_t skew_watermark(struct skew *s, int64_t committed_ms, int64_t now_ms)
{
	if (s->known && committed_ms > now_ms + s->offset_ms)
		committed_ms = now_ms + s->offset_ms;
	if (committed_ms > s->published_ms)
		s->published_ms = committed_ms;
	return s->published_ms;
}
