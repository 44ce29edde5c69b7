// SPDX-License-Identifier: Apache-2.0
#include "proto/cell_set.h"

#include "proto/err.h"
#include "proto/hash.h"
#include "tests/lib/bytes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t member(uint64_t i)
{
	return hash64(slice_of(&i, sizeof(i)));
}

static int hash_compare(const void *a, const void *b)
{
	const uint64_t *left = a;
	const uint64_t *right = b;

	return (*left > *right) - (*left < *right);
}

/* Adds members from..to-1, in groups of `step`. */
static void fill_by(struct cell_set *s, uint64_t from, uint64_t to, uint64_t step)
{
	uint64_t *hashes = calloc(step, sizeof(*hashes));
	struct buf bytes;

	assert_non_null(hashes);
	buf_init(&bytes, 1 << 20);
	while (from < to) {
		size_t count = 0;

		while (count < step && from < to)
			hashes[count++] = member(from++);
		qsort(hashes, count, sizeof(*hashes), hash_compare);
		buf_reset(&bytes);
		for (size_t i = 0; i < count; i++)
			buf_put_u64(&bytes, hashes[i]);
		assert_int_equal(buf_status(&bytes), 0);
		assert_int_equal(cell_set_add(s, buf_view(&bytes)), 0);
	}
	buf_release(&bytes);
	free(hashes);
}

static struct cell_set filled(uint64_t from, uint64_t to)
{
	struct cell_set s = { 0 };

	fill_by(&s, from, to, 100);
	return s;
}

static struct buf put(const struct cell_set *s)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	cell_set_put(s, &out);
	assert_int_equal(buf_status(&out), 0);
	return out;
}

static int get(struct slice bytes, struct cell_set *s)
{
	struct reader in = reader_of(bytes);
	int rc;

	*s = (struct cell_set){ 0 };
	rc = cell_set_get(&in, s);
	return rc == 0 ? reader_finish(&in) : rc;
}

static void assert_same(const struct cell_set *a, const struct cell_set *b)
{
	bytes_assert_same(put(a), put(b));
}

static void a_member_counts_once(void **state)
{
	struct cell_set s = filled(0, 700);
	bool exact;

	(void)state;
	fill_by(&s, 0, 700, 1);
	fill_by(&s, 300, 710, 37);
	assert_true(cell_set_count(&s, &exact) == 710);
	assert_true(exact);
	cell_set_release(&s);
}

static void an_empty_set_has_no_members(void **state)
{
	struct cell_set s = { 0 };
	bool exact;

	(void)state;
	assert_int_equal(cell_set_add(&s, slice_of(NULL, 0)), 0);
	assert_true(cell_set_count(&s, &exact) == 0);
	assert_true(exact);
	assert_int_equal(cell_set_memory(&s), 0);
	cell_set_release(&s);
}

static void exactly_1024_are_exact_and_one_more_is_not(void **state)
{
	struct cell_set s = filled(0, 1024);
	bool exact;

	(void)state;
	assert_true(cell_set_count(&s, &exact) == 1024);
	assert_true(exact);
	fill_by(&s, 0, 1024, 1024);
	assert_true(cell_set_count(&s, &exact) == 1024);
	assert_true(exact);
	fill_by(&s, 1024, 1025, 1);
	assert_true(cell_set_count(&s, &exact) >= 1025);
	assert_false(exact);
	assert_int_equal(cell_set_memory(&s), HLL_BYTES);
	cell_set_release(&s);
}

/* However members arrive, the same set comes of them, to the byte. */
static void only_the_union_matters(void **state)
{
	static const uint64_t counts[] = { 10, 1000, 1024, 1025, 1100, 9000 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct cell_set one_by_one = { 0 };
		struct cell_set at_once = { 0 };
		struct cell_set merged = filled(0, counts[i] / 2 + 3);
		struct cell_set rest = filled(counts[i] / 2, counts[i]);

		fill_by(&one_by_one, 0, counts[i], 1);
		fill_by(&at_once, 0, counts[i], counts[i]);
		assert_int_equal(cell_set_merge(&merged, &rest), 0);
		assert_same(&one_by_one, &at_once);
		assert_same(&one_by_one, &merged);
		cell_set_release(&one_by_one);
		cell_set_release(&at_once);
		cell_set_release(&merged);
		cell_set_release(&rest);
	}
}

