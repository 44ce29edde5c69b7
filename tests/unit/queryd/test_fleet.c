// SPDX-License-Identifier: Apache-2.0
#include "queryd/fleet.h"

#include "proto/hour.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HOUR INT64_C(490000)
#define NOW  (HOUR * HOUR_SECONDS + 1800)

static struct fleet fleet;

/* One field of hg:{fleet}. */
static void put(const char *field, const char *value)
{
	fleet_kept_put(&fleet.kept, slice_text(field), slice_text(value), NOW);
}

static int set_up(void **state)
{
	(void)state;
	fleet_init(&fleet, NULL, NULL, NULL);
	return 0;
}

static void nobody_says_and_any_hour_may_be_there(void **state)
{
	(void)state;
	assert_int_equal(fleet_kept_from(&fleet, 840, NOW), 0);
	assert_int_equal(fleet_retention_hours(&fleet, 840), 840);
	put("cfg", "4294967328");
	put("kept", "1764003600");
	put("other:200", "1864003600");
	assert_int_equal(fleet_kept_from(&fleet, 840, NOW), 0);
}

static void the_greatest_counts_while_it_counts(void **state)
{
	(void)state;
	put("kept:192", "1764100000");
	assert_int_equal(fleet_retention_hours(&fleet, 840), 192);
	put("kept:1000", "1764100000");
	put("kept:500", "1764100000");
	put("kept:9000", "1764001799"); /* over since a second */
	assert_int_equal(fleet_retention_hours(&fleet, 840), 1000);
	/* Whole days, and two more than the retention. */
	assert_int_equal(fleet_kept_from(&fleet, 840, NOW), (HOUR - 1050) / 24 * 24);
	/* So says the configuration, of relays that do not say. */
	assert_int_equal(fleet_kept_from(&fleet, 2000, NOW), (HOUR - 2050) / 24 * 24);
	assert_int_equal(fleet_kept_from(&fleet, 1000000, NOW), 0);
}

static void one_that_does_not_say_leaves_all_open(void **state)
{
	static const char *const fields[] = { "kept:0", "kept:", "kept:x", "kept:-5", "kept:9999999" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		(void)set_up(NULL);
		put("kept:192", "1764100000");
		put(fields[i], "1764001800"); /* over */
		assert_int_not_equal(fleet_kept_from(&fleet, 192, NOW), 0);
		put(fields[i], "1764001801");
		assert_int_equal(fleet_kept_from(&fleet, 192, NOW), 0);
		assert_int_equal(fleet_retention_hours(&fleet, 840), 840);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nobody_says_and_any_hour_may_be_there, set_up),
		cmocka_unit_test_setup(the_greatest_counts_while_it_counts, set_up),
		cmocka_unit_test_setup(one_that_does_not_say_leaves_all_open, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
