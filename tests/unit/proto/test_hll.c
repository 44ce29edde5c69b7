// SPDX-License-Identifier: Apache-2.0
#include "proto/hll.h"

#include "proto/hash.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The standard error of 2^14 registers. */
#define SIGMA 0.0081

static uint64_t member(uint64_t seed, uint64_t i)
{
	return hash64_seeded(slice_of(&i, sizeof(i)), seed);
}

static void fill(struct hll *h, uint64_t seed, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		hll_add(h, member(seed, i));
}

static struct buf put(const struct hll *h)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	hll_put(h, &out);
	assert_int_equal(buf_status(&out), 0);
	return out;
}

static bool get(struct slice bytes, struct hll *h)
{
	struct reader in = reader_of(bytes);

	memset(h, 0, sizeof(*h));
	return hll_get(&in, h) && reader_finish(&in) == 0;
}

static void an_empty_one_estimates_none(void **state)
{
	static struct hll h;

	(void)state;
	assert_true(hll_estimate(&h) == 0);
	assert_int_equal(hll_occupied(&h), 0);
}

static void adding_again_changes_nothing(void **state)
{
	struct hll once = { 0 };
	struct hll twice = { 0 };

	(void)state;
	fill(&once, 1, 0, 5000);
	fill(&twice, 1, 2500, 5000);
	fill(&twice, 1, 0, 5000);
	assert_memory_equal(&once, &twice, sizeof(once));
}

/* Both ends of the register's 6 bits: rank 1 and, for 50 zero bits, 51. */
static void ranks_reach_from_1_to_51(void **state)
{
	struct hll h = { 0 };

	(void)state;
	hll_add(&h, UINT64_C(1) << 49);
	assert_int_equal(h.packed[0], 1);
	hll_add(&h, 0);
	assert_int_equal(h.packed[0], 51);
	hll_add(&h, UINT64_MAX);
	assert_int_equal(h.packed[HLL_BYTES - 1], 1 << 2);
	hll_add(&h, UINT64_MAX << 50);
	assert_int_equal(h.packed[HLL_BYTES - 1], 51 << 2);
	assert_int_equal(hll_occupied(&h), 2);
}

/* Every count is within three standard errors for each of ten seeds, and the errors' root
 * mean square and mean are what the theory says, so the estimate is neither noisier nor biased. */
static void the_error_is_what_is_promised(void **state)
{
	static const uint64_t counts[] = { 1000, 2000, 5000, 10000, 20000, 50000, 100000, 1000000 };
	const uint64_t seeds = 10;
	double squares = 0;
	double sum = 0;
	unsigned trials = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (uint64_t seed = 0; seed < (counts[i] > 100000 ? 3 : seeds); seed++) {
			struct hll h = { 0 };
			double error;

			fill(&h, seed * 977 + counts[i], 0, counts[i]);
			error = hll_estimate(&h) / (double)counts[i] - 1;
			assert_true(fabs(error) < 3 * SIGMA);
			squares += error * error;
			sum += error;
			trials++;
		}
	}
	assert_true(sqrt(squares / trials) < 1.15 * SIGMA);
	assert_true(fabs(sum / trials) < 3 * SIGMA / sqrt(trials));
}

static void small_counts_are_nearly_exact(void **state)
{
	struct hll h = { 0 };

	(void)state;
	for (uint64_t n = 1; n <= 100; n++) {
		hll_add(&h, member(5, n));
		assert_true(fabs(hll_estimate(&h) - (double)n) < 1 + 0.02 * (double)n);
	}
}

static void full_registers_estimate_all_hashes_there_are(void **state)
{
	struct hll h = { 0 };

	(void)state;
	for (uint64_t i = 0; i < HLL_REGISTERS; i++)
		hll_add(&h, i << 50);
	assert_int_equal(hll_occupied(&h), HLL_REGISTERS);
	assert_true(hll_estimate(&h) == 0x1p64);
}

