// SPDX-License-Identifier: Apache-2.0
#include "agent/report.h"

#include "proto/series.h"

#include <errno.h>
#include <stdlib.h>

struct report_line {
	uint8_t *series;
	size_t size;
	uint64_t sent;
};

/* Several counts may have one name: it is then their sum. */
static const struct report_row {
	const char *name;
	const char *reason; /* or NULL */
	size_t offset;
} report_rows[] = {
#define REPORT(name_, reason_, member_)                                                        \
	{ .name = "hourglass." name_, .reason = (reason_),                                     \
	  .offset = offsetof(struct ledger, member_) },
#define REPORT_LINE(code, member_) REPORT("lines.rejected", #member_, lines_rejected.member_)
#define REPORT_SAMPLE(code, member_)                                                           \
	REPORT("samples.rejected", #member_, samples_rejected.member_)
	REPORT("datagrams.received", NULL, datagrams)
	REPORT("lines.received", NULL, lines)
	REPORT("samples.received", NULL, samples)
	REPORT("samples.sealed", NULL, samples_sealed)
	REPORT("samples.lost", NULL, lost_declared)
	REPORT("samples.lost", NULL, lost_memory)
	REPORT("samples.lost", NULL, lost_expired)
	REPORT("samples.lost", NULL, lost_spool)
	/* Who took them died before it could report that. */
	REPORT("samples.received", NULL, lost_unsealed)
	REPORT("samples.lost", NULL, lost_unsealed)
	REPORT("kernel_drops", NULL, kernel_drops)
	REPORT("datagrams.truncated", NULL, datagrams_truncated)
	REPORT("lines.unsupported", "event", lines_event)
	REPORT("lines.unsupported", "service_check", lines_service_check)
	LEDGER_LINE_REASONS(REPORT_LINE)
	LEDGER_SAMPLE_REASONS(REPORT_SAMPLE)
};

#define REPORT_ROWS (sizeof(report_rows) / sizeof(report_rows[0]))

/* Writes a row's canonical series. False when it cannot be one. */
static bool report_series(const struct report_row *row, const char *agent, const char *host,
			  uint8_t out[LIMIT_SERIES_BYTES], size_t *size)
{
	struct series_tag tags[3] = {
		{ .key = slice_text("agent"), .value = slice_text(agent) },
		{ .key = slice_text("host"), .value = slice_text(host) },
	};
	size_t count = 2;

	if (row->reason != NULL)
		tags[count++] = (struct series_tag){ .key = slice_text("reason"),
						     .value = slice_text(row->reason) };
	return series_build(slice_text(row->name), tags, count, out, size) == 0;
}

int report_init(struct report *r, const char *agent, const char *host)
{
	uint8_t series[LIMIT_SERIES_BYTES];
	size_t size;

	*r = (struct report){ .lines = calloc(REPORT_ROWS, sizeof(*r->lines)) };
	if (r->lines == NULL)
		return -ENOMEM;
	for (; r->count < REPORT_ROWS; r->count++) {
		struct report_line *line = &r->lines[r->count];

		if (!report_series(&report_rows[r->count], agent, host, series, &size) &&
		    !report_series(&report_rows[r->count], agent, "unknown", series, &size))
			size = 0;
		line->series = malloc(size + 1);
		if (line->series == NULL) {
			report_release(r);
			return -ENOMEM;
		}
		memcpy(line->series, series, size);
		line->size = size;
	}
	return 0;
}

void report_release(struct report *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->lines[i].series);
	free(r->lines);
	*r = (struct report){ 0 };
}

size_t report_run(struct report *r, const struct ledger *counts, report_add_fn add, void *arg)
{
	size_t added = 0;

	for (size_t i = 0; i < r->count; i++) {
		struct report_line *line = &r->lines[i];
		const char *at = (const char *)counts + report_rows[i].offset;
		uint64_t value = tally_get((const tally_count *)(const void *)at);

		/* Less than was sent: a seal lost what it was expected to seal. It will catch
		 * up. */
		if (value <= line->sent || line->size == 0)
			continue;
		if (add(arg, slice_of(line->series, line->size),
			(double)(value - line->sent)) < 0)
			continue;
		line->sent = value;
		added++;
	}
	return added;
}
