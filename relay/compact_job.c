// SPDX-License-Identifier: Apache-2.0
/*
 * compact_job.c - the commands of a job, then what their answers lead to.
 *
 * A piece is as many fields as the last one says will make COMPACT_PIECE_BYTES, and is held as it
 * will be sent: as arguments of STAGE. Fields that an earlier source had are left out by the
 * script, so most walks but the first find little.
 */
#include "relay/compact_job.h"

#include "proto/err.h"
#include "proto/hex.h"
#include "proto/store/script.h"
#include "relay/compact_cells.h"
#include "relay/resp.h"

#include <assert.h>
#include <errno.h>

/* A temporary key lives this long after its last piece. */
#define COMPACT_TEMPORARY_SECONDS "300"

/* Fields a piece: few before their size is known, and never so many look-ups (fields x sources)
 * that Redis would stand still for more than 2 ms. */
#define COMPACT_FIRST_FIELDS 16
#define COMPACT_MOST_FIELDS  512
#define COMPACT_MOST_LOOKUPS 2048

/* Far above a piece: fields of a hash that Redis keeps as one list come all at once. */
#define COMPACT_PIECE_MAX ((size_t)256 * 1024 * 1024)

/* How much later than the floor a day may still be rewritten, in hours: half of what its hours
 * are kept beyond it. */
#define COMPACT_SLACK_HOURS 12

int64_t compact_last_floor(int64_t day)
{
	return (day + 1) * DAY_HOURS + COMPACT_SLACK_HOURS;
}

void compact_job_start(struct compact_job *job, const struct compact_target *target)
{
	*job = (struct compact_job){ .target = *target, .step = COMPACT_LIST,
				     .per_piece = COMPACT_FIRST_FIELDS };
	buf_init(&job->piece, COMPACT_PIECE_MAX);
	buf_init(&job->scratch, LIMIT_CELL_BYTES);
}

void compact_job_release(struct compact_job *job)
{
	buf_release(&job->piece);
	buf_release(&job->scratch);
}

/* ---- commands ---- */

static void compact_put_version(struct buf *out, const struct compact_source *s)
{
	resp_hex(out, s->pid);
	resp_bytes(out, slice_of(s->version, sizeof(s->version)));
}

static void compact_put_list(const struct compact_job *job, struct buf *out)
{
	const struct compact_target *t = &job->target;
	int64_t first = t->is_day ? t->at * DAY_HOURS : t->at;
	size_t hours = t->is_day ? DAY_HOURS : 1;
	char key[RKEY_SIZE];

	resp_evalsha(out, script_sha(SCRIPT_SURVEY), 1 + hours, 2);
	resp_text(out, rkey_meta(t->tag, key));
	for (size_t i = 0; i < hours; i++)
		resp_text(out, rkey_manifest(t->tag, first + (int64_t)i, key));
	resp_u64(out, t->cfg);
	resp_u64(out, t->is_day ? 1 : COMPACT_SOURCES);
}

static void compact_put_gather(const struct compact_job *job, struct buf *out)
{
	char key[RKEY_SIZE];

	resp_evalsha(out, script_sha(SCRIPT_GATHER), 2 * job->count, 3 + 2 * job->count);
	for (size_t i = 0; i < job->count; i++) {
		const struct compact_source *s = &job->sources[i];

		resp_text(out, rkey_manifest(job->target.tag, s->hour, key));
		resp_text(out, rkey_cells(job->target.tag, s->hour, s->pid, key));
	}
	resp_u64(out, job->which + 1);
	resp_u64(out, job->cursor);
	resp_u64(out, job->per_piece);
	for (size_t i = 0; i < job->count; i++)
		compact_put_version(out, &job->sources[i]);
}

static void compact_put_stage(const struct compact_job *job, struct buf *out)
{
	char key[RKEY_SIZE];

	resp_evalsha(out, script_sha(SCRIPT_STAGE), 1, 1 + 2 * job->piece_fields);
	resp_text(out, rkey_temporary(job->target.tag, job->target.random[0], key));
	resp_text(out, COMPACT_TEMPORARY_SECONDS);
	buf_put_slice(out, buf_view(&job->piece));
}

/* What both last scripts take first. */
static void compact_put_result(const struct compact_job *job, int64_t day, struct buf *out)
{
	resp_u64(out, job->target.cfg);
	resp_i64(out, compact_last_floor(day));
	resp_hex(out, job->target.random[1]);
	resp_hex(out, job->target.random[2]);
	resp_u64(out, job->fields);
	resp_i64(out, job->target.expire_second);
}

