// SPDX-License-Identifier: Apache-2.0
/*
 * ledger.c - series of agents about themselves, added up by agent.
 *
 * Each series is a group of the survey for itself: which column it is for and whose it is was
 * read off its name, and its total is put there afterwards. Entries are sorted by agent, so the
 * line in hand is the last one. Hosts send reasons, so a line has at most LEDGER_REASONS of
 * them and `other`.
 */
#include "queryd/ledger.h"

#include "proto/series.h"
#include "queryd/grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An agent has some twenty series here, so as many agents fit as an answer has series. */
#define SERIES_AN_AGENT 20

static const struct {
	const char *name;
	enum ledger_column column;
} columns[] = {
	{ "hourglass.samples.received", LEDGER_RECEIVED },
	{ "hourglass.samples.sealed", LEDGER_COUNTED },
	{ "hourglass.samples.rejected", LEDGER_REJECTED },
	{ "hourglass.lines.rejected", LEDGER_REJECTED },
	{ "hourglass.lines.unsupported", LEDGER_UNSUPPORTED },
	{ "hourglass.kernel_drops", LEDGER_KERNEL_DROPS },
	{ "hourglass.datagrams.truncated", LEDGER_TRUNCATED },
	{ "hourglass.samples.lost", LEDGER_LOST },
};

/* ---- series --------------------------------------------------------------------------------- */

static struct slice tag_of(const struct series *series, const char *key)
{
	size_t i;

	for (i = 0; i < series->tag_count; i++) {
		if (slice_equal(series->tags[i].key, slice_text(key)))
			return series->tags[i].value;
	}
	return slice_of(NULL, 0);
}

/* Which column a name is of; LEDGER_COLUMNS for none. */
static enum ledger_column column_of(struct slice name)
{
	size_t i;

	for (i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
		if (slice_equal(name, slice_text(columns[i].name)))
			return columns[i].column;
	}
	return LEDGER_COLUMNS;
}

static struct slice keep(uint8_t **at, struct slice text)
{
	struct slice kept = slice_of(*at, text.size);

	if (text.size > 0)
		memcpy(*at, text.ptr, text.size);
	*at += text.size;
	return kept;
}

