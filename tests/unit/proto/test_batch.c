// SPDX-License-Identifier: Apache-2.0
#include "proto/batch.h"

#include "proto/err.h"
#include "proto/group.h"
#include "proto/mpput.h"
#include "tests/lib/bytes.h"
#include "tests/lib/peak.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define PARTITIONS 32
#define BASE       1795179600 /* 2026-11-20T13:00:00Z */

/* The worked example of BATCH.md. */
static const char golden[] =
	"98 01 cf0000000100000020 0d 07 cfa1b2c3d4e5f60718 ce6b004450 07 92"
	"94 64 b0636865636b6f75742e6c6174656e6379 00 c40b 01 01 03 f001 01 05 00 c712 00"
	"94 63 b06f72646572733b726567696f6e3d6575 01 c40e 11 000000000000e03f 01 00 01 02 02";

static const struct group_sampling whole = { .rate = 1, .weight = 1 };

static void add_values(struct batch_writer *w, enum kind kind, const char *series, int64_t second,
		       struct group_sampling sampling, double *values, size_t count)
{
	struct batch_group group = { .kind = kind, .series = slice_text(series), .second = second };
	struct buf bytes;

	buf_init(&bytes, LIMIT_BATCH_BYTES);
	group_put_values(&bytes, sampling, values, count);
	group.bytes = buf_view(&bytes);
	batch_writer_add(w, &group, count);
	buf_release(&bytes);
}

static void make_golden(struct buf *out)
{
	struct batch_header header = { .cfg = hash_cfg(PARTITIONS), .partition = 13, .seq = 7,
				       .chain_before = 0xa1b2c3d4e5f60718 };
	double latencies[4] = { 12.5, 12, 250, 12 };
	double orders[3] = { 1, 1, 1 };
	struct batch_writer w;

	batch_writer_init(&w, BASE);
	add_values(&w, KIND_DISTRIBUTION, "checkout.latency", BASE, whole, latencies, 4);
	add_values(&w, KIND_COUNTER, "orders;region=eu", BASE + 1,
		   (struct group_sampling){ .rate = 0.5, .weight = 1 }, orders, 3);
	assert_int_equal(batch_finish(&w, &header, out), 0);
	batch_writer_release(&w);
}

static void test_a_batch_is_the_document_s_bytes(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, LIMIT_BATCH_BYTES);
	make_golden(&out);
	bytes_assert_hex(buf_view(&out), golden);
	assert_int_equal(out.size, 98);
	assert_true(hash_chain_next(0xa1b2c3d4e5f60718, buf_view(&out)) == 0x1f5eb03465af0b6b);
	assert_true(hash64(slice_text("checkout.latency")) == 0x5ac3ef7c069e7e6d);
	buf_release(&out);
}

static void assert_same_header(const struct batch_header *a, const struct batch_header *b)
{
	assert_true(a->cfg == b->cfg && a->partition == b->partition && a->seq == b->seq);
	assert_true(a->chain_before == b->chain_before && a->base_second == b->base_second);
	assert_true(a->samples == b->samples);
}

static void assert_group(const struct batch_group *g, enum kind kind, const char *series,
			 int64_t second, size_t size)
{
	assert_int_equal(g->kind, kind);
	assert_true(slice_equal(g->series, slice_text(series)));
	assert_int_equal(g->second, second);
	assert_int_equal(g->bytes.size, size);
}

static void test_the_document_s_bytes_are_read_back(void **state)
{
	uint8_t room[256];
	struct slice bytes = bytes_of_hex(golden, room, sizeof(room));
	struct batch_header peeked;
	struct batch b;

	(void)state;
	assert_int_equal(batch_decode(bytes, PARTITIONS, &b), 0);
	assert_true(b.header.cfg == hash_cfg(PARTITIONS));
	assert_int_equal(b.header.partition, 13);
	assert_true(b.header.seq == 7);
	assert_true(b.header.chain_before == 0xa1b2c3d4e5f60718);
	assert_true(b.header.base_second == BASE);
	assert_true(b.header.samples == 7);
	assert_int_equal(b.group_count, 2);
	assert_group(&b.groups[0], KIND_DISTRIBUTION, "checkout.latency", BASE, 11);
	assert_group(&b.groups[1], KIND_COUNTER, "orders;region=eu", BASE + 1, 14);
	assert_int_equal(batch_peek(bytes, &peeked), 0);
	assert_same_header(&peeked, &b.header);
	batch_release(&b);
	assert_null(b.groups);
}

