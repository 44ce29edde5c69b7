// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/source.h"

#include "proto/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

void source_init(struct source *s, uint8_t name, uint32_t partitions, uint32_t partition)
{
	memset(s, 0, sizeof(*s));
	memset(s->id.bytes, name, STREAM_ID_BYTES);
	s->partitions = partitions;
	s->partition = partition;
	s->chain[0] = hash_chain_start(&s->id, partition);
}

void source_release(struct source *s)
{
	for (size_t i = 1; i <= s->count; i++)
		free(s->bytes[i]);
	s->count = 0;
}

uint64_t source_seal(struct source *s, const struct source_group *groups, size_t count)
{
	uint64_t seq = ++s->count;
	struct batch_header header = { .cfg = hash_cfg(s->partitions), .partition = s->partition,
				       .seq = seq, .chain_before = s->chain[seq - 1] };
	struct batch_writer writer;
	struct buf out;

	assert_in_range(seq, 1, SOURCE_BATCHES);
	batch_writer_init(&writer, groups[0].second);
	for (size_t i = 0; i < count; i++) {
		struct buf group;
		double one = 1;

		buf_init(&group, 64);
		group_put_values(&group, (struct group_sampling){ 1, 1 }, &one, 1);
		batch_writer_add(&writer,
				 &(struct batch_group){ KIND_COUNTER, slice_text(groups[i].series),
							groups[i].second, buf_view(&group) },
				 1);
		buf_release(&group);
	}
	buf_init(&out, LIMIT_BATCH_BYTES);
	assert_int_equal(batch_finish(&writer, &header, &out), 0);
	batch_writer_release(&writer);
	buf_take(&out, &s->bytes[seq], &s->size[seq]);
	s->chain[seq] =
		hash_chain_next(s->chain[seq - 1], slice_of(s->bytes[seq], s->size[seq]));
	return seq;
}

uint64_t source_count(struct source *s, const char *series, int64_t second)
{
	return source_seal(s, &(struct source_group){ series, second }, 1);
}

struct frame_batch source_frame(const struct source *s, uint64_t seq,
				const struct stream_state *predecessor)
{
	struct frame_batch f = { .id = s->id, .bytes = slice_of(s->bytes[seq], s->size[seq]) };

	assert_in_range(seq, 1, s->count);
	if (predecessor != NULL) {
		f.has_predecessor = true;
		f.predecessor = *predecessor;
	}
	return f;
}

struct stream_state source_state(const struct source *s, uint64_t seq)
{
	return (struct stream_state){ .known = true, .seq = seq, .value = s->chain[seq] };
}
