// SPDX-License-Identifier: Apache-2.0
#include "agent/nap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MS INT64_C(1000000)

static void test_a_nap_is_no_longer_than_the_buffer_lasts(void **state)
{
	(void)state;
	/* What the kernel grants for 16 MiB, for rmem_max of 4 MiB and of 212,992 bytes. */
	assert_int_equal(nap_of_buffer(32 << 20), 20 * MS);
	assert_int_equal(nap_of_buffer(8 << 20), 5242000);
	assert_int_equal(nap_of_buffer(425984), 0);
	assert_int_equal(nap_of_buffer(1600000), MS);
	assert_int_equal(nap_of_buffer(1599999), 0);
	assert_int_equal(nap_of_buffer(0), 0);
	assert_int_equal(nap_of_buffer(INT64_MAX), 20 * MS);
	for (int64_t bytes = 1 << 16; bytes < 1 << 28; bytes += 99991)
		assert_true(nap_of_buffer(bytes) * 16 / 10 <= bytes);
}

static void test_the_first_datagram_is_read_at_once(void **state)
{
	struct nap n;

	(void)state;
	nap_init(&n, 10 * MS);
	assert_int_equal(nap_next(&n, 1, 0), 0);
}

static void test_what_comes_soon_after_is_left_to_gather(void **state)
{
	struct nap n;

	(void)state;
	nap_init(&n, 10 * MS);
	assert_int_equal(nap_next(&n, 1, 100 * MS), 0);
	assert_int_equal(nap_next(&n, 1, 110 * MS - 1), 10 * MS);
	/* Late or not: the nap found something, so more will come. */
	assert_int_equal(nap_next(&n, 1, 120 * MS), 10 * MS);
	assert_int_equal(nap_next(&n, 1, 500 * MS), 10 * MS);
	assert_int_equal(nap_next(&n, 0, 510 * MS), 0);
	/* And after a pause again. */
	assert_int_equal(nap_next(&n, 1, 511 * MS), 10 * MS);
	assert_int_equal(nap_next(&n, 0, 521 * MS), 0);
	assert_int_equal(nap_next(&n, 1, 531 * MS), 0);
}

static void test_where_many_come_naps_are_shorter(void **state)
{
	struct nap n;

	(void)state;
	nap_init(&n, 10 * MS);
	assert_int_equal(nap_next(&n, 1, 1 * MS), 0);
	assert_int_equal(nap_next(&n, 1, 2 * MS), 10 * MS);
	assert_int_equal(nap_next(&n, 5120, 12 * MS), MS);
	assert_int_equal(nap_next(&n, 512, 13 * MS), MS);
	/* What was read took time, in which more came. */
	assert_int_equal(nap_next(&n, 2048, 15 * MS), MS / 2);
	assert_int_equal(nap_next(&n, UINT64_MAX, 16 * MS), NAP_SHORT_NS);
	/* Fewer come, or none. */
	assert_int_equal(nap_next(&n, 256, 17 * MS), 2 * MS);
	assert_int_equal(nap_next(&n, 0, 19 * MS), 0);
	/* They have begun again, a hundred in a millisecond. */
	assert_int_equal(nap_next(&n, 100, 20 * MS), 5120000);
	assert_int_equal(nap_next(&n, 1, 26 * MS), 10 * MS);
	/* It stood still for a year. */
	assert_int_equal(nap_next(&n, 1, INT64_C(365) * 86400 * 1000 * MS), 10 * MS);
}

static void test_rare_ones_are_never_left(void **state)
{
	struct nap n;

	(void)state;
	nap_init(&n, 10 * MS);
	for (int64_t now = 0; now < 1000 * MS; now += 10 * MS)
		assert_int_equal(nap_next(&n, 1, now), 0);
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
		uint64_t found = 0;

		for (; came <= now; came += gap_ns)
			found++;
		wait = nap_next(&n, found, now);
		now = wait > 0 ? now + wait : came;
		count++;
	}
	return count;
}

static void test_wakes_are_bounded_whatever_the_rate(void **state)
{
	(void)state;
	/* A hundred a second, or one for 512 datagrams. */
	for (int64_t gap_ns = 20000; gap_ns < 10 * MS; gap_ns += 7919)
		assert_in_range(wakes(gap_ns), 99, 103);
	assert_in_range(wakes(1000), 1900, 2000);
	assert_in_range(wakes(5000), 380, 400);
	assert_in_range(wakes(10 * MS), 100, 101);
	assert_in_range(wakes(100 * MS), 10, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_nap_is_no_longer_than_the_buffer_lasts),
		cmocka_unit_test(test_the_first_datagram_is_read_at_once),
		cmocka_unit_test(test_what_comes_soon_after_is_left_to_gather),
		cmocka_unit_test(test_where_many_come_naps_are_shorter),
		cmocka_unit_test(test_rare_ones_are_never_left),
		cmocka_unit_test(test_without_a_buffer_nobody_naps),
		cmocka_unit_test(test_wakes_are_bounded_whatever_the_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
