// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/life.h"

#include "proto/daemon/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

static const int life_signals[] = { SIGTERM, SIGINT, SIGHUP };

#define LIFE_SAME_WISH_MS 200
#define LIFE_SIGNALS (sizeof(life_signals) / sizeof(life_signals[0]))

static int64_t life_clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t life_wall_ms(void)
{
	return life_clock_us(CLOCK_REALTIME) / 1000;
}

int64_t life_monotonic_ms(void)
{
	return life_clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t life_monotonic_us(void)
{
	return life_clock_us(CLOCK_MONOTONIC);
}

void life_random(void *bytes, size_t size)
{
	uint8_t *at = bytes;

	while (size > 0) {
		ssize_t got = getrandom(at, size, 0);

		if (got < 0 && errno == EINTR)
			continue;
		/* Identities rest on it: without randomness two agents could be one. */
		if (got <= 0)
			abort();
		at += got;
		size -= (size_t)got;
	}
}

static void life_on_end(uv_signal_t *handle, int number)
{
	struct life *l = handle->data;

	if (l->draining && life_monotonic_ms() - l->drain_ms < LIFE_SAME_WISH_MS)
		return;
	if (l->draining) {
		log_warn("killed", "signal=%d reason=second_signal", number);
		_exit(1);
	}
	l->draining = true;
	l->drain_ms = life_monotonic_ms();
	log_info("draining", "signal=%d", number);
	l->events.drain(l->arg);
}

/* RELOADING=1 with the time is what Type=notify-reload waits for; READY=1 ends it. */
static void life_on_reload(uv_signal_t *handle, int number)
{
	struct life *l = handle->data;

	(void)number;
	if (l->events.reload == NULL || l->draining)
		return;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, life_clock_us(CLOCK_MONOTONIC));
	l->events.reload(l->arg);
	sd_notify(0, "READY=1");
}

static void life_on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	sd_notify(0, "WATCHDOG=1");
}

/* Twice as often as systemd asks for, as sd_watchdog_enabled(3) advises. */
static void life_start_watchdog(struct life *l)
{
	uint64_t limit_us = 0;
	uint64_t period_ms;

	if (sd_watchdog_enabled(0, &limit_us) <= 0)
		return;
	period_ms = limit_us / 2000;
	if (period_ms == 0)
		period_ms = 1;
	uv_timer_start(&l->watchdog, life_on_watchdog, period_ms, period_ms);
}

int life_init(struct life *l, uv_loop_t *loop, const struct life_events *events, void *arg)
{
	int status = 0;

	assert(events->drain != NULL);
	*l = (struct life){ .events = *events, .arg = arg };
	signal(SIGPIPE, SIG_IGN);
	uv_timer_init(loop, &l->watchdog);
	for (size_t i = 0; i < LIFE_SIGNALS; i++) {
		/* uv_signal_init fails only for the loop's first signal, when it makes a pipe;
		 * all three are then untouched and the timer alone is to be closed. */
		status = uv_signal_init(loop, &l->signals[i]);
		if (status < 0) {
			assert(i == 0);
			l->closing = true;
			uv_close((uv_handle_t *)&l->watchdog, NULL);
			return status;
		}
		l->signals[i].data = l;
	}
	for (size_t i = 0; i < LIFE_SIGNALS && status == 0; i++)
		status = uv_signal_start(&l->signals[i],
					 life_signals[i] == SIGHUP ? life_on_reload : life_on_end,
					 life_signals[i]);
	if (status < 0) {
		life_close(l);
		return status;
	}
	life_start_watchdog(l);
	return 0;
}

void life_ready(struct life *l)
{
	(void)l;
	sd_notify(0, "READY=1");
}

void life_status(struct life *l, const char *text)
{
	(void)l;
	sd_notifyf(0, "STATUS=%s", text);
}

void life_stopping(struct life *l)
{
	(void)l;
	sd_notify(0, "STOPPING=1");
}

void life_close(struct life *l)
{
	if (l->closing)
		return;
	l->closing = true;
	for (size_t i = 0; i < LIFE_SIGNALS; i++)
		uv_close((uv_handle_t *)&l->signals[i], NULL);
	uv_close((uv_handle_t *)&l->watchdog, NULL);
}
