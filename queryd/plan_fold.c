// SPDX-License-Identifier: Apache-2.0
#include "queryd/plan_fold.h"

#include "proto/err.h"

int plan_fold_blob(struct cell **have, enum kind kind, struct slice blob)
{
	struct cell *cell;
	int status = cell_decode(blob, &cell);

	if (status < 0)
		return status;
	if (cell_kind(cell) != kind) {
		status = ERR_MALFORMED;
	} else if (!*have) {
		*have = cell;
		return 0;
	} else {
		status = cell_merge(*have, cell);
	}
	cell_free(cell);
	return status;
}

void plan_fold_start(struct plan_fold *f, enum kind kind, int64_t from_hour, int64_t to_hour,
		     int64_t now_second)
{
	*f = (struct plan_fold){
		.subject = {
			.kind = kind,
			.seconds = stat_seconds_passed(from_hour, to_hour, now_second),
		},
		.from_hour = from_hour,
		.to_hour = to_hour,
	};
}

/* Hours come in rising order, so the last value is this one's. */
static void add_gauge(struct stat_subject *s, const struct cell_gauge *gauge)
{
	struct cell_gauge *sum = &s->gauge;

	sum->has_last |= gauge->has_last;
	sum->last = gauge->last;
	sum->last_second = gauge->last_second;
	if (!gauge->has_set)
		return;
	if (!sum->has_set || gauge->min < sum->min)
		sum->min = gauge->min;
	if (!sum->has_set || gauge->max > sum->max)
		sum->max = gauge->max;
	sum->has_set = true;
	sum->sum += gauge->sum;
	sum->sets += gauge->sets;
}

int plan_fold_add(struct plan_fold *f, struct cell **cell, const struct cell_gauge *gauge)
{
	struct cell *added = *cell;
	int status = 0;

	*cell = NULL;
	f->any = true;
	if (gauge) {
		f->subject.samples += cell_samples(added);
		add_gauge(&f->subject, gauge);
	} else if (!f->subject.cell) {
		f->subject.cell = added;
		return 0;
	} else {
		status = cell_merge(f->subject.cell, added);
	}
	cell_free(added);
	return status;
}

int plan_fold_join(struct plan_fold *f, struct plan_fold *later)
{
	struct stat_subject *from = &later->subject;

	if (!later->any)
		return 0;
	if (f->subject.kind != KIND_GAUGE)
		return plan_fold_add(f, &from->cell, NULL);
	f->any = true;
	f->subject.samples += from->samples;
	add_gauge(&f->subject, &from->gauge);
	return 0;
}

void plan_fold_release(struct plan_fold *f)
{
	cell_free(f->subject.cell);
	f->subject.cell = NULL;
}
