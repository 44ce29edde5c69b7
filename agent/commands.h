/*
 * commands.h - statsd's management commands: a word a line, over TCP.
 *
 *     help  health  stats  counters  timers  gauges  sets  quit
 *
 * For monitoring checks that were written for statsd; `health` and `stats` answer in its form.
 * What the last four show is what came in the interval that is sealed next: it is read from the
 * table that a seal has taken away, so asking never stalls a receiver, and the answer comes with
 * that seal. A word that statsd has and that would change something (`delcounters`) is an ERROR,
 * as any other. Bounded: connections, the line, series and values shown, idle time; who does not
 * read the answer is closed. The loop's thread.
 */
#ifndef AGENT_COMMANDS_H
#define AGENT_COMMANDS_H

#include "agent/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define COMMANDS_GUESTS  16
#define COMMANDS_SERIES  1000 /* of one answer */
#define COMMANDS_VALUES  100  /* of one timer */
#define COMMANDS_IDLE_MS 60000

struct commands;

struct commands_state {
	bool healthy;
	int64_t uptime_s;
	int64_t last_line_s; /* ago */
	uint64_t bad_lines;
	uint64_t samples;
};

typedef struct commands_state (*commands_state_fn)(void *arg);

/* *out: commands_close. 0, -ENOMEM. */
int commands_new(uv_loop_t *loop, commands_state_fn state, void *arg, struct commands **out)
	__attribute__((warn_unused_result));

/* Serves a connection, which becomes ours; over the limit it is closed. */
void commands_serve(struct commands *c, int fd);

/* Whether somebody waits for the next seal. NULL is allowed. */
bool commands_is_waiting(const struct commands *c);

/* Tables that a seal has taken away, before it uses their content up: answers who waits. NULL is
 * allowed. */
void commands_interval(struct commands *c, struct table *const *tables, size_t count);

/* Closes all connections; frees it when the loop comes round. NULL is allowed. */
void commands_close(struct commands *c);

#endif
