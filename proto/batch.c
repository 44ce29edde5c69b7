// SPDX-License-Identifier: Apache-2.0
/*
 * The writer appends groups as they come and keeps their count and sum of samples; the header,
 * which holds both, is written in front when the batch is sealed. Room for the longest header is
 * set aside from the beginning, so what fits at batch_writer_add still fits at batch_finish.
 *
 * The reader knows the schema twice: as mpcheck rules, which bound every count and range before
 * msgpack-c sees a byte, and as the order of fields in batch_read_*, which may then use them
 * without a check. After the schema come the things it cannot say: the fleet, each series' form
 * and partition, the values inside each group, and that the samples add up.
 */
#include "proto/batch.h"

#include "proto/err.h"
#include "proto/group.h"
#include "proto/mpcheck.h"
#include "proto/mpput.h"
#include "proto/series.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* The last second of the year 9999: what hour.h can spell. */
#define BATCH_SECOND_MAX 253402300799

/* The most that a header takes: two array headers (1 and 5), the version (1), the partition
 * (5) and five numbers of 9 bytes. */
#define BATCH_HEADER_BYTES 57

/* The most that a group takes beside its series and its bin: array header (1), kind (1),
 * text header (3), second (9), bin header (5). */
#define BATCH_GROUP_BYTES 19

#define BATCH_HEADER_FIELDS 7
#define BATCH_FIELDS        8
#define BATCH_GROUP_FIELDS  4

static const struct mpcheck_rule batch_group_rule[BATCH_GROUP_FIELDS] = {
	{ .types = MPCHECK_INT, .min = 0, .max = 127 },                       /* kind */
	{ .types = MPCHECK_TEXT, .min = 1, .max = LIMIT_SERIES_BYTES },       /* series */
	{ .types = MPCHECK_INT, .min = 0, .max = BATCH_SECOND_MAX },          /* second - base */
	{ .types = MPCHECK_BYTES, .min = 1, .max = LIMIT_BATCH_BYTES },       /* group.h */
};

static const struct mpcheck_rule batch_groups_rule = {
	.types = MPCHECK_TUPLE, .max = BATCH_GROUP_FIELDS, .of = batch_group_rule,
};

static const struct mpcheck_rule batch_fields_rule[BATCH_FIELDS] = {
	{ .types = MPCHECK_INT, .min = 0, .max = UINT64_MAX },                /* version */
	{ .types = MPCHECK_INT, .min = 0, .max = UINT64_MAX },                /* cfg */
	{ .types = MPCHECK_INT, .min = 0, .max = LIMIT_PARTITIONS - 1 },      /* partition */
	{ .types = MPCHECK_INT, .min = 1, .max = UINT64_MAX },                /* seq */
	{ .types = MPCHECK_INT, .min = 0, .max = UINT64_MAX },                /* chain before */
	{ .types = MPCHECK_INT, .min = 0, .max = BATCH_SECOND_MAX },          /* base second */
	{ .types = MPCHECK_INT, .min = 1, .max = GROUP_SAMPLES_MAX },         /* samples */
	{ .types = MPCHECK_LIST, .min = 1, .max = LIMIT_BATCH_GROUPS, .of = &batch_groups_rule },
};

static const struct mpcheck_rule batch_rule = {
	.types = MPCHECK_TUPLE, .max = BATCH_FIELDS, .of = batch_fields_rule,
};

void batch_writer_init(struct batch_writer *w, int64_t base_second)
{
	*w = (struct batch_writer){ .base_second = base_second };
	buf_init(&w->groups, LIMIT_BATCH_BYTES);
}

void batch_writer_release(struct batch_writer *w)
{
	buf_release(&w->groups);
	batch_writer_init(w, 0);
}

void batch_writer_reset(struct batch_writer *w, int64_t base_second)
{
	buf_reset(&w->groups);
	w->group_count = 0;
	w->base_second = base_second;
	w->samples = 0;
}

