// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/outage.h"

#include "agent/outbox.h"
#include "agent/rest.h"
#include "agent/seal.h"
#include "agent/spool_disk.h"
#include "proto/hour.h"
#include "relay/image.h"
#include "tests/sim/rng.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTAGE_PARTITIONS 32
#define OUTAGE_KEYS       1000
#define OUTAGE_SEAL_MS    500
#define OUTAGE_STEP_MS    10  /* samples come so */
#define OUTAGE_SYNC_MS    500
#define OUTAGE_GRACE_MS   10000
#define OUTAGE_SECOND     INT64_C(1795003200)
#define MIB               ((size_t)1024 * 1024)

/* An hour's, and of a shorter run its share: the defaults of config.c, but that what is kept in memory alone
 * is less than spool_max, to reach its end. */
#define OUTAGE_TABLE_MAX  (128 * MIB)
#define OUTAGE_SPOOL_MAX  (1024 * MIB)
#define OUTAGE_MEMORY_MAX (64 * MIB)
#define OUTAGE_OTHER      (32 * MIB) /* scratch, lanes, one record read, malloc's own */
#define OUTAGE_DRAIN_MS   (4 * 3600 * INT64_C(1000))

struct outage {
	const struct outage_options *options;
	struct rng rng;
	struct arena_pool pool;
	struct carry carry;
	struct table table;
	struct seal seal;
	struct spool *spool;
	struct outbox outbox;
	char folder[64];
	int64_t now_ms, sealed_ms, next_seal_ms, synced_ms;
	uint64_t received, refused, lost, sealed, postponed, batches;
	uint64_t sent[2]; /* counters and values that the table took */
	/* The relay. */
	struct image images[OUTAGE_PARTITIONS];
	struct stream_state stored[OUTAGE_PARTITIONS];
	bool opened[OUTAGE_PARTITIONS], moved[OUTAGE_PARTITIONS];
	uint64_t confirm_token;
	struct frame_stream asked[OUTAGE_PARTITIONS];
	size_t asked_count;
	uint64_t merged;
};

/* ---- a relay that takes all ---------------------------------------------------------------------- */

static uint64_t outage_random(void *arg)
{
	return rng_next(arg);
}

static int outage_on_open(void *arg, size_t peer, struct frame_stream *list, size_t count)
{
	struct outage *o = arg;

	(void)peer;
	for (size_t i = 0; i < count; i++)
		o->opened[list[i].partition] = true;
	return 0;
}

static int outage_on_batch(void *arg, size_t peer, const struct frame_batch *frame)
{
	const struct image_rules rules = { .latest_second = INT64_MAX };
	struct outage *o = arg;
	struct image_rejects rejects;
	struct stream_state *stored;
	struct batch batch;
	int status = batch_decode(frame->bytes, OUTAGE_PARTITIONS, &batch);

	(void)peer;
	assert(status == 0 && frame->lost == 0);
	stored = &o->stored[batch.header.partition];
	assert(batch.header.seq == stored->seq + 1);
	status = image_merge(&o->images[batch.header.partition], &batch, &rules, &rejects);
	assert(status == 0 && rejects.too_old + rejects.too_new == 0);
	o->merged += batch.header.samples;
	*stored = (struct stream_state){ .known = true, .seq = batch.header.seq,
					 .value = hash_chain_next(batch.header.chain_before,
								  frame->bytes) };
	o->moved[batch.header.partition] = true;
	batch_release(&batch);
	return 0;
}

static int outage_on_confirm(void *arg, size_t peer, uint64_t token, struct frame_stream *list,
			     size_t count)
{
	struct outage *o = arg;

	(void)peer;
	assert(count <= OUTAGE_PARTITIONS);
	o->confirm_token = token;
	memcpy(o->asked, list, count * sizeof(*list));
	o->asked_count = count;
	return 0;
}

static size_t outage_on_choose(void *arg, uint32_t partition)
{
	(void)arg;
	(void)partition;
	return 0;
}

static void outage_on_foreign(void *arg, const struct stream_id *id, uint32_t partition)
{
	(void)arg;
	(void)id;
	(void)partition;
	abort();
}

static const struct outbox_effects outage_effects = {
	.send_open = outage_on_open,
	.send_batch = outage_on_batch,
	.send_confirm = outage_on_confirm,
	.choose = outage_on_choose,
	.foreign = outage_on_foreign,
};

/* Tells the states of the partitions that are marked. */
static void outage_tell(struct outage *o, bool *marks, enum lane_cause cause)
{
	struct frame_stream list[OUTAGE_PARTITIONS];
	struct frame_streams states = { .list = list };

	for (uint32_t p = 0; p < OUTAGE_PARTITIONS; p++) {
		if (!marks[p])
			continue;
		marks[p] = false;
		list[states.count++] = (struct frame_stream){ .id = o->outbox.streams->id,
							      .partition = p,
							      .state = o->stored[p] };
	}
	if (states.count > 0)
		outbox_note_states(&o->outbox, 0, 1, cause, &states, o->now_ms);
}