static void compact_put_swap(const struct compact_job *job, struct buf *out)
{
	const struct compact_target *t = &job->target;
	char key[RKEY_SIZE];

	resp_evalsha(out, script_sha(SCRIPT_SWAP), 5 + job->count, 6 + 2 * job->count);
	resp_text(out, rkey_meta(t->tag, key));
	resp_text(out, rkey_manifest(t->tag, t->at, key));
	resp_text(out, rkey_day_manifest(t->tag, hour_day(t->at), key));
	resp_text(out, rkey_temporary(t->tag, t->random[0], key));
	resp_text(out, rkey_cells(t->tag, t->at, t->random[1], key));
	for (size_t i = 0; i < job->count; i++)
		resp_text(out, rkey_cells(t->tag, t->at, job->sources[i].pid, key));
	compact_put_result(job, hour_day(t->at), out);
	for (size_t i = 0; i < job->count; i++)
		compact_put_version(out, &job->sources[i]);
}

static void compact_put_roll(const struct compact_job *job, struct buf *out)
{
	const struct compact_target *t = &job->target;
	int64_t first = t->at * DAY_HOURS;
	size_t next = 0;
	char key[RKEY_SIZE];

	resp_evalsha(out, script_sha(SCRIPT_ROLL), 4 + DAY_HOURS, 6 + 2 * DAY_HOURS);
	resp_text(out, rkey_meta(t->tag, key));
	resp_text(out, rkey_day_manifest(t->tag, t->at, key));
	resp_text(out, rkey_temporary(t->tag, t->random[0], key));
	resp_text(out, rkey_day_cells(t->tag, t->at, key));
	for (int64_t hour = first; hour < first + DAY_HOURS; hour++)
		resp_text(out, rkey_manifest(t->tag, hour, key));
	compact_put_result(job, t->at, out);
	for (int64_t hour = first; hour < first + DAY_HOURS; hour++) {
		if (next < job->count && job->sources[next].hour == hour) {
			compact_put_version(out, &job->sources[next++]);
			continue;
		}
		resp_text(out, "");
		resp_text(out, "");
	}
}

void compact_job_command(const struct compact_job *job, struct buf *out)
{
	switch (job->step) {
	case COMPACT_LIST:
		compact_put_list(job, out);
		break;
	case COMPACT_GATHER:
		compact_put_gather(job, out);
		break;
	case COMPACT_STAGE:
		compact_put_stage(job, out);
		break;
	case COMPACT_FINISH:
		if (job->target.is_day)
			compact_put_roll(job, out);
		else
			compact_put_swap(job, out);
		break;
	}
}

/* ---- answers ---- */

static enum compact_result compact_broken(struct compact_job *job, int code)
{
	job->code = code;
	return COMPACT_BROKEN;
}

/* A partial of a listed manifest; false when it is not spelled as KEYS.md says. */
static bool compact_read_source(int64_t hour, const struct slice *words, struct compact_source *out)
{
	out->hour = hour;
	if (words[1].size != COMPACT_VERSION || hex_read_u64(words[0], &out->pid) < 0)
		return false;
	memcpy(out->version, words[1].ptr, COMPACT_VERSION);
	return true;
}

/* Whether a partial was listed with the same version a while ago. */
static bool compact_seen(const struct compact_target *t, const struct compact_source *source)
{
	for (size_t i = 0; i < t->seen_count; i++)
		if (t->seen[i].pid == source->pid &&
		    memcmp(t->seen[i].version, source->version, COMPACT_VERSION) == 0)
			return true;
	return false;
}

/* The list of one hour: takes all but what somebody holds, or has changed lately. */
static enum compact_result compact_listed_hour(struct compact_job *job,
					       const struct compact_source *listed, size_t count)
{
	const struct compact_target *t = &job->target;

	job->count = 0;
	for (size_t i = 0; i < count; i++) {
		if (t->holds != NULL && t->holds(t->arg, listed[i].hour, listed[i].pid))
			continue;
		if (t->open && t->seen != NULL && !compact_seen(t, &listed[i]))
			continue;
		job->sources[job->count++] = listed[i];
	}
	if (job->count < 2)
		return COMPACT_NOTHING;
	if (t->open && t->seen == NULL)
		return COMPACT_WATCH;
	job->step = COMPACT_GATHER;
	return COMPACT_MORE;
}

/* What `survey` said: for each hour how many there are, and those listed. */
static enum compact_result compact_listed(struct compact_job *job, const struct answer *a)
{
	const struct compact_target *t = &job->target;
	int64_t hour = t->is_day ? t->at * DAY_HOURS : t->at;
	int64_t end = hour + (t->is_day ? DAY_HOURS : 1);
	struct compact_source listed[COMPACT_SOURCES];
	size_t count = 0, at = 1;

