// SPDX-License-Identifier: Apache-2.0
/*
 * compactor.c - passes over partitions, days and hours, one command at a time.
 *
 * State, partition, day and hour are where a pass stands; every answer moves one of them on and
 * sets when the next command may go. An answer that is missing or makes no sense ends the pass, and
 * the next one begins from what Redis has then: of that nothing is remembered but how open hours
 * looked (compact_watch.h).
 */
#include "relay/compactor.h"

#include "proto/store/script.h"
#include "relay/commit.h"
#include "relay/resp.h"

#include <assert.h>

#define COMPACTOR_COMMAND_MAX ((size_t)512 * 1024 * 1024)
#define COMPACTOR_PAUSE_TIMES 3
#define COMPACTOR_PAUSE_MOST  200

#define COMPACTOR_SWEEP_MS    ((int64_t)3600 * 1000)
#define COMPACTOR_SWEEP_COUNT 500
#define COMPACTOR_IDLE_SECONDS (30 * DAY_HOURS * HOUR_SECONDS)
#define COMPACTOR_AGENTS_TAG  "agents" /* of RKEY_AGENTS */

static void compactor_next_partition(struct compactor *c, int64_t now_ms);

void compactor_init(struct compactor *c, const struct compactor_options *options)
{
	*c = (struct compactor){ .o = *options };
	buf_init(&c->out, COMPACTOR_COMMAND_MAX);
}

void compactor_release(struct compactor *c)
{
	compact_job_release(&c->job);
	buf_release(&c->out);
}

int64_t compactor_due(const struct compactor *c)
{
	return c->waiting || c->o.every_ms == 0 ? INT64_MAX : c->due_ms;
}

static const char *compactor_tag(const struct compactor *c)
{
	return c->o.tags->tag[c->partition];
}

static int64_t compactor_unix_ms(const struct compactor *c, int64_t now_ms)
{
	return now_ms + *c->o.unix_offset_ms;
}

/* Whether an hour was over close_ms ago. */
static bool compactor_closed(const struct compactor *c, int64_t hour, int64_t now_ms)
{
	return compactor_unix_ms(c, now_ms) >=
	       (hour + 1) * HOUR_SECONDS * 1000 + c->o.close_ms;
}

static void compactor_enter(struct compactor *c, enum compactor_state state)
{
	c->state = state;
}

/* The pass is over, or given up. */
static void compactor_rest(struct compactor *c, int64_t now_ms)
{
	int64_t next_ms = c->pass_ms + c->o.every_ms;

	compact_job_release(&c->job);
	buf_release(&c->out);
	compactor_enter(c, COMPACTOR_IDLE);
	c->due_ms = next_ms > now_ms ? next_ms : now_ms + 1;
}

/* ---- jobs ---- */

static bool compactor_holds(void *arg, int64_t hour, uint64_t pid)
{
	const struct compactor *c = arg;

	return c->o.effects->holds(c->o.arg, c->partition, hour, pid);
}

/* watch: what is known of an open hour, used up by this; NULL: nothing. */
static void compactor_start_job(struct compactor *c, bool is_day, struct compact_watch *watch,
				int64_t now_ms)
{
	struct compact_target t = {
		.tag = compactor_tag(c),
		.cfg = c->o.cfg,
		.is_day = is_day,
		.at = is_day ? c->day : c->day * DAY_HOURS + c->hour_at,
		.holds = compactor_holds,
		.arg = c,
	};

	t.open = !is_day && !compactor_closed(c, t.at, now_ms);
	if (watch != NULL) {
		t.seen = watch->sources;
		t.seen_count = watch->count;
		watch->used = false;
	}
	t.expire_second = is_day ? (c->day + 1 + c->o.retention_days) * DAY_HOURS * HOUR_SECONDS :
				   commit_expire_second(t.at, c->o.retention_hours);
	for (size_t i = 0; i < 3; i++)
		t.random[i] = c->o.effects->random(c->o.arg);
	compact_job_release(&c->job);
	compact_job_start(&c->job, &t);
	compactor_enter(c, COMPACTOR_JOB);
}

