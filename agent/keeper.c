// SPDX-License-Identifier: Apache-2.0
/*
 * keeper.c - a timer that is set only while something is unsynced, and one sync at a time.
 *
 * A sync is begun on the loop, run by a thread of libuv's pool on descriptors of its own, and ended
 * on the loop; the keeper is freed by whoever comes last, the timer's close or the work's end.
 *
 * What the process before lost is arithmetic over its page of counters and what the spool found:
 * taken less sealed less lost was in the open table. The page is written after the record, so the
 * spool's last record of the same stream may know better; a seal of POSTs that was cut short counts
 * as not begun.
 */
#include "agent/keeper.h"

#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/err.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEPER_SYNC_MS 500

struct keeper {
	uv_loop_t *loop;
	const struct config *config;
	struct ledger *ledger;
	struct counters counters;
	struct spool *spool; /* NULL: closed */
	bool on_disk;
	bool degraded; /* as last logged */
	struct stream_id before; /* the stream of the process before */
	uint64_t before_sealed;  /* samples */
	struct spool_cut cut;    /* what it did not finish, if is_cut */
	bool is_cut;
	uv_timer_t timer;
	uv_work_t work;
	struct spool_sync *sync; /* what the work is about; NULL: none is under way */
	bool timer_closed;
	struct log_limit limit;
};

/* ---- syncing ---- */

static void keeper_free(struct keeper *k)
{
	if (k->timer_closed && k->sync == NULL)
		free(k);
}

/* Says when the disk has failed, and when it works again. */
static void keeper_note_state(struct keeper *k)
{
	struct spool_disk_state state = spool_disk_state(k->spool);
	uint64_t suppressed;

	if (state.degraded && log_allowed(&k->limit, life_monotonic_ms(), &suppressed))
		log_error("spool_degraded", "err=%s in_memory_samples=%" PRIu64
			  " hint=\"batches are kept in memory until the disk takes them again\"",
			  err_name(state.reason), state.volatile_samples);
	else if (!state.degraded && k->degraded)
		log_info("spool_recovered", "faults=%" PRIu64, state.faults);
	k->degraded = state.degraded;
}

static void keeper_on_timer(uv_timer_t *timer);

/* Wakes up for the next sync, but not where there is nothing to be synced. */
static void keeper_arm(struct keeper *k)
{
	if (k->on_disk && !uv_is_active((uv_handle_t *)&k->timer) && spool_sync_is_due(k->spool))
		uv_timer_start(&k->timer, keeper_on_timer, KEEPER_SYNC_MS, 0);
}

static void keeper_on_work(uv_work_t *work)
{
	const struct keeper *k = work->data;

	spool_sync_run(k->sync);
}

static void keeper_after_work(uv_work_t *work, int status)
{
	struct keeper *k = work->data;
	struct spool_sync *sync = k->sync;

	(void)status;
	k->sync = NULL;
	spool_sync_done(k->spool, sync);
	if (k->spool == NULL) {
		keeper_free(k);
		return;
	}
	keeper_note_state(k);
	keeper_arm(k);
}

static void keeper_on_timer(uv_timer_t *timer)
{
	struct keeper *k = timer->data;

	if (k->sync != NULL)
		return; /* the disk is slow; its end sets the timer again */
	k->sync = spool_sync_begin(k->spool);
	keeper_note_state(k);
	if (k->sync == NULL) {
		keeper_arm(k);
		return;
	}
	k->work.data = k;
	if (uv_queue_work(k->loop, &k->work, keeper_on_work, keeper_after_work) == 0)
		return;
	keeper_on_work(&k->work);
	keeper_after_work(&k->work, 0);
}

uint64_t keeper_before(const struct keeper *k, struct stream_id *stream)
{
	*stream = k->before;
	return k->before_sealed;
}

void keeper_mark_unfinished(struct keeper *k, bool unfinished)
{
	counters_mark_unfinished(&k->counters, unfinished);
}

void keeper_sealed(struct keeper *k)
{
	if (k->on_disk && config_spool_always(k->config)) {
		spool_sync_now(k->spool);
		keeper_note_state(k);
	}
	keeper_arm(k);
}

/* ---- a start ---- */

/* Samples that the process before had sealed. The page is written after the record, so a record of
 * its stream may know better. */
static uint64_t keeper_sealed_before(const struct keeper *k, const struct spool_found *found)
{
	const struct counters_page *page = k->counters.page;
	uint64_t sealed = tally_get(&page->sealed);

	if (k->is_cut)
		return k->cut.total;
	if (found->records > 0 && found->last_total > sealed &&
	    memcmp(found->last.bytes, page->stream.bytes, STREAM_ID_BYTES) == 0)
		sealed = found->last_total;
	return sealed;
}

/* Samples that it had taken and not sealed. */
static uint64_t keeper_unsealed(const struct keeper *k, const struct spool_found *found)
{
	const struct counters_page *page = k->counters.page;
	uint64_t taken = tally_get(&page->taken), lost = tally_get(&page->lost);
	uint64_t sealed = keeper_sealed_before(k, found);

	return taken > sealed + lost ? taken - sealed - lost : 0;
}

/* Samples that were sealed and are not in the spool, as far as can be known, at most: what was only
 * in memory, or what followed the last whole record. */
