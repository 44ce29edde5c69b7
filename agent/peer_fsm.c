// SPDX-License-Identifier: Apache-2.0
/*
 * peer_fsm.c - one switch over events; times of what is owed.
 *
 * A relay is late when it owes an answer (`owes_ms`, of a ping or of work under way) and nothing
 * was heard for the timeout. Late is judged twice with PEER_DOUBT_MS between: after a pause of our
 * own, bytes that came meanwhile are still unread, and the loop reads them between the two. Waiting
 * times are drawn from a window that widens with each failure; a WELCOME narrows it again.
 */
#include "agent/peer_fsm.h"

#include <stddef.h>

void peer_fsm_init(struct peer_fsm *f, int64_t timeout_ms)
{
	*f = (struct peer_fsm){ .state = PEER_CLOSED, .timeout_ms = timeout_ms,
				.window_ms = PEER_BACKOFF_MS };
}

/* The only place that assigns the state. */
static void peer_fsm_enter(struct peer_fsm *f, enum peer_state state, int64_t now_ms)
{
	f->state = state;
	f->heard_ms = now_ms;
	f->pinged_ms = now_ms;
	f->asked = false;
	f->doubted = false;
}

void peer_fsm_set_quiet(struct peer_fsm *f, bool quiet, int64_t now_ms)
{
	if (f->quiet && !quiet && !f->asked)
		f->owes_ms = now_ms;
	f->quiet = quiet;
}

/* Between two pings. */
static int64_t peer_fsm_ping_ms(const struct peer_fsm *f)
{
	if (!f->quiet)
		return PEER_PING_MS;
	return f->timeout_ms / 2 > PEER_QUIET_PING_MS ? f->timeout_ms / 2 : PEER_QUIET_PING_MS;
}

/* Whether the next ping may be sent: half of the time to it has passed, and not much is left. */
static bool peer_fsm_may_ping(const struct peer_fsm *f, int64_t now_ms)
{
	int64_t ping_ms = peer_fsm_ping_ms(f);
	int64_t early_ms = ping_ms / 2 < PEER_EARLY_MS ? ping_ms / 2 : PEER_EARLY_MS;

	return now_ms >= f->pinged_ms + ping_ms - early_ms;
}

static bool peer_fsm_serves(const struct peer_fsm *f)
{
	return f->state == PEER_READY || f->state == PEER_DRAINING;
}

/* When it will have owed an answer for too long. */
static int64_t peer_fsm_dead_ms(const struct peer_fsm *f)
{
	if (f->state == PEER_HELLO_SENT)
		return f->heard_ms + (f->timeout_ms > PEER_HELLO_MS ? f->timeout_ms : PEER_HELLO_MS);
	if (!peer_fsm_serves(f) || (f->quiet && !f->asked))
		return INT64_MAX;
	return (f->heard_ms > f->owes_ms ? f->heard_ms : f->owes_ms) + f->timeout_ms;
}

bool peer_fsm_is_late(const struct peer_fsm *f, int64_t now_ms)
{
	return now_ms >= peer_fsm_dead_ms(f);
}

/* Any time of the window, which is wider the next time. */
static int64_t peer_fsm_wait_ms(struct peer_fsm *f, uint32_t random)
{
	int64_t most = f->window_ms;
	int64_t least = most > PEER_BACKOFF_MS ? most / 3 : PEER_BACKOFF_MIN_MS;

	f->window_ms = most + PEER_BACKOFF_STEP_MS;
	if (f->window_ms > PEER_BACKOFF_MAX_MS)
		f->window_ms = PEER_BACKOFF_MAX_MS;
	return least + (int64_t)random % (most - least + 1);
}

static unsigned peer_fsm_back_off(struct peer_fsm *f, int64_t now_ms, uint32_t random)
{
	unsigned actions = peer_fsm_serves(f) ? PEER_DO_DOWN | PEER_DO_CLOSE : PEER_DO_CLOSE;

	f->retry_ms = now_ms + peer_fsm_wait_ms(f, random);
	peer_fsm_enter(f, PEER_BACKOFF, now_ms);
	return actions;
}

static unsigned peer_fsm_refused(struct peer_fsm *f, int64_t now_ms, uint32_t random)
{
	f->window_ms = PEER_BACKOFF_MAX_MS;
	return peer_fsm_back_off(f, now_ms, random);
}

static unsigned peer_fsm_stop(struct peer_fsm *f, int64_t now_ms)
{
	unsigned actions = peer_fsm_serves(f) ? PEER_DO_DOWN | PEER_DO_CLOSE : PEER_DO_CLOSE;

	if (f->state == PEER_CLOSED || f->state == PEER_BACKOFF)
		actions = 0;
	peer_fsm_enter(f, PEER_CLOSED, now_ms);
	f->window_ms = PEER_BACKOFF_MS;
	return actions;
}