/* A batch by hand, so that one thing at a time can be wrong. */
struct draft {
	uint64_t version, cfg, partition, seq, base, samples;
	uint64_t kind, delta;
	const char *series;
	const char *bytes;
};

static const struct draft good = {
	.version = 1, .cfg = 0x100000020, .partition = 13, .seq = 1, .base = BASE, .samples = 1,
	.kind = 'd', .series = "checkout.latency", .bytes = "01 00 01 02 00",
};

static int decode_draft(struct draft d)
{
	uint8_t room[4096];
	struct batch b;
	struct buf out;
	int err;

	buf_init(&out, LIMIT_BATCH_BYTES);
	msgpack_packer pk = mpput_begin(&out);
	mpput_array(&pk, 8);
	mpput_u64(&pk, d.version);
	mpput_u64(&pk, d.cfg);
	mpput_u64(&pk, d.partition);
	mpput_u64(&pk, d.seq);
	mpput_u64(&pk, 99);
	mpput_u64(&pk, d.base);
	mpput_u64(&pk, d.samples);
	mpput_array(&pk, 1);
	mpput_array(&pk, 4);
	mpput_u64(&pk, d.kind);
	mpput_text(&pk, slice_text(d.series));
	mpput_u64(&pk, d.delta);
	mpput_bytes(&pk, bytes_of_hex(d.bytes, room, sizeof(room)));
	err = batch_decode(buf_view(&out), PARTITIONS, &b);
	if (err == 0)
		batch_release(&b);
	buf_release(&out);
	return err;
}

/* assert_draft(code, .field = value): the good one with one field changed. */
#define assert_draft(err, ...)                                                                 \
	do {                                                                                   \
		struct draft draft = good;                                                     \
		draft __VA_ARGS__;                                                             \
		assert_int_equal(decode_draft(draft), (err));                                  \
	} while (0)

static void test_each_field_is_checked(void **state)
{
	(void)state;
	assert_int_equal(decode_draft(good), 0);
	assert_draft(ERR_VERSION, .version = 2);
	assert_draft(ERR_VERSION, .version = 0);
	assert_draft(ERR_FOREIGN_CONFIG, .cfg = 0x100000040);
	assert_draft(ERR_FOREIGN_CONFIG, .cfg = 0x200000020);
	assert_draft(ERR_FOREIGN_CONFIG, .partition = 32);
	assert_draft(ERR_OUT_OF_RANGE, .partition = LIMIT_PARTITIONS);
	assert_draft(ERR_MALFORMED, .partition = 12); /* not where the series belongs */
	assert_draft(ERR_OUT_OF_RANGE, .seq = 0);
	assert_draft(0, .seq = UINT64_MAX);
	assert_draft(ERR_OUT_OF_RANGE, .base = 253402300800);
	assert_draft(ERR_OUT_OF_RANGE, .delta = 253402300800 - BASE);
	assert_draft(0, .delta = 253402300799 - BASE);
	assert_draft(ERR_OUT_OF_RANGE, .samples = 0);
	assert_draft(ERR_MALFORMED, .samples = 2);
	assert_draft(ERR_UNKNOWN_TYPE, .kind = 'x');
	assert_draft(ERR_OUT_OF_RANGE, .kind = 256 + 'd');
	assert_draft(ERR_MALFORMED, .kind = 'g'); /* a gauge has another codec */
	assert_draft(ERR_MALFORMED, .bytes = "01 00 01 02 00 00");
	assert_draft(ERR_MALFORMED, .bytes = "");
}

/* Refused for its form, wherever it may belong: each is put in the partition of its bytes. */
static void assert_series_refused(const char *series)
{
	struct draft d = good;

	d.series = series;
	d.partition = hash_partition(slice_text(series), PARTITIONS);
	assert_int_not_equal(decode_draft(d), 0);
}

static void test_only_canonical_series_pass(void **state)
{
	static char name[LIMIT_SERIES_BYTES + 2];

	(void)state;
	memset(name, 'a', LIMIT_SERIES_BYTES + 1);
	assert_draft(ERR_TOO_LARGE, .series = name);
	assert_draft(ERR_MALFORMED, .series = "");
	assert_draft(ERR_BAD_BYTES, .series = "checkout\n");
	assert_draft(ERR_BAD_BYTES, .series = "checkout\xff");
	assert_draft(0, .series = "orders;region=eu");
	assert_series_refused("orders;b=1;a=2"); /* tags out of order */
	assert_series_refused("orders;a=1;a=2");
	assert_series_refused("orders;a");
	assert_series_refused("orders;=1");
	assert_series_refused("orders\\x"); /* an escape that nobody needed */
	assert_series_refused("orders\\");
}

