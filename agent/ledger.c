// SPDX-License-Identifier: Apache-2.0
#include "agent/ledger.h"

#include "agent/outbox.h"
#include "proto/err.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#define PREFIX "hourglass_agent_"
#define COUNTER(name_, member_, help_)                                                         \
	{ .name = PREFIX name_ "_total", .type = TALLY_COUNTER, .help = (help_),               \
	  .offset = offsetof(struct ledger, member_) },
#define LABELLED(name_, labels_, member_, help_)                                               \
	{ .name = PREFIX name_ "_total", .labels = (labels_), .type = TALLY_COUNTER,           \
	  .help = (help_), .offset = offsetof(struct ledger, member_) },
#define GAUGE(name_, member_, help_)                                                           \
	{ .name = PREFIX name_, .type = TALLY_GAUGE, .help = (help_),                          \
	  .offset = offsetof(struct ledger, member_) },
#define LABELLED_GAUGE(name_, labels_, member_, help_)                                         \
	{ .name = PREFIX name_, .labels = (labels_), .type = TALLY_GAUGE, .help = (help_),     \
	  .offset = offsetof(struct ledger, member_) },
#define LINE_REASON(code, member_)                                                             \
	LABELLED("lines_rejected", "reason=\"" #member_ "\"", lines_rejected.member_,          \
		 "Lines that were refused, by reason.")
#define SAMPLE_REASON(code, member_)                                                           \
	LABELLED("samples_rejected", "reason=\"" #member_ "\"", samples_rejected.member_,      \
		 "Samples of good lines that were refused, by reason.")

static const struct tally_row ledger_rows[] = {
	COUNTER("datagrams_received", datagrams, "Datagrams read from the sockets.")
	COUNTER("datagrams_truncated", datagrams_truncated,
		"Datagrams longer than 65,536 bytes; their whole lines count.")
	COUNTER("datagram_bytes", datagram_bytes, "Bytes read from the sockets.")
	COUNTER("receive_errors", receive_errors, "Failed reads of a socket.")
	COUNTER("kernel_drops", kernel_drops,
		"Datagrams that the kernel dropped because the socket's buffer was full.")
	COUNTER("stream_bytes_received", stream_bytes, "Bytes read from connections.")
	GAUGE("connections", connections, "Clients connected to a stream socket.")
	COUNTER("connections_accepted", connections_accepted, "Clients that have connected.")
	COUNTER("connections_refused", connections_refused,
		"Clients closed at once, because stream_connections were there.")
	COUNTER("connections_idle", connections_idle,
		"Clients closed because they ended no line for stream_idle_ms.")
	COUNTER("lines_received", lines, "Lines read, blank ones left out.")
	LEDGER_LINE_REASONS(LINE_REASON)
	LABELLED("lines_unsupported", "reason=\"event\"", lines_event,
		 "Lines recognised and not supported.")
	LABELLED("lines_unsupported", "reason=\"service_check\"", lines_service_check, "")
	COUNTER("samples_received", samples, "Samples of good lines.")
	LEDGER_SAMPLE_REASONS(SAMPLE_REASON)
	LABELLED("samples_overflowed", "limit=\"max_keys\"", overflowed_keys,
		 "Sealed samples that a limit on series sent to hourglass.overflow.")
	LABELLED("samples_overflowed", "limit=\"max_keys_per_prefix\"", overflowed_prefix, "")
	LABELLED("samples_overflowed", "limit=\"max_new_keys_per_second\"", overflowed_new_keys, "")
	LABELLED("samples_overflowed", "limit=\"store_full\"", overflowed_store, "")
	COUNTER("samples_sealed", samples_sealed, "Samples accepted: in a batch, in the spool.")
	COUNTER("own_samples_sealed", own_sealed,
		"Samples of the agent's own counters, beside all other counts of samples here.")
	COUNTER("own_samples_lost", own_lost, "Those for which there was no memory.")
	COUNTER("samples_committed", samples_committed, "Sealed samples that a relay committed.")
	COUNTER("samples_stable", samples_stable,
		"Committed samples that Redis still had after the grace window.")
	LABELLED("samples_lost", "reason=\"declared\"", lost_declared,
		 "Samples reported lost after they had been received.")
	LABELLED("samples_lost", "reason=\"memory\"", lost_memory, "")
	LABELLED("samples_lost", "reason=\"expired\"", lost_expired, "")
	LABELLED("samples_lost", "reason=\"unsealed\"", lost_unsealed, "")
	LABELLED("samples_lost", "reason=\"spool\"", lost_spool, "")
	COUNTER("samples_restored", samples_restored,
		"Samples that an earlier agent sealed, found in the spool at the start.")
	GAUGE("samples_open", samples_open, "Samples received and not yet sealed.")
	GAUGE("samples_undelivered", samples_undelivered, "Samples sealed and not yet committed.")
	COUNTER("seals", seals, "Times the open table was sealed.")
	COUNTER("seals_postponed", seals_postponed, "Seals put off because the spool was full.")
	COUNTER("batches_sealed", batches_sealed, "Batches sealed.")
	COUNTER("batches_sent", batches_sent, "Batches sent, repetitions included.")
	COUNTER("opens", opens, "Streams opened at a relay.")
	COUNTER("confirms", confirms, "CONFIRM questions asked.")
	COUNTER("rewinds", rewinds, "Times Redis had less of a stream than we had seen.")
	COUNTER("failovers", failovers, "Times a stream's relay went away.")
	COUNTER("streams_closed", streams_closed, "Streams in a partition told to be done.")
	COUNTER("foreign_chains", foreign, "Times somebody else had written our stream.")
	GAUGE("spool_bytes", spool_bytes, "Bytes of batches that are kept.")
	GAUGE("spool_bytes_max", spool_bytes_max, "Bytes that may be kept.")
	GAUGE("spool_batches", spool_batches, "Batches that are kept.")
	GAUGE("spool_degraded", spool_degraded,
	      "1 while batches are only in memory because the disk does not take them.")
	GAUGE("spool_in_memory_samples", spool_in_memory, "Samples of these batches.")
	COUNTER("spool_faults", spool_faults, "Writes and syncs of the spool that failed.")
	COUNTER("spool_damaged", spool_damaged, "Batches that could not be read back.")
	GAUGE("table_bytes", table_bytes, "Bytes of keys and values in the open table.")
	GAUGE("table_series", table_series, "Series in the open table.")
	GAUGE("relays_known", relays_known, "Relays configured or in the live list.")
	GAUGE("relays_ready", relays_ready, "Relays that take batches.")
	LABELLED_GAUGE("relays_refused", "reason=\"bad_auth\"", relays_unproven,
		       "Relays with which the fleet_secret could not be proven.")
	COUNTER("relays_foreign", relays_foreign,
		"Times a relay was refused for another fleet's configuration.")
	COUNTER("relay_connects", relay_connects,
		"Connections to relays that were made, of all relays together.")
	GAUGE("store_full", store_full,
	      "Whether Redis is short of memory: new series count under hourglass.overflow.")
	GAUGE("watermark_timestamp_seconds", watermark_seconds,
	      "Unix time up to which all that was received is committed.")
	GAUGE("clock_skew_milliseconds", clock_skew_ms,
	      "The clock of the relay heard last against ours, absolute.")
	GAUGE("partitions", partitions, "Partitions of the fleet; 0 until a relay has said.")
	COUNTER("admin_slow", admin_slow,
		"Clients of the admin port closed because they sent or read too slowly.")
	COUNTER("posts_crowded", posts_crowded,
		"POSTs over 64 KiB answered 503 because others left their bodies no room.")
};