static struct compact_watch *compactor_watch(struct compactor *c)
{
	return compact_watches_find(&c->watches, c->partition, c->day * DAY_HOURS + c->hour_at);
}

static bool compactor_hour_needs(struct compactor *c, int64_t now_ms)
{
	const struct compact_watch *watch = compactor_watch(c);
	uint64_t count = c->counts[c->hour_at];

	if (count >= 2 && compactor_closed(c, c->day * DAY_HOURS + c->hour_at, now_ms))
		return true;
	return count >= (uint64_t)c->o.partials &&
	       (watch == NULL || compact_watch_due(watch, now_ms));
}

static bool compactor_day_needs(const struct compactor *c, int64_t now_ms)
{
	bool any = false;

	if (c->rolled || !compactor_closed(c, (c->day + 1) * DAY_HOURS - 1, now_ms))
		return false;
	for (size_t i = 0; i < DAY_HOURS; i++) {
		if (c->counts[i] > 1)
			return false;
		any |= c->counts[i] > 0;
	}
	return any;
}

/* The next hour of the day that needs a job, then the day, then the day before. */
static void compactor_next_job(struct compactor *c, int64_t now_ms)
{
	while (c->hour_at < DAY_HOURS && !compactor_hour_needs(c, now_ms))
		c->hour_at++;
	if (c->hour_at < DAY_HOURS) {
		compactor_start_job(c, false, compactor_watch(c), now_ms);
	} else if (c->hour_at == DAY_HOURS && compactor_day_needs(c, now_ms)) {
		compactor_start_job(c, true, NULL, now_ms);
	} else if (compact_last_floor(c->day - 1) >= c->floor_hour) {
		c->day--;
		compactor_enter(c, COMPACTOR_SURVEY);
	} else {
		c->partition++;
		compactor_next_partition(c, now_ms);
	}
}

static void compactor_count(struct compactor *c, enum compact_result result)
{
	struct relay_counters *n = c->o.counters;
	bool is_day = c->job.target.is_day;

	switch (result) {
	case COMPACT_DONE:
		tally_add(is_day ? &n->compact_days : &n->compact_hours, 1);
		tally_add(&n->compact_partials, is_day ? 0 : c->job.taken);
		tally_add(&n->compact_fields, c->job.fields);
		break;
	case COMPACT_REFUSED:
		tally_add(&n->compact_refused, 1);
		break;
	case COMPACT_BROKEN:
		tally_add(&n->compact_broken, 1);
		break;
	default:
		tally_add(&n->compact_doubts, 1);
	}
}

static void compactor_job_over(struct compactor *c, enum compact_result result, int64_t now_ms)
{
	const struct compact_job *job = &c->job;
	struct compactor_news news = { .partition = c->partition, .is_day = job->target.is_day,
				       .at = job->target.at, .result = result,
				       .taken = job->taken, .fields = job->fields,
				       .code = job->code };

	if (result == COMPACT_WATCH) {
		compact_watches_keep(&c->watches, c->partition, job, now_ms);
	} else if (result != COMPACT_NOTHING) {
		compactor_count(c, result);
		c->o.effects->told(c->o.arg, &news);
	}
	if (result == COMPACT_DOUBT || result == COMPACT_FOREIGN) {
		compactor_rest(c, now_ms);
		return;
	}
	if (result == COMPACT_DONE && !news.is_day) {
		uint64_t *count = &c->counts[c->hour_at];

		/* There may be more now than were counted. */
		*count = *count > news.taken ? *count - news.taken + 1 : 1;
	} else {
		c->hour_at++;
	}
	compactor_next_job(c, now_ms);
}

/* ---- passes ---- */

