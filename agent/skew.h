/*
 * skew.h - clocks that differ, and clocks that jump.
 *
 * Relays tell Redis' time in WELCOME and PONG; ours against it is the skew, which is worth a
 * warning beyond 5 s. The hour of a sample is fixed by our wall clock when it is received. That
 * clock may jump, and the watermark must not lie by it:
 *
 *     published = max(what was published before, min(what is committed, the fleet's time))
 *
 * It never goes back, so an hour that was complete stays so. And it never runs ahead of the fleet's
 * clock: if ours jumps two hours ahead and back again, those two hours have not been promised.
 * After a jump back the watermark stands still until our clock has caught up; what comes
 * meanwhile is late data of hours already passed. Pure: clocks are arguments.
 */
#ifndef AGENT_SKEW_H
#define AGENT_SKEW_H

#include <stdbool.h>
#include <stdint.h>

#define SKEW_WARN_MS     5000
#define SKEW_WARN_GAP_MS 60000 /* between two warnings */

struct skew {
	/* private, but for skew_ms */
	int64_t skew_ms;   /* the fleet's clock minus ours, as last heard */
	int64_t offset_ms; /* the fleet's clock minus our monotonic one */
	int64_t published_ms;
	int64_t warn_ms;   /* monotonic: when the next warning may come */
	bool known;
};

/* Nothing was heard yet. */
void skew_init(struct skew *s);

/* A relay said that it is clock_ms, in answer to a question that took round_trip_ms; it is now_ms
 * by our monotonic clock and wall_ms by the other. Returns whether to warn. */
bool skew_note(struct skew *s, int64_t clock_ms, int64_t round_trip_ms, int64_t now_ms,
	       int64_t wall_ms);

/* At a seal: the unix time before which all that was received is sealed, by our wall clock.
 * before_ms is what was said at the last seal; held: something received in the second that is
 * running was held back for the next. It follows a clock that goes back. */
int64_t skew_sealed_until(int64_t before_ms, int64_t wall_ms, bool held);

/* What to publish when everything received before committed_ms (unix) is committed; 0 when there is
 * nothing to say yet. */
int64_t skew_watermark(struct skew *s, int64_t committed_ms, int64_t now_ms);

#endif
