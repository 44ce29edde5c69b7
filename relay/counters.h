/*
 * counters.h - what a relay counts about itself, for `/metrics`.
 *
 * One struct for the whole process: every partition and session adds to the same members,
 * so a fleet's partitions cost no labels. in = merged + dropped + held: batches_received is the
 * sum of batches_merged, batches_duplicate, batches_stale, batches_dropped and what waits.
 */
#ifndef RELAY_COUNTERS_H
#define RELAY_COUNTERS_H

#include "proto/daemon/tally.h"

struct relay_counters {
	tally_count batches_received;
	tally_count batches_merged;
	tally_count batches_duplicate; /* at or below the stream's last state */
	tally_count batches_stale;     /* sent before the agent saw our RESET or STATE */
	tally_count batches_dropped;   /* waiting ones thrown away by a refusal or with a session */
	tally_count batches_refused;   /* malformed, foreign, out of chain */
	tally_count batch_bytes;
	tally_count samples_merged;
	tally_count samples_committed;
	tally_count samples_too_old;
	tally_count samples_too_new;
	tally_count samples_declared; /* lost, by the agents' own word */
	tally_count commits;
	tally_count commit_bytes;
	tally_count commit_cells;
	tally_count commit_streams;
	tally_count commit_retries;
	tally_count commit_usec; /* from sending to OK, summed */
	tally_count refused_conflict;
	tally_count refused_lost;
	tally_count refused_floor;
	tally_count refused_config;
	tally_count refused_rollback; /* a read showed a stream behind our mark */
	tally_count refused_merge;    /* no memory, or a sum out of range */
	tally_count streams_reset;
	tally_count store_errors; /* error replies nobody expected */
	tally_count store_not_applied;
	tally_count store_up;
	tally_count store_fit;
	tally_count store_connects;
	tally_count streams;    /* streams followed now */
	tally_count held_bytes; /* batches merged or waiting, not yet committed */
	tally_count image_bytes;
	tally_count image_cells;
	tally_count image_evictions;
	tally_count windows; /* of last elements, in all images */
	tally_count windows_over_limit;
	tally_count compact_hours;    /* hours whose partials became one */
	tally_count compact_partials; /* that went into them */
	tally_count compact_days;     /* days rolled up */
	tally_count compact_fields;   /* cells written for both */
	tally_count compact_refused;  /* something changed meanwhile */
	tally_count compact_broken;   /* a cell cannot be read: a person must look */
	tally_count compact_doubts;   /* no answer, or not applied */
	tally_count swept_streams;    /* idle for 30 days */
	tally_count swept_names;      /* without hours */
	tally_count swept_agents;     /* not seen for 30 days */
	tally_count sessions;
	tally_count sessions_accepted;
	tally_count sessions_over_limit;
	tally_count refusals_version;
	tally_count refusals_config;
	tally_count refusals_auth;
	tally_count refusals_malformed;
	tally_count refusals_protocol;
	tally_count refusals_other;
	tally_count timeouts_hello;
	tally_count timeouts_idle;
	tally_count busy; /* 1 while agents are told to wait */
	tally_count store_full, store_memory_percent;
	tally_count commit_interval_ms;
	tally_count store_share; /* per cent of the time in which a commit of ours is in flight */
	tally_count relays_live;
	tally_count clock_skew_ms; /* ours against Redis', absolute */
};

/* Names of all members, for tally_render. */
extern const struct tally_row relay_counter_rows[];
extern const size_t relay_counter_row_count;

/* Takes n off a gauge. */
static inline void relay_gauge_drop(tally_count *gauge, uint64_t n)
{
	atomic_fetch_sub_explicit(gauge, n, memory_order_relaxed);
}

#endif
