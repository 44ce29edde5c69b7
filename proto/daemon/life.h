/*
 * life.h - a daemon's life beside its work: signals, readiness, watchdog.
 *
 * SIGTERM and SIGINT ask for a drain, once; a second one ends the process at once with status 1,
 * unless it comes within 200 ms: then it is the same wish, as timeout(1) tells the process and then
 * its group, and a terminal's Ctrl-C may arrive through a parent as well. SIGHUP asks for a reload.
 * SIGPIPE is ignored. systemd is told READY=1, STATUS=, STOPPING=1 and, from a timer of the loop
 * itself, WATCHDOG=1, so a loop that hangs is noticed (sd_notify(3), sd_watchdog_enabled(3)).
 * Without systemd all of that is silent. Also the clocks, so that no other file reads them.
 */
#ifndef PROTO_DAEMON_LIFE_H
#define PROTO_DAEMON_LIFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct life_events {
	void (*drain)(void *arg);  /* stop in order; called once */
	void (*reload)(void *arg); /* may be NULL */
};

struct life {
	/* private */
	uv_signal_t signals[3];
	uv_timer_t watchdog;
	struct life_events events;
	void *arg;
	bool draining;
	int64_t drain_ms; /* when it began */
	bool closing;
};

/* Installs the handlers on the loop. 0 or a libuv error. */
int life_init(struct life *l, uv_loop_t *loop, const struct life_events *events, void *arg)
	__attribute__((warn_unused_result));

void life_ready(struct life *l);                       /* READY=1 */
void life_status(struct life *l, const char *text);    /* STATUS=, for systemctl status */
void life_stopping(struct life *l);                    /* STOPPING=1 */

/* Closes the handles; the loop can then end. May be called twice. */
void life_close(struct life *l);

int64_t life_wall_ms(void);      /* unix milliseconds, may jump */
int64_t life_monotonic_ms(void); /* never jumps */
int64_t life_monotonic_us(void); /* the same clock in microseconds */

/* Fills bytes with randomness from the kernel; aborts if there is none. */
void life_random(void *bytes, size_t size);

#endif
