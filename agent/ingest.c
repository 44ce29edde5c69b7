// SPDX-License-Identifier: Apache-2.0
/*
 * ingest.c - plain lines are taken apart ahead of the table, all others one by one.
 *
 * Most lines are plain (line.h): up to TABLE_AHEAD of them are parsed and hashed before the first
 * is added, so that the memory of their series is on its way meanwhile. A line that is not plain
 * makes those before it go first: order within a datagram holds. Counts are kept in plain members
 * during a burst and added to the atomics once, before the mutex goes.
 */
#include "agent/ingest.h"

#include "proto/daemon/life.h"
#include "proto/err.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <string.h>

void ingest_init(struct ingest *r, struct intake *intake, const struct line_options *lines,
		 int64_t max_age_s)
{
	*r = (struct ingest){ .intake = intake, .max_age_s = max_age_s };
	line_parser_init(&r->parser, lines);
}

void ingest_set_taken(struct ingest *r, tally_count *taken)
{
	r->count_taken = taken;
}

void ingest_set_lines(struct ingest *r, const struct line_options *lines)
{
	intake_lock(r->intake);
	line_parser_init(&r->parser, lines);
	intake_unlock(r->intake);
}

void ingest_set_floor(struct ingest *r, int64_t floor_second)
{
	atomic_store_explicit(&r->floor_second, floor_second, memory_order_relaxed);
}

/* ---- one line ---- */

static void ingest_refuse(struct ingest *r, int reason)
{
	r->refused = reason;
	r->refusals++;
	if (r->shown_reason != 0)
		return;
	r->shown_reason = reason;
	r->shown_size = r->line.size < sizeof(r->shown) ? r->line.size : sizeof(r->shown);
	memcpy(r->shown, r->line.ptr, r->shown_size);
}

static int ingest_second(const struct ingest *r, const struct line_sample *sample, int64_t *second)
{
	*second = r->now_s;
	if (sample->timestamp == LINE_NO_TIMESTAMP)
		return 0;
	*second = sample->timestamp;
	if (*second > r->now_s + LIMIT_AHEAD_SECONDS)
		return ERR_TOO_NEW;
	if (*second < r->now_s - r->max_age_s || *second < 0 ||
	    *second < atomic_load_explicit(&r->floor_second, memory_order_relaxed))
		return ERR_TOO_OLD;
	return 0;
}

/* Whether a name is the pipeline's own. Asked of the series, for a name may stand in pieces
 * around its tags, or be rewritten; there, nothing of this needs an escape. */
static bool ingest_is_reserved(struct slice series)
{
	static const char prefix[] = "hourglass.";
	size_t size = sizeof(prefix) - 1;

	return series.ptr[0] == 'h' && series.size >= size &&
	       memcmp(series.ptr, prefix, size) == 0;
}

static void ingest_sample(void *arg, const struct line_sample *sample)
{
	struct ingest *r = arg;
	int64_t second;
	int status;

	if (ingest_is_reserved(sample->series)) {
		r->reserved = true;
		return;
	}
	status = ingest_second(r, sample, &second);
	r->samples++;
	if (status == 0)
		status = intake_add(r->intake, sample, second);
	if (status == 0) {
		r->taken++;
		return;
	}
	ledger_reject_sample(&r->intake->counts, status);
	ingest_refuse(r, status);
}

void ingest_line(struct ingest *r, struct slice line)
{
	int count;

	r->line = line;
	r->refused = 0;
	r->reserved = false;
	count = line_parse(&r->parser, line, ingest_sample, r);
	if (count == 0)
		return;
	r->lines++;
	if (r->reserved)
		count = ERR_RESERVED_NAME;
	if (count < 0)
		ledger_reject_line(&r->intake->counts, count);
	if (count == ERR_EVENT || count == ERR_SERVICE_CHECK)
		return;
	if (count < 0)
		ingest_refuse(r, count);
	if (r->refused == 0)
		intake_count_line(r->intake);
	else
		intake_count_reject(r->intake, line);
}

