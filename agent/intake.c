// SPDX-License-Identifier: Apache-2.0
/*
 * intake.c - two tables that trade places under a mutex.
 *
 * The mutex is for `open`: the receiver holds it for a burst, the seal for the swap of two
 * pointers. `sealed` is the loop's between a swap and intake_done, which needs the mutex again
 * because it gives chunks back to the pool that both tables take from; so do the agent's own
 * samples.
 */
#include "agent/intake.h"

#include "proto/daemon/life.h"

int intake_init(struct intake *in, size_t max_keys, size_t max_bytes)
{
	*in = (struct intake){ .open = &in->tables[0], .sealed = &in->tables[1] };
	arena_pool_init(&in->pool, max_bytes);
	carry_init(&in->carry);
	table_init(in->open, &in->pool, &in->carry, max_keys);
	table_init(in->sealed, &in->pool, &in->carry, max_keys);
	limits_init(&in->limits, &(struct limits_options){ .max_keys = max_keys });
	top_init(&in->rejects);
	return -pthread_mutex_init(&in->lock, NULL);
}

void intake_share(struct intake *in, struct intake *with)
{
	arena_pool_share(&in->pool, &with->pool);
}

void intake_release(struct intake *in)
{
	table_release(in->open);
	table_release(in->sealed);
	carry_release(&in->carry);
	arena_pool_release(&in->pool);
	limits_release(&in->limits);
	top_release(&in->rejects);
	pthread_mutex_destroy(&in->lock);
}

void intake_limit(struct intake *in, const struct limits_options *options)
{
	limits_change(&in->limits, options);
	for (size_t i = 0; i < 2; i++) {
		table_set_limits(&in->tables[i], &in->limits);
		in->tables[i].max_keys = options->max_keys;
	}
}

void intake_set_full(struct intake *in, bool full)
{
	limits_set_full(&in->limits, full);
}

void intake_lock(struct intake *in)
{
	pthread_mutex_lock(&in->lock);
	in->burst_ms = life_monotonic_ms();
	limits_pass(&in->limits, in->burst_ms);
}

void intake_unlock(struct intake *in)
{
	pthread_mutex_unlock(&in->lock);
}

int intake_add(struct intake *in, const struct line_sample *sample, int64_t second)
{
	return table_add(in->open, sample, second);
}

/* The bytes up to where a name's first segment must end, whatever the dialect. */
static struct slice intake_prefix(struct slice line)
{
	size_t size = 0;

	if (line.size > 0 && line.ptr[0] == '(')
		line = slice_of(line.ptr + 1, line.size - 1);
	while (size < line.size && size < TOP_PREFIX_BYTES &&
	       memchr(".:|,;#[ ", line.ptr[size], 8) == NULL)
		size++;
	return slice_of(line.ptr, size);
}

void intake_count_reject(struct intake *in, struct slice line)
{
	struct top_counts one = { .rejects = 1 };

	top_add(&in->rejects, intake_prefix(line), &one, in->burst_ms);
}

int intake_merge_rejects(struct intake *in, struct top *out)
{
	int status;

	intake_lock(in);
	status = top_merge(out, &in->rejects);
	intake_unlock(in);
	return status;
}

struct table *intake_swap(struct intake *in, int64_t *now_ms)
{
	struct table *taken = in->open;

	in->open = in->sealed;
	in->sealed = taken;
	limits_begin_interval(&in->limits);
	*now_ms = life_wall_ms();
	return taken;
}

int intake_add_own(struct intake *in, struct slice series, double value, int64_t second)
{
	int status;

	intake_lock(in);
	status = table_add_own(in->sealed, series, value, second);
	intake_unlock(in);
	return status;
}

bool intake_hold(struct intake *in, const struct table_group *group)
{
	struct slice series = slice_of(group->series->bytes, group->series->size);
	int status;

	intake_lock(in);
	status = table_add_earlier(in->open, series, group->second, group->gauge);
	intake_unlock(in);
	return status == 0;
}

void intake_done(struct intake *in)
{
	intake_lock(in);
	table_reset(in->sealed);
	intake_unlock(in);
}

struct intake_level intake_level_locked(const struct intake *in)
{
	return (struct intake_level){ .samples = in->open->samples,
				      .series = in->open->series_count,
				      .bytes = table_bytes(in->open) };
}

struct intake_level intake_level(struct intake *in)
{
	struct intake_level level;

	intake_lock(in);
	level = intake_level_locked(in);
	intake_unlock(in);
	return level;
}