static void try_prefix(struct slice mutant, void *arg)
{
	struct batch_header header;
	struct batch b;

	(void)arg;
	assert_int_not_equal(batch_decode(mutant, PARTITIONS, &b), 0);
	assert_int_not_equal(batch_peek(mutant, &header), 0);
}

static void try_flip(struct slice mutant, void *arg)
{
	unsigned *accepted = arg;
	struct batch_header header;
	struct batch b;
	int peeked = batch_peek(mutant, &header);

	if (batch_decode(mutant, PARTITIONS, &b) != 0)
		return;
	/* What is read whole can be peeked at, with the same result. */
	assert_int_equal(peeked, 0);
	assert_same_header(&header, &b.header);
	(*accepted)++;
	batch_release(&b);
}

static void test_no_truncation_passes_and_no_flip_harms(void **state)
{
	uint8_t room[256];
	struct slice bytes = bytes_of_hex(golden, room, sizeof(room) - 1);
	unsigned accepted = 0;
	struct batch b;

	(void)state;
	bytes_each_prefix(bytes, try_prefix, NULL);
	bytes_each_flip(bytes, try_flip, &accepted);
	/* Flips in seq, chain, seconds and values are well-formed batches: the chain is what
	 * tells them. All others are refused. */
	assert_true(accepted > 64 && accepted < 8 * bytes.size / 2);
	room[bytes.size] = 0;
	assert_int_equal(batch_decode(slice_of(room, bytes.size + 1), PARTITIONS, &b),
			 ERR_TRAILING);
}

/* Any series of partition 13, told apart by i. */
static struct slice series_of(size_t *i, char *text, size_t room)
{
	for (;;) {
		int size = snprintf(text, room, "s.%zu", (*i)++);

		if (hash_partition(slice_of(text, (size_t)size), PARTITIONS) == 13)
			return slice_of(text, (size_t)size);
	}
}

/* As many small groups as a batch takes. */
static void fill_writer(struct batch_writer *w)
{
	uint8_t one[] = { 0x01, 0x00, 0x01, 0x02, 0x00 };
	struct batch_group group = { .kind = KIND_COUNTER, .second = BASE,
				     .bytes = slice_of(one, sizeof(one)) };
	char text[32];
	size_t i = 0;

	for (;;) {
		group.series = series_of(&i, text, sizeof(text));
		if (!batch_writer_fits(w, group.series, sizeof(one)))
			return;
		batch_writer_add(w, &group, 1);
	}
}

static const struct batch_header full_header = {
	.cfg = 0x100000020, .partition = 13, .seq = UINT64_MAX, .chain_before = UINT64_MAX,
};

static void test_a_full_batch_is_within_its_limits(void **state)
{
	uint8_t one[] = { 0x01, 0x00, 0x01, 0x02, 0x00 };
	struct batch_group more = { .kind = KIND_COUNTER, .second = BASE,
				    .series = slice_text("s"), .bytes = slice_of(one, 5) };
	struct batch_writer w;
	struct batch b;
	struct buf out;

	(void)state;
	buf_init(&out, LIMIT_BATCH_BYTES);
	batch_writer_init(&w, BASE);
	fill_writer(&w);
	assert_int_equal(batch_writer_groups(&w), LIMIT_BATCH_GROUPS);
	assert_int_equal(batch_finish(&w, &full_header, &out), 0);
	assert_int_equal(batch_decode(buf_view(&out), PARTITIONS, &b), 0);
	assert_int_equal(b.group_count, LIMIT_BATCH_GROUPS);
	batch_release(&b);
	batch_writer_add(&w, &more, 1);
	buf_reset(&out);
	assert_int_equal(batch_finish(&w, &full_header, &out), -ENOBUFS);
	batch_writer_release(&w);
	buf_release(&out);
}

/* The most that reading a batch may take beside its bytes: well below 1 MiB. */
static void test_the_dearest_batch_costs_less_than_a_mebibyte(void **state)
{
	struct batch_writer w;
	struct batch b;
	struct buf out;
	long before;

	(void)state;
	buf_init(&out, LIMIT_BATCH_BYTES);
	batch_writer_init(&w, BASE);
	fill_writer(&w);
	assert_int_equal(batch_finish(&w, &full_header, &out), 0);
	before = peak_kib();
	for (int i = 0; i < 20; i++) {
		assert_int_equal(batch_decode(buf_view(&out), PARTITIONS, &b), 0);
		batch_release(&b);
	}
	assert_true(peak_growth_kib(before) < 1024);
	batch_writer_release(&w);
	buf_release(&out);
}

