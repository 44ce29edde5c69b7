/*
 * agent_private.h - what agent.c and agent_admin.c share. No other file includes it.
 *
 * The agent is one thing in two files: agent.c is the loop, which seals, drains and reloads;
 * agent_admin.c is what the admin port shows and takes. Both run in the loop's thread.
 */
#ifndef AGENT_AGENT_PRIVATE_H
#define AGENT_AGENT_PRIVATE_H

#include "agent/accounts.h"
#include "agent/admin.h"
#include "agent/commands.h"
#include "agent/config.h"
#include "agent/delivery.h"
#include "agent/gauges.h"
#include "agent/identity.h"
#include "agent/inputs.h"
#include "agent/ledger.h"
#include "agent/posted.h"
#include "agent/reading.h"
#include "agent/seal.h"
#include "proto/daemon/http.h"
#include "proto/daemon/life.h"
#include "proto/daemon/log.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum agent_phase {
	AGENT_RUNNING,
	AGENT_DRAINING, /* the receiver has ended; what is held is being delivered */
	AGENT_ENDED,    /* handles are being closed */
};

struct agent {
	struct config *config;
	int argc;
	char **argv;
	uv_loop_t loop;
	uv_timer_t timer;
	struct life life;
	struct ledger ledger;
	struct identity identity;
	struct inputs inputs;
	struct posted *posted;
	struct commands *commands; /* NULL: there is no admin port */
	int64_t start_ms;          /* unix */
	struct seal seal;
	struct gauges gauges;
	struct delivery *delivery;
	struct http_server *admin;
	struct admin_source admin_source;
	struct reading *reading;
	struct accounts accounts;
	enum agent_phase phase;
	int64_t seal_ms;
	int64_t next_seal_ms;
	int64_t sealed_ms; /* monotonic: the last seal */
	int64_t next_watermark_ms;
	int64_t drain_until_ms;
	int64_t since_ms; /* unix: all received before it is sealed */
	struct log_limit postponed;
};

/* Turns what was received into batches. last: nothing will be received any more. */
void agent_seal(struct agent *a, bool last);

/* Does all that is due. Called when time has passed and when something came. */
void agent_work(struct agent *a);

/* Whether what is in the spool outlives us as far as was asked for. */
bool agent_is_durable(const struct agent *a);

/* Serves the admin port, where there is one. 0, a negative errno (logged). */
int agent_open_admin(struct agent *a) __attribute__((warn_unused_result));

/* Readies what POSTs need, once the delivery is there. 0, -ENOMEM. */
int agent_open_posts(struct agent *a) __attribute__((warn_unused_result));

#endif