void ingest_refuse_line(struct ingest *r, struct slice line, int reason)
{
	r->line = line;
	r->lines++;
	ledger_reject_line(&r->intake->counts, reason);
	ingest_refuse(r, reason);
	intake_count_reject(r->intake, line);
}

/* A plain line's sample was refused. */
static void ingest_refuse_plain(struct ingest *r, const struct line_plain *line, int reason)
{
	r->line = line->line;
	ledger_reject_sample(&r->intake->counts, reason);
	ingest_refuse(r, reason);
	intake_count_reject(r->intake, line->line);
}

/* Adds the lines that were looked ahead to. */
static void ingest_add_ahead(struct ingest *r)
{
	struct table *table = intake_open(r->intake);
	size_t count = r->ahead_count;

	r->ahead_count = 0;
	if (r->warms && count > 1)
		table_warm(table, r->hashes, count);
	for (size_t i = 0; i < count; i++) {
		int status = table_add_plain(table, &r->ahead[i], r->hashes[i], r->now_s);

		if (status == 0) {
			table_count_line(table);
			r->taken++;
		} else {
			ingest_refuse_plain(r, &r->ahead[i], status);
		}
	}
	r->lines += count;
	r->samples += count;
}

/* Takes plain lines (line.h) off a text, as many as may be looked ahead to. */
static void ingest_look_ahead(struct ingest *r, struct slice *text)
{
	const struct table *table = intake_open(r->intake);
	size_t count = r->ahead_count;
	struct slice rest = *text;
	bool warms = r->warms;

	while (count < TABLE_AHEAD && line_take_plain(&r->parser, &rest, &r->ahead[count]) &&
	       !ingest_is_reserved(r->ahead[count].series)) {
		r->hashes[count] = table_hash(r->ahead[count].kind, r->ahead[count].series);
		if (warms)
			table_warm_slot(table, r->hashes[count]);
		count++;
		*text = rest;
	}
	r->ahead_count = count;
}

void ingest_text(struct ingest *r, struct slice text)
{
	struct slice line;
	bool full;

	while (text.size > 0) {
		ingest_look_ahead(r, &text);
		full = r->ahead_count == TABLE_AHEAD;
		if (!full && text.size == 0)
			return;
		/* What came before another line goes before it. */
		ingest_add_ahead(r);
		if (!full && line_split(&text, &line))
			ingest_line(r, line);
	}
}

/* ---- a burst ---- */

void ingest_begin(struct ingest *r, bool cold)
{
	const struct table *table;

	r->lines = r->samples = r->taken = r->refusals = 0;
	intake_lock(r->intake);
	table = intake_open(r->intake);
	r->warms = table_is_large(table) || (cold && table->series_capacity > 0);
	r->now_s = life_wall_ms() / 1000;
}

/* One refused line a second is shown: the operator's first hint at a sender's mistake. */
static void ingest_show(struct ingest *r)
{
	char quoted[LOG_QUOTE_SIZE];
	uint64_t suppressed;

	if (r->shown_reason == 0)
		return;
	if (log_allowed(&r->limit, life_monotonic_ms(), &suppressed))
		log_warn("line_rejected", "reason=%s line=%s suppressed=%" PRIu64,
			 err_name(r->shown_reason),
			 log_quote(slice_of(r->shown, r->shown_size), quoted), suppressed);
	r->shown_reason = 0;
}

void ingest_end(struct ingest *r)
{
	struct ledger *counts = &r->intake->counts;

	ingest_add_ahead(r);
	/* Counted before the mutex goes: whoever has it sees as much received as came of it. */
	tally_add(&counts->samples, r->samples);
	if (r->count_taken != NULL)
		tally_add(r->count_taken, r->taken);
	tally_add(&counts->lines, r->lines);
	if (r->lines > 0)
		tally_set(&r->intake->last_line_s, (uint64_t)r->now_s);
	intake_unlock(r->intake);
	ingest_show(r);
}