void ledger_reject_line(struct ledger *l, int reason)
{
	switch (reason) {
#define LEDGER_LINE_CASE(name, member)                                                         \
	case ERR_##name:                                                                       \
		tally_add(&l->lines_rejected.member, 1);                                       \
		return;
		LEDGER_LINE_REASONS(LEDGER_LINE_CASE)
#undef LEDGER_LINE_CASE
	case ERR_EVENT:
		tally_add(&l->lines_event, 1);
		return;
	case ERR_SERVICE_CHECK:
		tally_add(&l->lines_service_check, 1);
		return;
	default:
		assert(false && "a reason that the line parser does not have");
	}
}

void ledger_reject_sample(struct ledger *l, int reason)
{
	switch (reason) {
#define LEDGER_SAMPLE_CASE(name, member)                                                       \
	case ERR_##name:                                                                       \
		tally_add(&l->samples_rejected.member, 1);                                     \
		return;
		LEDGER_SAMPLE_REASONS(LEDGER_SAMPLE_CASE)
#undef LEDGER_SAMPLE_CASE
	default:
		assert(false && "a reason that the table does not have");
	}
}

void ledger_note_outbox(struct ledger *l, const struct outbox_counts *counts)
{
	tally_set(&l->samples_sealed, counts->sealed);
	tally_set(&l->samples_committed, counts->committed);
	tally_set(&l->samples_stable, counts->stable);
	tally_set(&l->lost_declared, counts->lost);
	tally_set(&l->lost_expired, counts->expired);
	tally_set(&l->samples_restored, counts->restored);
	tally_set(&l->streams_closed, counts->closed);
	tally_set(&l->batches_sealed, counts->batches_sealed);
	tally_set(&l->batches_sent, counts->batches_sent);
	tally_set(&l->opens, counts->opens);
	tally_set(&l->confirms, counts->confirms);
	tally_set(&l->rewinds, counts->rewinds);
	tally_set(&l->failovers, counts->failovers);
	tally_set(&l->foreign, counts->foreign);
}

void ledger_add(struct ledger *to, const struct ledger *from)
{
	tally_count *out = (tally_count *)to;
	const tally_count *in = (const tally_count *)from;

	static_assert(sizeof(struct ledger) % sizeof(tally_count) == 0, "counts and nothing else");
	for (size_t i = 0; i < sizeof(struct ledger) / sizeof(tally_count); i++)
		tally_add(&out[i], tally_get(&in[i]));
}

void ledger_copy(struct ledger *to, const struct ledger *from)
{
	*to = (struct ledger){ 0 };
	ledger_add(to, from);
}

void ledger_render(const struct ledger *l, struct buf *out)
{
	tally_render(ledger_rows, sizeof(ledger_rows) / sizeof(ledger_rows[0]), l, out);
}