/* Whatever batch_writer_fits lets in, the finished batch is never too large. */
static void test_what_fits_can_be_finished(void **state)
{
	static uint8_t zeros[LIMIT_BATCH_BYTES];
	struct batch_header header = { .cfg = UINT64_MAX, .partition = 1023, .seq = UINT64_MAX,
				       .chain_before = UINT64_MAX };
	struct batch_group group = { .kind = KIND_COUNTER, .second = INT64_MAX };
	struct batch_writer w;
	struct buf out;
	size_t size = LIMIT_BATCH_BYTES;

	(void)state;
	buf_init(&out, LIMIT_BATCH_BYTES);
	batch_writer_init(&w, 0);
	group.series = slice_of(zeros, LIMIT_SERIES_BYTES);
	while (!batch_writer_fits(&w, group.series, size))
		size--;
	group.bytes = slice_of(zeros, size);
	batch_writer_add(&w, &group, UINT32_MAX);
	assert_false(batch_writer_fits(&w, slice_of(zeros, 1), 1));
	assert_int_equal(batch_finish(&w, &header, &out), 0);
	assert_true(out.size > LIMIT_BATCH_BYTES - 64);
	batch_writer_release(&w);
	buf_release(&out);
}

static void test_a_writer_can_be_used_again(void **state)
{
	struct batch_header header = { .cfg = hash_cfg(PARTITIONS), .partition = 13, .seq = 8 };
	double value = 1;
	struct batch_writer w;
	struct batch b;
	struct buf out;

	(void)state;
	buf_init(&out, LIMIT_BATCH_BYTES);
	batch_writer_init(&w, BASE);
	add_values(&w, KIND_COUNTER, "checkout.latency", BASE, whole, &value, 1);
	batch_writer_reset(&w, BASE + 10);
	assert_int_equal(batch_writer_groups(&w), 0);
	add_values(&w, KIND_COUNTER, "checkout.latency", BASE + 12, whole, &value, 1);
	/* The same series in the same second again: allowed, both count. */
	add_values(&w, KIND_COUNTER, "checkout.latency", BASE + 12, whole, &value, 1);
	assert_int_equal(batch_finish(&w, &header, &out), 0);
	assert_int_equal(batch_decode(buf_view(&out), PARTITIONS, &b), 0);
	assert_true(b.header.base_second == BASE + 10);
	assert_true(b.header.samples == 2);
	assert_int_equal(b.group_count, 2);
	assert_true(b.groups[1].second == BASE + 12);
	batch_release(&b);
	/* What was in out before stays when there is no room for the batch. */
	buf_release(&out);
	buf_init(&out, 10);
	assert_int_equal(batch_finish(&w, &header, &out), -ENOBUFS);
	batch_writer_release(&w);
	buf_release(&out);
}

static void test_too_large_a_batch_is_not_looked_into(void **state)
{
	uint8_t *zeros = calloc(1, LIMIT_BATCH_BYTES + 1);
	struct batch_header header;
	struct batch b;

	(void)state;
	assert_int_equal(batch_decode(slice_of(zeros, LIMIT_BATCH_BYTES + 1), PARTITIONS, &b),
			 ERR_TOO_LARGE);
	assert_int_equal(batch_peek(slice_of(zeros, LIMIT_BATCH_BYTES + 1), &header),
			 ERR_TOO_LARGE);
	assert_int_equal(batch_decode(slice_of(NULL, 0), PARTITIONS, &b), ERR_TRUNCATED);
	assert_int_equal(batch_decode(slice_of(zeros, 1), PARTITIONS, &b), ERR_MALFORMED);
	free(zeros);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: the peak of a process only ever grows. */
		cmocka_unit_test(test_the_dearest_batch_costs_less_than_a_mebibyte),
		cmocka_unit_test(test_a_batch_is_the_document_s_bytes),
		cmocka_unit_test(test_the_document_s_bytes_are_read_back),
		cmocka_unit_test(test_each_field_is_checked),
		cmocka_unit_test(test_only_canonical_series_pass),
		cmocka_unit_test(test_no_truncation_passes_and_no_flip_harms),
		cmocka_unit_test(test_a_full_batch_is_within_its_limits),
		cmocka_unit_test(test_what_fits_can_be_finished),
		cmocka_unit_test(test_a_writer_can_be_used_again),
		cmocka_unit_test(test_too_large_a_batch_is_not_looked_into),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