bool batch_writer_fits(const struct batch_writer *w, struct slice series, size_t bytes)
{
	size_t room = LIMIT_BATCH_BYTES - BATCH_HEADER_BYTES - BATCH_GROUP_BYTES;

	if (w->group_count >= LIMIT_BATCH_GROUPS || w->groups.size > room)
		return false;
	room -= w->groups.size;
	return series.size <= room && bytes <= room - series.size;
}

void batch_writer_add(struct batch_writer *w, const struct batch_group *group, uint64_t samples)
{
	msgpack_packer pk = mpput_begin(&w->groups);

	assert(group->second >= w->base_second);
	mpput_array(&pk, BATCH_GROUP_FIELDS);
	mpput_u64(&pk, (uint64_t)group->kind);
	mpput_text(&pk, group->series);
	mpput_u64(&pk, (uint64_t)(group->second - w->base_second));
	mpput_bytes(&pk, group->bytes);
	w->group_count++;
	w->samples += samples;
}

uint32_t batch_writer_groups(const struct batch_writer *w)
{
	return w->group_count;
}

int batch_finish(const struct batch_writer *w, const struct batch_header *header, struct buf *out)
{
	size_t start = out->size;
	msgpack_packer pk = mpput_begin(out);

	assert(w->group_count > 0);
	if (buf_status(&w->groups) != 0)
		return buf_status(&w->groups);
	if (w->group_count > LIMIT_BATCH_GROUPS)
		return -ENOBUFS;
	mpput_array(&pk, BATCH_FIELDS);
	mpput_u64(&pk, BATCH_VERSION);
	mpput_u64(&pk, header->cfg);
	mpput_u64(&pk, header->partition);
	mpput_u64(&pk, header->seq);
	mpput_u64(&pk, header->chain_before);
	mpput_i64(&pk, w->base_second);
	mpput_u64(&pk, w->samples);
	mpput_array(&pk, w->group_count);
	buf_put_slice(out, buf_view(&w->groups));
	if (buf_status(out) != 0)
		return buf_status(out);
	if (out->size - start > LIMIT_BATCH_BYTES) {
		buf_truncate(out, start);
		return -ENOBUFS;
	}
	return 0;
}

/* The header from the first fields of an unpacked batch; fields have batch_rule's shape. */
static int batch_read_header(const msgpack_object *fields, struct batch_header *out)
{
	if (fields[0].via.u64 != BATCH_VERSION)
		return ERR_VERSION;
	*out = (struct batch_header){
		.cfg = fields[1].via.u64,
		.partition = (uint32_t)fields[2].via.u64,
		.seq = fields[3].via.u64,
		.chain_before = fields[4].via.u64,
		.base_second = (int64_t)fields[5].via.u64,
		.samples = fields[6].via.u64,
	};
	return 0;
}

/* Whether series_build could have written it. Most series have neither tags nor escapes,
 * and then the name's rules are all there is. */
static int batch_check_series(struct slice series)
{
	struct series parts;

	if (memchr(series.ptr, ';', series.size) || memchr(series.ptr, '\\', series.size))
		return series_parse(series, &parts);
	if (series.size > LIMIT_NAME_BYTES)
		return ERR_NAME_TOO_LONG;
	return series_text_valid(series) ? 0 : ERR_BAD_BYTES;
}

/* One group: its fields, its series' form and place, and every value in it. */
static int batch_read_group(const msgpack_object *fields, const struct batch_header *header,
			    uint32_t partitions, struct batch_group *out, uint64_t *samples)
{
	int kind = (int)fields[0].via.u64;
	int err;

	if (!kind_known(kind))
		return ERR_UNKNOWN_TYPE;
	*out = (struct batch_group){
		.kind = (enum kind)kind,
		.series = mpcheck_slice(&fields[1]),
		.second = header->base_second + (int64_t)fields[2].via.u64,
		.bytes = mpcheck_slice(&fields[3]),
	};
	if (out->second > BATCH_SECOND_MAX)
		return ERR_OUT_OF_RANGE;
	err = batch_check_series(out->series);
	if (err != 0)
		return err;
	if (hash_partition(out->series, partitions) != header->partition)
		return ERR_MALFORMED;
	return group_check(out->kind, out->bytes, samples);
}

