// SPDX-License-Identifier: Apache-2.0
#include "proto/keysort.h"

#include "tests/lib/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define ROOM 20000

static int compare(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* keysort must agree with qsort: the same keys, in order. */
static void assert_sorts(const uint64_t *keys, size_t count)
{
	uint64_t *ours = malloc((count + 1) * sizeof(*ours));
	uint64_t *theirs = malloc((count + 1) * sizeof(*theirs));

	memcpy(ours, keys, count * sizeof(*ours));
	memcpy(theirs, keys, count * sizeof(*theirs));
	keysort(ours, count);
	qsort(theirs, count, sizeof(*theirs), compare);
	assert_memory_equal(ours, theirs, count * sizeof(*ours));
	free(ours);
	free(theirs);
}

/* One input of each shape that takes another path through the sort. */
static uint64_t shaped(unsigned shape, uint64_t *random, size_t i)
{
	uint64_t r = bytes_random(random);

	switch (shape) {
	case 0: /* few values, far from zero: counted */
		return 5000000 + r % 1000;
	case 1: /* all bits: dealt */
		return r;
	case 2: /* skewed: a few far away push nearly all into one bucket */
		return i % 100 ? r % 100000 : r;
	case 3: /* every level differs: halves of halves */
		return r >> r % 64;
	case 4: /* already sorted */
		return i * 977;
	case 5: /* reversed */
		return UINT64_MAX - i * 977;
	case 6: /* all equal but one */
		return i == 77 ? 0 : UINT64_MAX;
	default: /* two values at the ends */
		return r & 1 ? UINT64_MAX : 0;
	}
}

static void test_agrees_with_qsort_on_every_shape_and_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 31, 32, 33, 34, 100, 1000, 1025, ROOM };
	uint64_t *keys = malloc(ROOM * sizeof(*keys));
	uint64_t random = 1;

	(void)state;
	for (unsigned shape = 0; shape < 8; shape++) {
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			for (size_t i = 0; i < sizes[s]; i++)
				keys[i] = shaped(shape, &random, i);
			assert_sorts(keys, sizes[s]);
		}
	}
	free(keys);
}

/* The span at which counting ends, from both sides. */
static void test_agrees_with_qsort_where_counting_ends(void **state)
{
	uint64_t keys[2048];
	uint64_t random = 2;

	(void)state;
	for (uint64_t span = 4090; span <= 4100; span++) {
		for (size_t i = 0; i < 2048; i++)
			keys[i] = 7 + bytes_random_below(&random, span);
		keys[0] = 7;
		keys[1] = 7 + span - 1;
		assert_sorts(keys, 2048);
	}
}

static void test_keys_of_doubles_keep_their_order(void **state)
{
	static const double ascending[] = { -1e308, -2.5, -1, -4.9e-324, 0,
					    4.9e-324, 1, 2.5, 1e308 };
	uint64_t before = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(ascending) / sizeof(ascending[0]); i++) {
		uint64_t bits, key;

		memcpy(&bits, &ascending[i], sizeof(bits));
		key = keysort_of_bits(bits);
		assert_true(i == 0 || key > before);
		assert_true(keysort_to_bits(key) == bits);
		before = key;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agrees_with_qsort_on_every_shape_and_size),
		cmocka_unit_test(test_agrees_with_qsort_where_counting_ends),
		cmocka_unit_test(test_keys_of_doubles_keep_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