	for (; hour < end; hour++) {
		uint64_t all, shown;

		if (!answer_number(a, at, &all) || !answer_number(a, at + 1, &shown) ||
		    shown > COMPACT_SOURCES - count ||
		    at + 2 + 2 * shown > a->count)
			return compact_broken(job, ERR_MALFORMED);
		/* A day is made of hours that are in one piece. */
		if (t->is_day && all > 1)
			return COMPACT_NOTHING;
		at += 2;
		for (; shown > 0; shown--, at += 2)
			if (!compact_read_source(hour, &a->items[at], &listed[count++]))
				return compact_broken(job, ERR_MALFORMED);
	}
	if (!t->is_day)
		return compact_listed_hour(job, listed, count);
	memcpy(job->sources, listed, count * sizeof(*listed));
	job->count = count;
	job->step = COMPACT_GATHER;
	return count > 0 ? COMPACT_MORE : COMPACT_NOTHING;
}

/* The next piece of this source, or the next source, or the end. */
static enum compact_result compact_walk_on(struct compact_job *job)
{
	job->step = COMPACT_GATHER;
	if (job->cursor == 0 && ++job->which == job->count) {
		job->step = COMPACT_FINISH;
		if (job->fields == 0)
			return COMPACT_NOTHING;
	}
	return COMPACT_MORE;
}

/* How many fields to ask for, from what the last ones took; more when all of them were seen
 * before, as most are in all sources but the first. */
static void compact_pace(struct compact_job *job, size_t bytes, size_t rows)
{
	uint64_t most = COMPACT_MOST_LOOKUPS / job->count;

	if (most > COMPACT_MOST_FIELDS)
		most = COMPACT_MOST_FIELDS;
	if (rows == 0)
		job->per_piece *= 2;
	else if (bytes > 0)
		job->per_piece = COMPACT_PIECE_BYTES * rows / bytes;
	if (job->per_piece > most)
		job->per_piece = most;
	if (job->per_piece == 0)
		job->per_piece = 1;
}

static enum compact_result compact_gathered(struct compact_job *job, const struct answer *a)
{
	size_t row = 1 + job->count, bytes = 0;

	if (!answer_number(a, 0, &job->cursor) || (a->count - 1) % row != 0)
		return compact_broken(job, ERR_MALFORMED);
	buf_reset(&job->piece);
	job->piece_fields = 0;
	for (size_t at = 1; at < a->count; at += row) {
		int rc;

		if (job->target.is_day && compact_cells_of_hours(a->items[at]))
			continue;
		rc = compact_cells_put(&job->piece, a->items[at], a->items + at + 1, job->count,
				       job->target.is_day, &job->scratch);
		if (rc < 0)
			return compact_broken(job, rc);
		job->piece_fields++;
	}
	for (size_t i = 1; i < a->count; i++)
		bytes += a->items[i].size;
	compact_pace(job, bytes, (a->count - 1) / row);
	if (job->piece_fields == 0)
		return compact_walk_on(job);
	job->step = COMPACT_STAGE;
	return COMPACT_MORE;
}

static enum compact_result compact_staged(struct compact_job *job, const struct answer *a)
{
	uint64_t added;

	if (a->count != 1 || !answer_number(a, 0, &added))
		return compact_broken(job, ERR_MALFORMED);
	job->fields += added;
	return compact_walk_on(job);
}

static enum compact_result compact_answered(struct compact_job *job, const struct answer *a)
{
	switch (job->step) {
	case COMPACT_LIST:
		return compact_listed(job, a);
	case COMPACT_GATHER:
		return compact_gathered(job, a);
	case COMPACT_STAGE:
		return compact_staged(job, a);
	case COMPACT_FINISH:
		break;
	}
	job->taken = job->count;
	return COMPACT_DONE;
}

enum compact_result compact_job_answer(struct compact_job *job, const struct answer *answer)
{
	switch (answer->kind) {
	case ANSWER_OK:
		return compact_answered(job, answer);
	case ANSWER_LOST:
	case ANSWER_FLOOR:
		return COMPACT_REFUSED;
	case ANSWER_CONFIG:
	case ANSWER_EMPTY:
		return COMPACT_FOREIGN;
	case ANSWER_ERROR:
		return compact_broken(job, ERR_STORE_ERROR);
	default:
		return COMPACT_DOUBT;
	}
}