static void merging_is_the_union_in_any_order(void **state)
{
	struct hll a = { 0 }, b = { 0 }, ab, ba, both = { 0 };

	(void)state;
	fill(&a, 3, 0, 30000);
	fill(&b, 3, 20000, 60000);
	fill(&both, 3, 0, 60000);
	ab = a;
	hll_merge(&ab, &b);
	ba = b;
	hll_merge(&ba, &a);
	assert_memory_equal(&ab, &both, sizeof(both));
	assert_memory_equal(&ba, &both, sizeof(both));
	hll_merge(&ab, &a);
	assert_memory_equal(&ab, &both, sizeof(both));
}

static void bytes_read_back_are_the_same(void **state)
{
	static const uint64_t counts[] = { 0, 1, 100, 1025, 5000, 7500, 8000, 12000, 100000 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct hll h = { 0 };
		struct hll back;
		struct buf out;

		fill(&h, 11, 0, counts[i]);
		out = put(&h);
		assert_true(out.size <= HLL_BYTES + 1);
		assert_true(get(buf_view(&out), &back));
		assert_memory_equal(&h, &back, sizeof(h));
		buf_release(&out);
	}
}

static void few_registers_are_written_sparse(void **state)
{
	struct hll h = { 0 };
	struct buf out;

	(void)state;
	fill(&h, 11, 0, 1025);
	out = put(&h);
	assert_true(out.size < 2100);
	buf_release(&out);
}

static void every_truncation_is_refused(void **state)
{
	struct hll h = { 0 };
	struct hll back;
	struct buf out;

	(void)state;
	fill(&h, 12, 0, 300);
	out = put(&h);
	for (size_t size = 0; size < out.size; size++)
		assert_false(get(slice_of(out.data, size), &back));
	buf_release(&out);
}

static void what_is_never_written_is_refused(void **state)
{
	static const uint8_t forms[][6] = {
		{ 2, 0, 0 },             /* an unknown form */
		{ 1, 1, 0 },             /* sparse, rank 0 */
		{ 1, 1, 52 },            /* a rank above 51 */
		{ 1, 1, 0x81, 0 },       /* a padded varint */
		{ 1, 2, 1 },             /* fewer than announced */
		{ 1, 1, 0x81, 0x80, 64 } /* register 16,384 */
	};
	static const size_t sizes[] = { 3, 3, 3, 4, 3, 5 };
	uint8_t dense[HLL_BYTES + 1] = { 0 };
	struct hll back;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_false(get(slice_of(forms[i], sizes[i]), &back));
	/* Dense though sparse would be shorter, and a dense rank above 51. */
	assert_false(get(slice_of(dense, sizeof(dense)), &back));
	memset(dense + 1, 0xff, HLL_BYTES);
	assert_false(get(slice_of(dense, sizeof(dense)), &back));
}

/* The registers of a sparse form may be so many that dense is shorter; then only that is. */
static void sparse_is_refused_where_dense_is_shorter(void **state)
{
	struct buf out;
	struct hll back;

	(void)state;
	buf_init(&out, 1 << 20);
	buf_put_u8(&out, 1);
	buf_put_varint(&out, HLL_REGISTERS);
	for (int i = 0; i < HLL_REGISTERS; i++)
		buf_put_varint(&out, 1);
	assert_false(get(buf_view(&out), &back));
	buf_release(&out);
	/* It was read to its end, and nothing but its length is wrong with it. */
	assert_int_equal(hll_occupied(&back), HLL_REGISTERS);
	out = put(&back);
	assert_int_equal(out.size, HLL_BYTES + 1);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_estimates_none),
		cmocka_unit_test(adding_again_changes_nothing),
		cmocka_unit_test(ranks_reach_from_1_to_51),
		cmocka_unit_test(the_error_is_what_is_promised),
		cmocka_unit_test(small_counts_are_nearly_exact),
		cmocka_unit_test(full_registers_estimate_all_hashes_there_are),
		cmocka_unit_test(merging_is_the_union_in_any_order),
		cmocka_unit_test(bytes_read_back_are_the_same),
		cmocka_unit_test(few_registers_are_written_sparse),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(what_is_never_written_is_refused),
		cmocka_unit_test(sparse_is_refused_where_dense_is_shorter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