/* Begins with the next partition that is ours, or ends the pass. */
static void compactor_next_partition(struct compactor *c, int64_t now_ms)
{
	int64_t latest = compactor_unix_ms(c, now_ms) / 1000 + LIMIT_AHEAD_SECONDS;

	while (c->partition < c->o.tags->partitions &&
	       !c->o.effects->ours(c->o.arg, c->partition))
		c->partition++;
	c->cursor = 0;
	c->day = hour_day(hour_of_second(latest));
	/* A pass in which nothing is ours, before the relays are known, sweeps nothing either. */
	if (c->partition < c->o.tags->partitions && c->sweeping)
		c->sweep_ms = now_ms + COMPACTOR_SWEEP_MS;
	if (c->partition < c->o.tags->partitions)
		compactor_enter(c, c->sweeping ? COMPACTOR_SWEEP : COMPACTOR_SURVEY);
	else if (c->sweeping && c->o.effects->ours(c->o.arg, 0))
		compactor_enter(c, COMPACTOR_FORGET);
	else
		compactor_rest(c, now_ms);
}

static void compactor_begin(struct compactor *c, int64_t now_ms)
{
	compact_watches_tidy(&c->watches, c->pass_ms);
	c->pass_ms = now_ms;
	c->sweeping = now_ms >= c->sweep_ms;
	c->partition = 0;
	compactor_next_partition(c, now_ms);
}

static void compactor_put_survey(struct compactor *c)
{
	const char *tag = compactor_tag(c);
	struct buf *out = &c->out;
	char key[RKEY_SIZE];

	resp_evalsha(out, script_sha(SCRIPT_SURVEY), 2 + DAY_HOURS, 2);
	resp_text(out, rkey_meta(tag, key));
	for (int64_t i = 0; i < DAY_HOURS; i++)
		resp_text(out, rkey_manifest(tag, c->day * DAY_HOURS + i, key));
	resp_text(out, rkey_day_manifest(tag, c->day, key));
	resp_u64(out, c->o.cfg);
	resp_u64(out, 0);
}

static void compactor_put_sweep(struct compactor *c)
{
	const char *tag = compactor_tag(c);
	struct buf *out = &c->out;
	char key[RKEY_SIZE];

	resp_evalsha(out, script_sha(SCRIPT_SWEEP), 4, 4);
	resp_text(out, rkey_meta(tag, key));
	resp_text(out, rkey_streams(tag, key));
	resp_text(out, rkey_names_first(tag, key));
	resp_text(out, rkey_names_last(tag, key));
	resp_u64(out, c->o.cfg);
	resp_u64(out, c->cursor);
	resp_u64(out, COMPACTOR_SWEEP_COUNT);
	resp_u64(out, COMPACTOR_IDLE_SECONDS);
}

static void compactor_put_forget(struct compactor *c)
{
	struct buf *out = &c->out;

	resp_evalsha(out, script_sha(SCRIPT_FORGET), 1, 3);
	resp_text(out, RKEY_AGENTS);
	resp_u64(out, c->cursor);
	resp_u64(out, COMPACTOR_SWEEP_COUNT);
	resp_u64(out, (uint64_t)COMPACTOR_IDLE_SECONDS * 1000);
}

static void compactor_send(struct compactor *c, int64_t now_ms)
{
	const char *tag = c->state == COMPACTOR_FORGET ? COMPACTOR_AGENTS_TAG : compactor_tag(c);

	buf_reset(&c->out);
	if (c->state == COMPACTOR_SURVEY)
		compactor_put_survey(c);
	else if (c->state == COMPACTOR_SWEEP)
		compactor_put_sweep(c);
	else if (c->state == COMPACTOR_FORGET)
		compactor_put_forget(c);
	else
		compact_job_command(&c->job, &c->out);
	c->sent_ms = now_ms;
	c->waiting = buf_status(&c->out) == 0 &&
		     c->o.effects->run(c->o.arg, ++c->serial, tag, buf_view(&c->out));
	if (!c->waiting)
		compactor_rest(c, now_ms);
}

