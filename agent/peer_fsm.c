// SPDX-License-Identifier: Apache-2.0
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
}

void peer_fsm_set_quiet(struct peer_fsm *f, bool quiet)
{
	f->quiet = quiet;
}

/* Between two pings. */
static int64_t peer_fsm_ping_ms(const struct peer_fsm *f)
{
	return f->quiet && f->timeout_ms / 2 > PEER_PING_MS ? f->timeout_ms / 2 : PEER_PING_MS;
}

/* Whether half of the time to the next ping has passed. */
static bool peer_fsm_may_ping(const struct peer_fsm *f, int64_t now_ms)
{
	return now_ms >= f->pinged_ms + peer_fsm_ping_ms(f) / 2;
}

static bool peer_fsm_serves(const struct peer_fsm *f)
{
	return f->state == PEER_READY || f->state == PEER_DRAINING;
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

static unsigned peer_fsm_tick(struct peer_fsm *f, int64_t now_ms, uint32_t random)
{
	if (f->state == PEER_BACKOFF && now_ms >= f->retry_ms) {
		peer_fsm_enter(f, PEER_CONNECTING, now_ms);
		return PEER_DO_CONNECT;
	}
	if (f->state != PEER_HELLO_SENT && !peer_fsm_serves(f))
		return 0; /* a stream has its own timeout for connecting */
	if (now_ms >= f->heard_ms + f->timeout_ms)
		return peer_fsm_back_off(f, now_ms, random);
	if (!peer_fsm_serves(f) || !peer_fsm_may_ping(f, now_ms))
		return 0;
	f->pinged_ms = now_ms;
	return PEER_DO_PING;
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
		f->heard_ms = now_ms;
		return 0;
	case PEER_EVENT_REFUSED:
		return idle ? 0 : peer_fsm_refused(f, now_ms, random);
	case PEER_EVENT_CLOSED:
		return idle ? 0 : peer_fsm_back_off(f, now_ms, random) & ~(unsigned)PEER_DO_CLOSE;
	case PEER_EVENT_STOP:
		return peer_fsm_stop(f, now_ms);
	case PEER_EVENT_TICK:
		return peer_fsm_tick(f, now_ms, random);
	}
	return 0;
}

bool peer_fsm_may_tick(const struct peer_fsm *f, int64_t now_ms)
{
	return now_ms >= peer_fsm_next_ms(f) ||
	       (peer_fsm_serves(f) && peer_fsm_may_ping(f, now_ms));
}

int64_t peer_fsm_next_ms(const struct peer_fsm *f)
{
	int64_t dead_ms = f->heard_ms + f->timeout_ms, ping_ms = f->pinged_ms + peer_fsm_ping_ms(f);

	switch (f->state) {
	case PEER_CLOSED:
	case PEER_CONNECTING:
		return INT64_MAX;
	case PEER_HELLO_SENT:
		return dead_ms;
	case PEER_READY:
	case PEER_DRAINING:
		return ping_ms < dead_ms ? ping_ms : dead_ms;
	case PEER_BACKOFF:
		return f->retry_ms;
	}
	return INT64_MAX;
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