/* 1 when the name takes part and was added, 0 when not, -ENOMEM. */
static int add_entry(struct ledger *l, struct slice name)
{
	struct series series;
	struct ledger_entry entry, *entries;
	uint8_t *at;

	if (series_parse(name, &series) < 0)
		return 0;
	entry.column = column_of(series.name);
	if (entry.column == LEDGER_COLUMNS || tag_of(&series, "agent").size == 0)
		return 0;
	entries = grow(l->entries, l->entry_count, &l->entry_capacity, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	l->entries = entries;
	at = entry.bytes = malloc(name.size);
	if (!at)
		return -ENOMEM;
	entry.agent = keep(&at, tag_of(&series, "agent"));
	entry.host = keep(&at, tag_of(&series, "host"));
	entry.reason = keep(&at, tag_of(&series, "reason"));
	entries[l->entry_count++] = entry;
	return 1;
}

/* Adds a series to the survey as a group of its own. */
static int survey_entry(struct survey *survey, struct slice name)
{
	struct stat_asked sum;
	int status = survey_add_group(survey, KIND_COUNTER);

	(void)stat_parse(slice_text("sum"), &sum);
	if (status == 0)
		status = survey_add_stat(survey, &sum);
	return status ? status : survey_add_key(survey, survey_groups(survey) - 1, name);
}

static int add_names(struct ledger *l, const struct scope_keys *keys, uint64_t max,
		     struct survey *survey, struct route_refusal *why)
{
	const unsigned counter = 1u << stat_kind_index(KIND_COUNTER);
	struct scope_walk walk = scope_begin(keys, slice_text(LEDGER_PREFIX));
	struct slice name;
	unsigned kinds;
	int status = 0;

	while (status >= 0 && scope_next(&walk, &name, &kinds)) {
		if (!(kinds & counter))
			continue;
		if (l->entry_count >= max)
			return route_refuse(why, 413, "too_large",
					    "there are more agents than one answer takes "
					    "(max_series)");
		status = add_entry(l, name);
		if (status > 0)
			status = survey_entry(survey, name);
	}
	return status < 0 ? status : 0;
}

int ledger_build(const struct route_request *request, const struct scope_keys *keys,
		 const struct query_limits *limits, int64_t now_second, struct ledger *out,
		 struct survey **survey, struct route_refusal *why)
{
	const struct survey_settings settings = {
		.from_hour = request->from_hour,
		.to_hour = request->to_hour,
		.now_second = now_second,
		.totals = true,
		.max_points = UINT64_MAX,
		.max_bytes = limits->max_bytes,
		.kept_from = limits->kept_from,
	};
	int status;

	*out = (struct ledger){ 0 };
	*survey = NULL;
	if (names_full(keys->names))
		return route_refuse(why, 413, "too_large", "this daemon could not keep all keys "
				    "(max_names), so the ledger might miss some");
	status = survey_new(&settings, survey);
	if (status == 0)
		status = add_names(out, keys, limits->max_series * SERIES_AN_AGENT, *survey, why);
	if (status < 0) {
		ledger_release(out);
		survey_free(*survey);
		*survey = NULL;
	}
	return status;
}

/* ---- sums ----------------------------------------------------------------------------------- */

static int compare_reasons(const struct ledger_reason *a, const struct ledger_reason *b)
{
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return slice_compare(a->reason, b->reason);
}

/* Adds to a reason of a line; reasons are few and stay sorted. */
static int add_reason(struct ledger_line *line, const struct ledger_reason *added)
{
	/* Whoever sends lines may make up reasons. */
	const struct ledger_reason other = { added->column, slice_text("other"), added->value };
	struct ledger_reason *reasons;
	size_t at = 0;

	while (at < line->reason_count && compare_reasons(&line->reasons[at], added) < 0)
		at++;
	if (at < line->reason_count && compare_reasons(&line->reasons[at], added) == 0) {
		line->reasons[at].value += added->value;
		return 0;
	}
	if (line->reason_count >= LEDGER_REASONS && !slice_equal(added->reason, other.reason))
		return add_reason(line, &other);
	reasons = grow(line->reasons, line->reason_count, &line->reason_capacity,
		       sizeof(*reasons));
	if (!reasons)
		return -ENOMEM;
	line->reasons = reasons;
	memmove(reasons + at + 1, reasons + at, (line->reason_count - at) * sizeof(*reasons));
	reasons[at] = *added;
	line->reason_count++;
	return 0;
}

static int add_value(struct ledger_line *line, const struct ledger_entry *entry, double value)
{
	const struct ledger_reason reason = { entry->column, entry->reason, value };

	line->sums[entry->column] += value;
	if (entry->column != LEDGER_REJECTED && entry->column != LEDGER_UNSUPPORTED)
		return 0;
	return add_reason(line, &reason);
}

struct amount {
	const struct ledger_entry *entry;
	double value;
};

static int compare_amounts(const void *a, const void *b)
{
	const struct amount *x = a, *y = b;
	int order = slice_compare(x->entry->agent, y->entry->agent);

	return order ? order : slice_compare(x->entry->host, y->entry->host);
}

/* The line of an agent: the last one, as amounts come sorted. */
static struct ledger_line *line_of(struct ledger *l, const struct ledger_entry *entry)
{
	struct ledger_line *lines = l->lines;

	if (l->line_count > 0 && slice_equal(lines[l->line_count - 1].agent, entry->agent)) {
		lines[l->line_count - 1].host = entry->host;
		return &lines[l->line_count - 1];
	}
	lines = grow(l->lines, l->line_count, &l->line_capacity, sizeof(*lines));
	if (!lines)
		return NULL;
	l->lines = lines;
	lines[l->line_count] = (struct ledger_line){ .agent = entry->agent, .host = entry->host };
	return &lines[l->line_count++];
}

int ledger_fill(struct ledger *l, const struct survey *survey)
{
	struct amount *amounts = malloc((l->entry_count + 1) * sizeof(*amounts));
	size_t count = 0, i;
	int status = amounts ? 0 : -ENOMEM;

	for (i = 0; i < l->entry_count && status == 0; i++) {
		struct stat_result result = survey_total(survey, i);
		if (result.has)
			amounts[count++] = (struct amount){ &l->entries[i], result.value };
	}
	if (count > 1)
		qsort(amounts, count, sizeof(*amounts), compare_amounts);
	for (i = 0; i < count && status == 0; i++) {
		struct ledger_line *line = line_of(l, amounts[i].entry);
		status = line ? add_value(line, amounts[i].entry, amounts[i].value) : -ENOMEM;
		if (status == 0)
			status = add_value(&l->total, amounts[i].entry, amounts[i].value);
	}
	free(amounts);
	return status;
}

void ledger_release(struct ledger *l)
{
	size_t i;

	for (i = 0; i < l->line_count; i++)
		free(l->lines[i].reasons);
	for (i = 0; i < l->entry_count; i++)
		free(l->entries[i].bytes);
	free(l->total.reasons);
	free(l->lines);
	free(l->entries);
	*l = (struct ledger){ 0 };
}