/* All groups, and that the header's sum of samples is theirs. */
static int batch_read_groups(const msgpack_object_array *list, uint32_t partitions,
			     struct batch *b)
{
	uint64_t sum = 0, samples;

	for (uint32_t i = 0; i < list->size; i++) {
		int err = batch_read_group(list->ptr[i].via.array.ptr, &b->header, partitions,
					   &b->groups[i], &samples);

		if (err != 0)
			return err;
		/* Each is below 2^53 and there are 2^12 at most: this never wraps. */
		sum += samples;
	}
	return sum == b->header.samples ? 0 : ERR_MALFORMED;
}

/* From the unpacked fields to a batch; on failure nothing is held. */
static int batch_read(const msgpack_object *fields, uint32_t partitions, struct batch *b)
{
	const msgpack_object_array *list = &fields[BATCH_HEADER_FIELDS].via.array;
	int err = batch_read_header(fields, &b->header);

	if (err != 0)
		return err;
	if (b->header.cfg != hash_cfg(partitions) || b->header.partition >= partitions)
		return ERR_FOREIGN_CONFIG;
	b->groups = malloc(list->size * sizeof(*b->groups));
	if (b->groups == NULL)
		return -ENOMEM;
	b->group_count = list->size;
	err = batch_read_groups(list, partitions, b);
	if (err != 0)
		batch_release(b);
	return err;
}

/* Where the first field begins: behind the array header, whichever width it has. */
static size_t batch_first_field(struct slice bytes)
{
	return bytes.ptr[0] == 0xdc ? 3 : bytes.ptr[0] == 0xdd ? 5 : 1;
}

/* Size and version come first: another version's fields may have another shape, and its
 * sender must hear ERR_VERSION, not that its bytes are malformed. */
static int batch_check_start(struct slice bytes)
{
	size_t at;

	if (bytes.size > LIMIT_BATCH_BYTES)
		return ERR_TOO_LARGE;
	if (bytes.size == 0)
		return ERR_TRUNCATED;
	at = batch_first_field(bytes);
	if (at == 1 && (bytes.ptr[0] & 0xf0) != 0x90)
		return ERR_MALFORMED;
	if (at < bytes.size && bytes.ptr[at] < 0x80 && bytes.ptr[at] != BATCH_VERSION)
		return ERR_VERSION;
	return 0;
}

int batch_decode(struct slice bytes, uint32_t partitions, struct batch *out)
{
	struct batch b = { .groups = NULL };
	msgpack_unpacked unpacked;
	int err = batch_check_start(bytes);

	if (err == 0)
		err = mpcheck_unpack(bytes, &batch_rule, &unpacked);
	if (err != 0)
		return err;
	err = batch_read(unpacked.data.via.array.ptr, partitions, &b);
	msgpack_unpacked_destroy(&unpacked);
	if (err == 0)
		*out = b;
	return err;
}

int batch_peek(struct slice bytes, struct batch_header *out)
{
	msgpack_object fields[BATCH_HEADER_FIELDS];
	size_t offset;
	int err = batch_check_start(bytes);

	if (err == 0)
		err = mpcheck_walk(bytes, &batch_rule);
	if (err != 0)
		return err;
	offset = batch_first_field(bytes);
	for (size_t i = 0; i < BATCH_HEADER_FIELDS; i++) {
		msgpack_unpacked field;
		msgpack_unpack_return result;

		msgpack_unpacked_init(&field);
		result = msgpack_unpack_next(&field, (const char *)bytes.ptr, bytes.size, &offset);
		/* A number borrows nothing, so the copy outlives the zone. */
		fields[i] = field.data;
		msgpack_unpacked_destroy(&field);
		if (result != MSGPACK_UNPACK_SUCCESS)
			return -ENOMEM;
	}
	return batch_read_header(fields, out);
}

void batch_release(struct batch *b)
{
	free(b->groups);
	b->groups = NULL;
	b->group_count = 0;
}