static void outage_confirm(struct outage *o)
{
	struct frame_streams states = { .list = o->asked, .count = o->asked_count,
					.token = o->confirm_token, .stable = true };

	for (size_t i = 0; i < o->asked_count; i++)
		o->asked[i].state = o->stored[o->asked[i].partition];
	o->asked_count = 0;
	if (states.count > 0)
		outbox_note_confirmed(&o->outbox, 0, 1, &states, o->now_ms);
}

/* ---- the agent ------------------------------------------------------------------------------------- */

static bool outage_on_restore(void *arg, struct spool *s, const struct spool_record *record,
			      size_t size, uint64_t id)
{
	(void)arg;
	(void)s;
	(void)record;
	(void)size;
	(void)id;
	return false;
}

static size_t outage_share(const struct outage *o, size_t bytes)
{
	return bytes / 60 * o->options->minutes;
}

static void outage_open(struct outage *o)
{
	const size_t memory_max = outage_share(o, OUTAGE_MEMORY_MAX);
	const struct spool_disk_options disk = { .max_bytes = outage_share(o, OUTAGE_SPOOL_MAX),
						 .segment_bytes = 8 * MIB,
						 .memory_max = memory_max };
	const struct outbox_options options = { .partitions = OUTAGE_PARTITIONS,
						.confirm_ms = 1000 };
	const struct stream_id stream = { .bytes = { 1 } };
	struct spool_found found;
	int status;

	o->rng.state = 1;
	strcpy(o->folder, "/tmp/hourglass-outage-XXXXXX");
	if (mkdtemp(o->folder) == NULL)
		abort();
	arena_pool_init(&o->pool, outage_share(o, OUTAGE_TABLE_MAX));
	carry_init(&o->carry);
	table_init(&o->table, &o->pool, &o->carry, OUTAGE_KEYS + 1);
	status = o->options->on_disk ? spool_disk_new(o->folder, &disk, outage_on_restore, NULL,
						      &found, &o->spool) :
				       spool_new(memory_max, &o->spool);
	if (status < 0 || seal_init(&o->seal) < 0 ||
	    outbox_init(&o->outbox, &options, &outage_effects, o, o->spool, &stream) < 0)
		abort();
	outbox_set_grace(&o->outbox, OUTAGE_GRACE_MS);
	for (uint32_t p = 0; p < OUTAGE_PARTITIONS; p++) {
		image_init(&o->images[p], outage_random, &o->rng, NULL);
		o->stored[p] = (struct stream_state){ .known = true, .nonce = true, .value = 1 };
	}
}

static void outage_close(struct outage *o)
{
	outbox_release(&o->outbox);
	spool_free(o->spool);
	seal_release(&o->seal);
	table_release(&o->table);
	carry_release(&o->carry);
	arena_pool_release(&o->pool);
	for (uint32_t p = 0; p < OUTAGE_PARTITIONS; p++)
		image_reset(&o->images[p]);
	if (rmdir(o->folder) < 0)
		fprintf(stderr, "%s: not empty\n", o->folder);
}

/* 3 samples of 5 are counters, 2 are values of 0 to 999. */
static void outage_receive_one(struct outage *o, uint32_t key)
{
	bool is_value = key % 5 >= 3;
	char series[32];
	struct line_sample sample = {
		.kind = is_value ? KIND_DISTRIBUTION : KIND_COUNTER,
		.value = is_value ? (double)rng_below(&o->rng, 1000) : 1,
		.rate = 1,
	};
	int size = snprintf(series, sizeof(series), "app.requests.%u;host=a", key);

	sample.series = slice_of(series, (size_t)size);
	o->received++;
	if (table_add(&o->table, &sample, OUTAGE_SECOND + o->now_ms / 1000) < 0)
		o->refused++;
	else
		o->sent[is_value]++;
}

static void outage_receive(struct outage *o)
{
	for (uint32_t i = 0; i < o->options->rate / (1000 / OUTAGE_STEP_MS); i++)
		outage_receive_one(o, (uint32_t)(o->received % OUTAGE_KEYS));
}

static int outage_on_sealed(void *arg, uint32_t partition, const struct batch_writer *w,
			    uint64_t samples)
{
	struct outage *o = arg;

	o->batches++;
	return outbox_append(&o->outbox, partition, w, samples,
			     OUTAGE_SECOND * 1000 + o->sealed_ms);
}