static void assert_commutes(uint64_t a_end, uint64_t b_start, uint64_t b_end)
{
	struct cell_set ab = filled(0, a_end);
	struct cell_set ba = filled(b_start, b_end);
	struct cell_set a = filled(0, a_end);
	struct cell_set b = filled(b_start, b_end);

	assert_int_equal(cell_set_merge(&ab, &b), 0);
	assert_int_equal(cell_set_merge(&ba, &a), 0);
	assert_same(&ab, &ba);
	/* And again: a union holds its parts already. */
	assert_int_equal(cell_set_merge(&ab, &b), 0);
	assert_same(&ab, &ba);
	cell_set_release(&ab);
	cell_set_release(&ba);
	cell_set_release(&a);
	cell_set_release(&b);
}

static void merging_commutes_in_every_mix_of_forms(void **state)
{
	(void)state;
	assert_commutes(0, 0, 0);
	assert_commutes(5, 0, 0);
	assert_commutes(20, 10, 30);
	assert_commutes(600, 300, 900);
	assert_commutes(600, 600, 1300);
	assert_commutes(1000, 900, 3000);
	assert_commutes(5000, 4000, 9000);
	assert_commutes(0, 0, 2000);
}

static void the_estimate_is_within_three_standard_errors(void **state)
{
	static const uint64_t counts[] = { 1025, 3000, 10000, 40000 };
	bool exact;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct cell_set s = { 0 };
		double count;

		fill_by(&s, 1000000, 1000000 + counts[i], 5000);
		count = cell_set_count(&s, &exact);
		assert_true(fabs(count / (double)counts[i] - 1) < 3 * 0.0081);
		assert_true(count == rint(count));
		assert_true(cell_set_floor(&s) <= counts[i]);
		cell_set_release(&s);
	}
}

/* All hashes in one register: the estimate would be about 1, but 1,025 were there. */
static void an_estimate_is_never_below_what_is_known(void **state)
{
	struct cell_set s = { 0 };
	struct buf bytes;
	bool exact;

	(void)state;
	buf_init(&bytes, 1 << 20);
	for (uint64_t i = 0; i < 1025; i++)
		buf_put_u64(&bytes, i);
	assert_int_equal(cell_set_add(&s, buf_view(&bytes)), 0);
	assert_true(cell_set_count(&s, &exact) == 1025);
	assert_false(exact);
	buf_release(&bytes);
	cell_set_release(&s);
}

static void bytes_read_back_are_the_same(void **state)
{
	static const uint64_t counts[] = { 0, 1, 2, 1000, 1024, 1025, 5000, 30000 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct cell_set s = { 0 };
		struct cell_set back;
		struct buf out;

		fill_by(&s, 0, counts[i], 3000);
		out = put(&s);
		assert_int_equal(get(buf_view(&out), &back), 0);
		assert_same(&s, &back);
		cell_set_release(&s);
		cell_set_release(&back);
		buf_release(&out);
	}
}

static void assert_refused(const uint8_t *bytes, size_t size)
{
	struct cell_set s;

	assert_int_not_equal(get(slice_of(bytes, size), &s), 0);
	cell_set_release(&s);
}

static void every_truncation_is_refused(void **state)
{
	static const uint64_t counts[] = { 20, 1500 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct cell_set s = filled(0, counts[i]);
		struct buf out = put(&s);

		for (size_t size = 0; size < out.size; size++)
			assert_refused(out.data, size);
		cell_set_release(&s);
		buf_release(&out);
	}
}

static void what_is_never_written_is_refused(void **state)
{
	static const uint8_t twice[17] = { 2, 9, 0, 0, 0, 0, 0, 0, 0, 9 };
	static const uint8_t falling[17] = { 2, 9, 0, 0, 0, 0, 0, 0, 0, 8 };
	static const uint8_t many[] = { 0x82, 0x08, 0, 0 };     /* 1,026 */
	static const uint8_t empty_hll[] = { 0x81, 0x08, 1, 0 }; /* no register above 0 */
	static const uint8_t padded[] = { 0x80, 0 };

	(void)state;
	assert_refused(twice, sizeof(twice));
	assert_refused(falling, sizeof(falling));
	assert_refused(many, sizeof(many));
	assert_refused(empty_hll, sizeof(empty_hll));
	assert_refused(padded, sizeof(padded));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_counts_once),
		cmocka_unit_test(an_empty_set_has_no_members),
		cmocka_unit_test(exactly_1024_are_exact_and_one_more_is_not),
		cmocka_unit_test(only_the_union_matters),
		cmocka_unit_test(merging_commutes_in_every_mix_of_forms),
		cmocka_unit_test(the_estimate_is_within_three_standard_errors),
		cmocka_unit_test(an_estimate_is_never_below_what_is_known),
		cmocka_unit_test(bytes_read_back_are_the_same),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(what_is_never_written_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
