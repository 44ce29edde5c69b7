// SPDX-License-Identifier: Apache-2.0
#include "proto/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct slice key_of(unsigned n, char text[16])
{
	snprintf(text, 16, "key%u", n);
	return slice_text(text);
}

static void an_empty_map_has_nothing(void **state)
{
	struct map m;
	size_t cursor = 0;
	void *value;

	(void)state;
	map_init(&m);
	assert_int_equal(map_count(&m), 0);
	assert_null(map_get(&m, slice_text("a")));
	assert_null(map_remove(&m, slice_text("a")));
	assert_false(map_next(&m, &cursor, NULL, &value));
	assert_int_equal(map_memory(&m), 0);
	map_release(&m);
}

static void a_key_is_copied_and_its_value_replaced(void **state)
{
	struct map m;
	char text[] = "key";
	int one, two;

	(void)state;
	map_init(&m);
	assert_int_equal(map_put(&m, slice_text(text), &one), 0);
	text[0] = 'x';
	assert_ptr_equal(map_get(&m, slice_text("key")), &one);
	assert_null(map_get(&m, slice_text("xey")));
	assert_int_equal(map_put(&m, slice_text("key"), &two), 0);
	assert_ptr_equal(map_get(&m, slice_text("key")), &two);
	assert_int_equal(map_count(&m), 1);
	map_release(&m);
	assert_int_equal(map_count(&m), 0);
}

static void keys_are_bytes_of_any_kind(void **state)
{
	struct map m;
	int values[4];

	(void)state;
	map_init(&m);
	assert_int_equal(map_put(&m, slice_text(""), &values[0]), 0);
	assert_int_equal(map_put(&m, slice_of("a\0b", 3), &values[1]), 0);
	assert_int_equal(map_put(&m, slice_of("a\0c", 3), &values[2]), 0);
	assert_int_equal(map_put(&m, slice_of("a", 1), &values[3]), 0);
	assert_ptr_equal(map_get(&m, slice_of(NULL, 0)), &values[0]);
	assert_ptr_equal(map_get(&m, slice_of("a\0b", 3)), &values[1]);
	assert_ptr_equal(map_get(&m, slice_of("a\0c", 3)), &values[2]);
	assert_ptr_equal(map_get(&m, slice_of("a", 1)), &values[3]);
	map_release(&m);
}

#define KEYS 2000

/* Puts and removes in a scattered order, against an array that knows the answer. */
static void a_map_does_what_an_array_would(void **state)
{
	static unsigned values[KEYS];
	bool there[KEYS] = { false };
	struct map m;
	size_t count = 0;
	uint64_t seed = 7;
	char text[16];

	(void)state;
	map_init(&m);
	for (int step = 0; step < 20000; step++) {
		unsigned n;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		n = (unsigned)(seed >> 33) % KEYS;
		assert_ptr_equal(map_get(&m, key_of(n, text)), there[n] ? &values[n] : NULL);
		if (seed >> 63) {
			assert_int_equal(map_put(&m, key_of(n, text), &values[n]), 0);
			count += !there[n];
			there[n] = true;
		} else {
			void *removed = map_remove(&m, key_of(n, text));

			assert_ptr_equal(removed, there[n] ? &values[n] : NULL);
			count -= there[n];
			there[n] = false;
		}
		assert_int_equal(map_count(&m), count);
	}
	for (unsigned n = 0; n < KEYS; n++)
		assert_ptr_equal(map_get(&m, key_of(n, text)), there[n] ? &values[n] : NULL);
	map_release(&m);
}

static void a_walk_meets_each_key_once(void **state)
{
	static unsigned seen[KEYS];
	struct map m;
	struct slice key;
	size_t cursor = 0;
	void *value;
	char text[16];

	(void)state;
	map_init(&m);
	for (unsigned n = 0; n < KEYS; n++)
		assert_int_equal(map_put(&m, key_of(n, text), &seen[n]), 0);
	while (map_next(&m, &cursor, &key, &value)) {
		unsigned n = (unsigned)((unsigned *)value - seen);

		assert_true(slice_equal(key, key_of(n, text)));
		seen[n]++;
	}
	for (unsigned n = 0; n < KEYS; n++)
		assert_int_equal(seen[n], 1);
	assert_true(map_memory(&m) >= KEYS * (sizeof(struct map_slot) + 4));
	assert_true(map_memory(&m) <= KEYS * (3 * sizeof(struct map_slot) + 7));
	map_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_has_nothing),
		cmocka_unit_test(a_key_is_copied_and_its_value_replaced),
		cmocka_unit_test(keys_are_bytes_of_any_kind),
		cmocka_unit_test(a_map_does_what_an_array_would),
		cmocka_unit_test(a_walk_meets_each_key_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