static unsigned peer_fsm_ping(struct peer_fsm *f, int64_t now_ms)
{
	f->pinged_ms = now_ms;
	if (f->quiet && !f->asked)
		f->owes_ms = now_ms;
	f->asked = true;
	return PEER_DO_PING;
}

static unsigned peer_fsm_tick(struct peer_fsm *f, int64_t now_ms)
{
	if (f->state == PEER_BACKOFF && now_ms >= f->retry_ms) {
		peer_fsm_enter(f, PEER_CONNECTING, now_ms);
		return PEER_DO_CONNECT; /* a stream has its own timeout for that */
	}
	return peer_fsm_serves(f) && peer_fsm_may_ping(f, now_ms) ? peer_fsm_ping(f, now_ms) : 0;
}

static unsigned peer_fsm_judge(struct peer_fsm *f, int64_t now_ms, uint32_t random)
{
	if (!peer_fsm_is_late(f, now_ms)) {
		f->doubted = false;
		return 0;
	}
	if (f->doubted && now_ms >= f->doubt_ms + PEER_DOUBT_MS)
		return peer_fsm_back_off(f, now_ms, random);
	if (!f->doubted)
		f->doubt_ms = now_ms;
	f->doubted = true;
	return 0;
}

/* A byte has come: nothing is owed. */
static void peer_fsm_heard(struct peer_fsm *f, int64_t now_ms)
{
	f->heard_ms = now_ms;
	f->asked = false;
	f->doubted = false;
}

unsigned peer_fsm_step(struct peer_fsm *f, enum peer_event event, int64_t now_ms, uint32_t random)
{
	bool idle = f->state == PEER_CLOSED || f->state == PEER_BACKOFF;

	switch (event) {
	case PEER_EVENT_START:
		if (f->state != PEER_CLOSED)
			return 0;
		peer_fsm_enter(f, PEER_CONNECTING, now_ms);
		return PEER_DO_CONNECT;
	case PEER_EVENT_CONNECTED:
		if (f->state != PEER_CONNECTING)
			return 0;
		peer_fsm_enter(f, PEER_HELLO_SENT, now_ms);
		return PEER_DO_HELLO;
	case PEER_EVENT_WELCOME:
		if (f->state != PEER_HELLO_SENT)
			return 0;
		peer_fsm_enter(f, PEER_READY, now_ms);
		f->window_ms = PEER_BACKOFF_MS;
		return PEER_DO_UP;
	case PEER_EVENT_GOAWAY:
		if (f->state != PEER_READY)
			return 0;
		peer_fsm_enter(f, PEER_DRAINING, now_ms);
		return PEER_DO_LEAVING;
	case PEER_EVENT_BYTES:
		peer_fsm_heard(f, now_ms);
		return 0;
	case PEER_EVENT_REFUSED:
		return idle ? 0 : peer_fsm_refused(f, now_ms, random);
	case PEER_EVENT_CLOSED:
		return idle ? 0 : peer_fsm_back_off(f, now_ms, random) & ~(unsigned)PEER_DO_CLOSE;
	case PEER_EVENT_STOP:
		return peer_fsm_stop(f, now_ms);
	case PEER_EVENT_TICK:
		return peer_fsm_tick(f, now_ms);
	case PEER_EVENT_JUDGE:
		return peer_fsm_judge(f, now_ms, random);
	}
	return 0;
}

bool peer_fsm_may_tick(const struct peer_fsm *f, int64_t now_ms)
{
	if (f->state == PEER_BACKOFF)
		return now_ms >= f->retry_ms;
	return peer_fsm_serves(f) && peer_fsm_may_ping(f, now_ms);
}

int64_t peer_fsm_next_ms(const struct peer_fsm *f)
{
	int64_t judge_ms = f->doubted ? f->doubt_ms + PEER_DOUBT_MS : peer_fsm_dead_ms(f);
	int64_t ping_ms = f->pinged_ms + peer_fsm_ping_ms(f);

	if (f->state == PEER_BACKOFF)
		return f->retry_ms;
	return peer_fsm_serves(f) && ping_ms < judge_ms ? ping_ms : judge_ms;
}

const char *peer_state_name(enum peer_state state)
{
	static const char *const names[] = {
#define PEER_STATE_NAME(name, text, waits_for) text,
		PEER_STATE_LIST(PEER_STATE_NAME)
#undef PEER_STATE_NAME
	};

	return (size_t)state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}
