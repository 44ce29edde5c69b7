// SPDX-License-Identifier: Apache-2.0
#include "agent/nap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MS INT64_C(1000000)

static void test_a_nap_is_as_long_as_half_of_the_buffer_lasts(void **state)
{
	(void)state;
	/* What the kernel grants for 16 MiB, for rmem_max of 4 MiB and of 212,992 bytes. */
	assert_int_equal(nap_of_buffer(32 << 20), 10 * MS);
	assert_int_equal(nap_of_buffer(8 << 20), 2621000);
	assert_int_equal(nap_of_buffer(425984), 0);
	assert_int_equal(nap_of_buffer(3200000), MS);
	assert_int_equal(nap_of_buffer(3199999), 0);
	assert_int_equal(nap_of_buffer(0), 0);
	assert_int_equal(nap_of_buffer(INT64_MAX), 10 * MS);
	for (int64_t bytes = 1 << 16; bytes < 1 << 28; bytes += 99991)
		assert_true(nap_of_buffer(bytes) * 16 / 10 <= bytes / 2);
}

static void test_the_first_datagram_is_read_at_once(void **state)
{
	struct nap n;

	(void)state;
	nap_init(&n, 10 * MS);
	assert_int_equal(nap_next(&n, true, 0), 0);
}

static void test_what_comes_soon_after_is_left_to_gather(void **state)
{
	struct nap n;

	(void)state;
	nap_init(&n, 10 * MS);
	assert_int_equal(nap_next(&n, true, 100 * MS), 0);
	assert_int_equal(nap_next(&n, true, 110 * MS - 1), 10 * MS);
	/* Late or not: the nap found something, so more will come. */
	assert_int_equal(nap_next(&n, true, 120 * MS), 10 * MS);
	assert_int_equal(nap_next(&n, true, 500 * MS), 10 * MS);
	assert_int_equal(nap_next(&n, false, 510 * MS), 0);
	/* And after a pause again. */
	assert_int_equal(nap_next(&n, true, 511 * MS), 10 * MS);
	assert_int_equal(nap_next(&n, false, 521 * MS), 0);
	assert_int_equal(nap_next(&n, true, 531 * MS), 0);
}

static void test_rare_ones_are_never_left(void **state)
{
	struct nap n;

	(void)state;
	nap_init(&n, 10 * MS);
	for (int64_t now = 0; now < 1000 * MS; now += 10 * MS)
		assert_int_equal(nap_next(&n, true, now), 0);
}

static void test_without_a_buffer_nobody_naps(void **state)
{
	struct nap n;

	(void)state;
	nap_init(&n, 0);
	for (int64_t now = 0; now < 1000; now++)
		assert_int_equal(nap_next(&n, now % 3 > 0, now), 0);
}

/* How often a receiver wakes in a second in which a datagram comes each so many nanoseconds. */
static unsigned wakes(int64_t gap_ns)
{
	int64_t now = 0, wait, came = 0;
	unsigned count = 0;
	struct nap n;

	nap_init(&n, 10 * MS);
	while (now < 1000 * MS) {
		bool found = came <= now;

		while (came <= now)
			came += gap_ns;
		wait = nap_next(&n, found, now);
		now = wait > 0 ? now + wait : came;
		count++;
	}
	return count;
}

static void test_wakes_are_bounded_whatever_the_rate(void **state)
{
	(void)state;
	for (int64_t gap_ns = 1000; gap_ns < 10 * MS; gap_ns += 7919)
		assert_in_range(wakes(gap_ns), 99, 103);
	assert_in_range(wakes(10 * MS), 100, 101);
	assert_in_range(wakes(100 * MS), 10, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_nap_is_as_long_as_half_of_the_buffer_lasts),
		cmocka_unit_test(test_the_first_datagram_is_read_at_once),
		cmocka_unit_test(test_what_comes_soon_after_is_left_to_gather),
		cmocka_unit_test(test_rare_ones_are_never_left),
		cmocka_unit_test(test_without_a_buffer_nobody_naps),
		cmocka_unit_test(test_wakes_are_bounded_whatever_the_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