void compactor_tick(struct compactor *c, int64_t now_ms)
{
	if (now_ms < compactor_due(c))
		return;
	if (c->state == COMPACTOR_IDLE)
		compactor_begin(c, now_ms);
	if (c->state != COMPACTOR_IDLE)
		compactor_send(c, now_ms);
}

void compactor_restart(struct compactor *c, int64_t now_ms)
{
	c->waiting = false;
	c->serial++;
	compactor_rest(c, now_ms);
	c->due_ms = now_ms;
}

/* ---- answers ---- */

/* The floor, then for each hour and for the day how many partials it has and that none is
 * listed. */
static void compactor_surveyed(struct compactor *c, const struct answer *a, int64_t now_ms)
{
	uint64_t floor, day;
	bool good = answer_number(a, 0, &floor);

	for (size_t i = 0; good && i < DAY_HOURS; i++)
		good = answer_number(a, 1 + 2 * i, &c->counts[i]);
	good = good && answer_number(a, 1 + 2 * DAY_HOURS, &day);
	if (!good) {
		compactor_rest(c, now_ms);
		return;
	}
	c->floor_hour = (int64_t)floor;
	c->rolled = day > 0;
	c->hour_at = 0;
	compactor_next_job(c, now_ms);
}

static void compactor_swept(struct compactor *c, const struct answer *a, int64_t now_ms)
{
	struct relay_counters *n = c->o.counters;
	uint64_t streams, names;

	if (!answer_number(a, 0, &c->cursor) || !answer_number(a, 1, &streams) ||
	    !answer_number(a, 2, &names)) {
		compactor_rest(c, now_ms);
		return;
	}
	tally_add(&n->swept_streams, streams);
	tally_add(&n->swept_names, names);
	if (c->cursor == 0 && names < COMPACTOR_SWEEP_COUNT)
		compactor_enter(c, COMPACTOR_SURVEY);
}

static void compactor_forgot(struct compactor *c, const struct answer *a, int64_t now_ms)
{
	uint64_t agents;

	if (!answer_number(a, 0, &c->cursor) || !answer_number(a, 1, &agents)) {
		compactor_rest(c, now_ms);
		return;
	}
	tally_add(&c->o.counters->swept_agents, agents);
	if (c->cursor == 0)
		compactor_rest(c, now_ms);
}

static void compactor_job_answer(struct compactor *c, const struct answer *a, int64_t now_ms)
{
	enum compact_result result = compact_job_answer(&c->job, a);

	if (result != COMPACT_MORE)
		compactor_job_over(c, result, now_ms);
}

void compactor_answer(struct compactor *c, uint64_t serial, const struct answer *a, int64_t now_ms)
{
	int64_t pause_ms = COMPACTOR_PAUSE_TIMES * (now_ms - c->sent_ms);

	if (!c->waiting || serial != c->serial)
		return;
	c->waiting = false;
	c->due_ms = now_ms + (pause_ms < COMPACTOR_PAUSE_MOST ? pause_ms : COMPACTOR_PAUSE_MOST);
	if (c->state == COMPACTOR_JOB)
		compactor_job_answer(c, a, now_ms);
	else if (a->kind != ANSWER_OK)
		compactor_rest(c, now_ms);
	else if (c->state == COMPACTOR_SURVEY)
		compactor_surveyed(c, a, now_ms);
	else if (c->state == COMPACTOR_SWEEP)
		compactor_swept(c, a, now_ms);
	else
		compactor_forgot(c, a, now_ms);
}

const char *compactor_result_name(enum compact_result result)
{
	static const char *const names[] = {
		[COMPACT_MORE] = "under_way", [COMPACT_WATCH] = "to_be_compared",
		[COMPACT_DONE] = "done",      [COMPACT_NOTHING] = "nothing_to_do",
		[COMPACT_REFUSED] = "changed_meanwhile", [COMPACT_BROKEN] = "unreadable",
		[COMPACT_DOUBT] = "no_answer", [COMPACT_FOREIGN] = "foreign_store",
	};

	return names[result];
}
