// SPDX-License-Identifier: Apache-2.0
#include "agent/intake.h"

#include "proto/daemon/life.h"

int intake_init(struct intake *in, size_t max_keys, size_t max_bytes)
{
	*in = (struct intake){ .open = &in->tables[0], .sealed = &in->tables[1] };
	arena_pool_init(&in->pool, max_bytes);
	carry_init(&in->carry);
	table_init(in->open, &in->pool, &in->carry, max_keys);
	table_init(in->sealed, &in->pool, &in->carry, max_keys);
	return -pthread_mutex_init(&in->lock, NULL);
}

void intake_release(struct intake *in)
{
	table_release(in->open);
	table_release(in->sealed);
	carry_release(&in->carry);
	arena_pool_release(&in->pool);
	pthread_mutex_destroy(&in->lock);
}

void intake_lock(struct intake *in)
{
	pthread_mutex_lock(&in->lock);
}

void intake_unlock(struct intake *in)
{
	pthread_mutex_unlock(&in->lock);
}

int intake_add(struct intake *in, const struct line_sample *sample, int64_t second)
{
	return table_add(in->open, sample, second);
}

struct table *intake_swap(struct intake *in, int64_t *now_ms)
{
	struct table *taken;

	intake_lock(in);
	taken = in->open;
	in->open = in->sealed;
	in->sealed = taken;
	*now_ms = life_wall_ms();
	intake_unlock(in);
	return taken;
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

struct intake_level intake_level(struct intake *in)
{
	struct intake_level level;

	intake_lock(in);
	level = (struct intake_level){ .samples = in->open->samples,
				       .series = in->open->series_count,
				       .bytes = table_bytes(in->open) };
	intake_unlock(in);
	return level;
}
