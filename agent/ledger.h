/*
 * ledger.h - what the agent counts of its own work, for `/metrics` and for report.h.
 *
 *     received samples = rejected + sealed + open + lost at the seal
 *     sealed samples + restored = committed + undelivered + declared lost + expired
 *
 * Every datum that comes in is in exactly one of these; samples of the agent's own counters are
 * in none. Samples over a limit on series are sealed, under another name, and counted beside. The
 * loop counts in one of these and each receiving thread in one of its own (intake.h); members
 * are atomic, and whoever holds an intake's mutex sees what it has counted and what it holds
 * agree. The books add them up (accounts.h). Names are part of the API.
 */
#ifndef AGENT_LEDGER_H
#define AGENT_LEDGER_H

#include "proto/buf.h"
#include "proto/daemon/tally.h"

struct outbox_counts;

/* X(err.h name, member): why a line was refused. */
#define LEDGER_LINE_REASONS(X)                                                                 \
	X(BAD_NAME, bad_name)                                                                  \
	X(NAME_TOO_LONG, name_too_long)                                                        \
	X(BAD_VALUE, bad_value)                                                                \
	X(EMPTY_VALUE, empty_value)                                                            \
	X(NO_VALUE, no_value)                                                                  \
	X(NO_TYPE, no_type)                                                                    \
	X(BAD_TYPE, bad_type)                                                                  \
	X(BAD_RATE, bad_rate)                                                                  \
	X(BAD_TAG, bad_tag)                                                                    \
	X(BAD_TIMESTAMP, bad_timestamp)                                                        \
	X(BAD_FIELD, bad_field)                                                                \
	X(BAD_BYTES, bad_bytes)                                                                \
	X(NEGATIVE_TIME, negative_time)                                                        \
	X(TOO_MANY_TAGS, too_many_tags)                                                        \
	X(SERIES_TOO_LONG, series_too_long)                                                    \
	X(MEMBER_TOO_LONG, member_too_long)                                                    \
	X(RESERVED_NAME, reserved_name)                                                        \
	X(TOO_LARGE, too_large)                                                                \
	X(TRUNCATED, truncated)

/* Why a sample of an accepted line was refused. */
#define LEDGER_SAMPLE_REASONS(X)                                                               \
	X(BAD_VALUE, bad_value)                                                                \
	X(BAD_RATE, bad_rate)                                                                  \
	X(TOO_OLD, too_old)                                                                    \
	X(TOO_NEW, too_new)                                                                    \
	X(OVER_LIMIT, over_limit)

struct ledger {
	/* the receiver's */
	tally_count datagrams, datagrams_truncated, datagram_bytes;
	tally_count lines, lines_event, lines_service_check;
	tally_count samples, receive_errors;
	tally_count stream_bytes, connections, connections_accepted, connections_refused;
	tally_count connections_idle;
	struct {
#define LEDGER_MEMBER(name, member) tally_count member;
		LEDGER_LINE_REASONS(LEDGER_MEMBER)
	} lines_rejected;
	struct {
		LEDGER_SAMPLE_REASONS(LEDGER_MEMBER)
#undef LEDGER_MEMBER
	} samples_rejected;
	/* the loop's */
	tally_count kernel_drops;
	tally_count samples_sealed, samples_committed, samples_stable;
	tally_count lost_declared, lost_memory;
	tally_count lost_unsealed, lost_spool, lost_expired; /* of earlier agents too */
	tally_count samples_restored;
	tally_count samples_open, samples_undelivered;
	tally_count seals, seals_postponed, batches_sealed, batches_sent;
	tally_count opens, confirms, rewinds, failovers, foreign;
	tally_count own_sealed, own_lost; /* samples of the agent's own counters */
	tally_count overflowed_keys, overflowed_prefix, overflowed_store, overflowed_new_keys;
	tally_count clock_skew_ms; /* a relay's against ours, absolute */
	tally_count spool_bytes, spool_batches, spool_bytes_max;
	tally_count spool_degraded, spool_faults, spool_damaged, spool_in_memory;
	tally_count streams_closed;
	tally_count table_bytes, table_series;
	tally_count relays_known, relays_ready, store_full, relays_unproven, relays_foreign;
	tally_count relay_connects; /* of all relays: HELLOs begun */
	tally_count watermark_seconds, partitions;
	tally_count admin_slow, posts_crowded;
};

/* Counts a refused line by its reason (err.h); an event or a service check as unsupported. */
void ledger_reject_line(struct ledger *l, int reason);

/* Counts a refused sample by its reason. */
void ledger_reject_sample(struct ledger *l, int reason);

/* Takes over what the outbox has counted (outbox.h). */
void ledger_note_outbox(struct ledger *l, const struct outbox_counts *counts);

/* Copies all counts. */
void ledger_copy(struct ledger *to, const struct ledger *from);

/* Adds all counts of `from`, which another thread may be counting in. */
void ledger_add(struct ledger *to, const struct ledger *from);

/* All of it as Prometheus text. */
void ledger_render(const struct ledger *l, struct buf *out);

#endif