static uint64_t keeper_missing(const struct keeper *k, const struct spool_found *found)
{
	const struct counters_page *page = k->counters.page;
	uint64_t missing = tally_get(&page->in_memory);
	uint64_t sealed = k->is_cut ? k->cut.total : tally_get(&page->sealed);

	if (missing == 0 && found->torn > 0 && found->records > 0 &&
	    sealed > found->last_total &&
	    memcmp(found->last.bytes, page->stream.bytes, STREAM_ID_BYTES) == 0)
		missing = sealed - found->last_total;
	return missing;
}

/* Tells what became of what the process before held. */
static void keeper_report(struct keeper *k, const struct spool_found *found)
{
	uint64_t unsealed = keeper_unsealed(k, found);
	uint64_t missing = keeper_missing(k, found);

	k->before = k->counters.page->stream;
	k->before_sealed = keeper_sealed_before(k, found);
	tally_add(&k->ledger->lost_unsealed, unsealed);
	tally_add(&k->ledger->lost_spool, missing);
	if (found->files > 0)
		log_info("spool_found", "files=%zu batches=%zu samples=%" PRIu64, found->files,
			 found->records, found->samples);
	if (found->holes > 0 || found->unreadable > 0)
		log_error("spool_damaged", "holes=%zu unreadable_files=%zu at_most_lost_samples=%"
			  PRIu64 " hint=\"declared as far as Redis does not have them\"",
			  found->holes, found->unreadable, found->hole_samples);
	if (found->torn > 0)
		log_info("spool_torn", "files=%zu hint=\"writes that were not finished\"",
			 found->torn);
	if (found->cut > 0)
		log_info("post_unfinished",
			 "batches=%zu hint=\"what POSTs brought was being sealed: it has not "
			 "counted, and may be sent again\"", found->cut);
	if (unsealed > 0)
		log_warn("unsealed_lost", "samples=%" PRIu64, unsealed);
	if (missing > 0)
		log_warn("spool_lost", "at_most_samples=%" PRIu64, missing);
}

static int keeper_open_disk(struct keeper *k, const char *state_dir, struct spool_found *found,
			    spool_restore_fn restore, void *arg)
{
	struct spool_disk_options options = {
		.max_bytes = (size_t)k->config->spool_max,
		.segment_bytes = (size_t)k->config->segment_bytes,
		.memory_max = (size_t)k->config->spool_memory_max,
		.volatile_samples = &k->counters.page->in_memory,
		.cut = k->is_cut ? &k->cut : NULL,
	};
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/spool", state_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return spool_disk_new(path, &options, restore, arg, found, &k->spool);
}

/* A folder that cannot be used costs durability, not the agent. */
static int keeper_open(struct keeper *k, spool_restore_fn restore, void *arg)
{
	const char *state_dir = config_state_dir(k->config);
	struct spool_found found = { 0 };
	int status;

	counters_open(&k->counters, state_dir);
	k->cut.stream = k->counters.page->stream;
	k->is_cut = counters_unfinished(&k->counters, &k->cut.total);
	if (*state_dir != '\0') {
		status = keeper_open_disk(k, state_dir, &found, restore, arg);
		k->on_disk = status == 0;
		if (status < 0)
			log_error("spool_unusable", "err=%s hint=\"batches are kept in memory\"",
				  err_name(status));
		if (status < 0 && found.files > 0)
			return status;
	}
	keeper_report(k, &found);
	return k->on_disk ? 0 : spool_new((size_t)k->config->spool_max, &k->spool);
}

int keeper_new(uv_loop_t *loop, const struct config *config, struct ledger *ledger,
	       const struct stream_id *stream, spool_restore_fn restore, void *arg,
	       struct keeper **out)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int status;

	if (k == NULL)
		return -ENOMEM;
	k->loop = loop;
	k->config = config;
	k->ledger = ledger;
	status = keeper_open(k, restore, arg);
	if (status < 0) {
		counters_close(&k->counters);
		free(k);
		return status;
	}
	counters_begin(&k->counters, stream);
	uv_timer_init(loop, &k->timer);
	k->timer.data = k;
	if (k->on_disk)
		uv_timer_start(&k->timer, keeper_on_timer, KEEPER_SYNC_MS, 0);
	tally_set(&ledger->spool_bytes_max, (uint64_t)config->spool_max);
	*out = k;
	return 0;
}

static void keeper_on_closed(uv_handle_t *handle)
{
	struct keeper *k = handle->data;

	k->timer_closed = true;
	keeper_free(k);
}

void keeper_close(struct keeper *k)
{
	if (k == NULL)
		return;
	if (k->on_disk)
		spool_sync_now(k->spool);
	spool_free(k->spool);
	k->spool = NULL;
	counters_close(&k->counters);
	uv_close((uv_handle_t *)&k->timer, keeper_on_closed);
}

struct spool *keeper_spool(const struct keeper *k)
{
	return k->spool;
}

struct counters *keeper_counters(struct keeper *k)
{
	return &k->counters;
}

bool keeper_is_durable(const struct keeper *k)
{
	return k->on_disk && !spool_disk_state(k->spool).degraded;
}

void keeper_count(struct keeper *k)
{
	struct ledger *l = k->ledger;
	struct spool_disk_state state = { .degraded = false };

	tally_set(&l->spool_bytes, spool_bytes(k->spool));
	tally_set(&l->spool_batches, spool_records(k->spool));
	if (k->on_disk)
		state = spool_disk_state(k->spool);
	tally_set(&l->spool_degraded, state.degraded || (!k->on_disk && k->counters.mapped));
	tally_set(&l->spool_faults, state.faults);
	tally_set(&l->spool_damaged, state.damaged);
	tally_set(&l->spool_in_memory, state.volatile_samples);
}