/* As agent.c: not into a spool that is full, and rarer into one that fills. */
static void outage_seal(struct outage *o)
{
	size_t bytes = table_bytes(&o->table);
	struct seal_counts counts;

	if (o->now_ms < o->next_seal_ms)
		return;
	o->next_seal_ms += OUTAGE_SEAL_MS;
	if (o->now_ms - o->sealed_ms <
	    rest_after_seal_ms(spool_quarters(o->spool), OUTAGE_SEAL_MS, bytes))
		return;
	if (spool_records(o->spool) > 0 && !spool_has_room(o->spool, bytes)) {
		o->postponed++;
		return;
	}
	counts = seal_run(&o->seal, &o->table, OUTAGE_PARTITIONS, outage_on_sealed, o);
	o->sealed += counts.samples;
	o->lost += counts.lost;
	table_reset(&o->table);
	o->sealed_ms = o->now_ms;
}

static void outage_sync(struct outage *o)
{
	if (!o->options->on_disk || o->now_ms - o->synced_ms < OUTAGE_SYNC_MS)
		return;
	o->synced_ms = o->now_ms;
	spool_sync_now(o->spool);
}

/* ---- the verdict --------------------------------------------------------------------------------- */

static size_t outage_memory(const char *what)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[128];
	size_t kib = 0;

	while (status != NULL && fgets(line, sizeof(line), status) != NULL)
		if (strncmp(line, what, strlen(what)) == 0)
			kib = strtoul(line + strlen(what), NULL, 10);
	if (status != NULL)
		fclose(status);
	return kib * 1024;
}

/* What the images have: counters' sums and values. */
static void outage_count(struct outage *o, uint64_t counted[2])
{
	for (uint32_t p = 0; p < OUTAGE_PARTITIONS; p++) {
		for (size_t h = 0; h < o->images[p].hour_count; h++) {
			size_t cursor = 0;
			void *value;

			while (map_next(&o->images[p].hours[h]->cells, &cursor, NULL, &value)) {
				struct cell *cell = ((struct image_cell *)value)->cell;

				if (cell_kind(cell) == KIND_COUNTER)
					counted[0] += (uint64_t)cell_counter_sum(cell);
				else
					counted[1] += sketch_count(cell_sketch(cell));
			}
		}
	}
}

static bool outage_verdict(struct outage *o, size_t peak, int64_t drained_ms)
{
	size_t allowed = outage_share(o, OUTAGE_TABLE_MAX + OUTAGE_MEMORY_MAX) + OUTAGE_OTHER;
	uint64_t counted[2] = { 0 }, taken = o->received - o->refused;
	bool good;

	outage_count(o, counted);
	good = counted[0] == o->sent[0] && counted[1] == o->sent[1] && o->merged == taken &&
	       o->sealed == taken && o->outbox.counts.committed == taken && o->lost == 0 &&
	       o->outbox.counts.lost == 0 && peak <= allowed && spool_records(o->spool) == 0;
	printf("%u minutes without relays, %u samples a second, spool %s: %" PRIu64
	       " received, %" PRIu64 " over the table's limit and declared, %" PRIu64
	       " sealed in %" PRIu64 " batches, %" PRIu64 " counted afterwards, %" PRId64
	       " lost undeclared; %" PRIu64 " seals waited; memory at most %zu MiB of %zu; drained in %"
	       PRId64 " s: %s\n",
	       o->options->minutes, o->options->rate, o->options->on_disk ? "on disk" : "in memory",
	       o->received, o->refused, o->sealed, o->batches, counted[0] + counted[1],
	       (int64_t)(taken - counted[0] - counted[1]), o->postponed, peak / MIB, allowed / MIB,
	       drained_ms / 1000, good ? "ok" : "FAILED");
	return good;
}

bool outage_run(const struct outage_options *options)
{
	struct outage *o = calloc(1, sizeof(*o));
	size_t before = outage_memory("VmRSS:"), peak;
	int64_t end_ms = (int64_t)options->minutes * 60000;
	bool good;

	if (o == NULL)
		abort();
	o->options = options;
	outage_open(o);
	for (; o->now_ms < end_ms; o->now_ms += OUTAGE_STEP_MS) {
		outage_receive(o);
		outage_seal(o);
		outage_sync(o);
	}
	peak = outage_memory("VmHWM:") - before;
	outbox_peer_up(&o->outbox, 0, 1);
	while (o->table.samples + spool_records(o->spool) > 0 &&
	       o->now_ms < end_ms + OUTAGE_DRAIN_MS) {
		o->now_ms += OUTAGE_STEP_MS;
		outage_seal(o);
		outage_sync(o);
		outbox_run(&o->outbox, o->now_ms);
		outage_tell(o, o->opened, LANE_OPENED);
		outage_tell(o, o->moved, LANE_COMMITTED);
		outage_confirm(o);
	}
	good = outage_verdict(o, peak, o->now_ms - end_ms);
	outage_close(o);
	free(o);
	return good;
}
