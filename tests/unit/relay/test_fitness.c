// SPDX-License-Identifier: Apache-2.0
#include "relay/fitness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define MASTER "# Replication\r\nrole:master\r\n"
#define GOOD   "maxmemory_policy:noeviction\r\naof_enabled:1\r\n"

static bool note(struct fitness *f, enum redis_kind kind, const char *info)
{
	return fitness_note(f, kind, slice_text(info));
}

/* One look at one master. */
static const char *defect_of(enum redis_kind kind, const char *info)
{
	struct fitness f = { .fit = false };

	fitness_begin(&f);
	assert_true(note(&f, kind, info));
	assert_true(fitness_end(&f));
	assert_true(f.fit == (f.defect == NULL));
	return f.defect;
}

static void test_a_master_must_keep_what_it_took(void **state)
{
	(void)state;
	assert_null(defect_of(REDIS_SINGLE, MASTER GOOD "connected_slaves:1\r\n"));
	assert_string_equal(defect_of(REDIS_SINGLE, MASTER "maxmemory_policy:noeviction\r\n"
						    "aof_enabled:0\r\n"), "appendonly is no");
	assert_string_equal(defect_of(REDIS_SINGLE, MASTER "maxmemory_policy:allkeys-lru\r\n"
						    "aof_enabled:1\r\n"),
			    "maxmemory-policy is not noeviction");
}

static void test_where_a_replica_may_be_promoted_writing_is_bounded(void **state)
{
	static const char zero[] = "min-replicas-to-write is 0";

	(void)state;
	assert_string_equal(defect_of(REDIS_SENTINEL, MASTER GOOD "connected_slaves:0\r\n"), zero);
	assert_string_equal(defect_of(REDIS_CLUSTER, MASTER GOOD "connected_slaves:1\r\n"), zero);
	assert_null(defect_of(REDIS_CLUSTER, MASTER GOOD "connected_slaves:0\r\n"));
	assert_null(defect_of(REDIS_SENTINEL, MASTER GOOD "connected_slaves:1\r\n"
					      "min_slaves_good_slaves:1\r\n"));
}

static void test_who_is_no_master_does_not_count(void **state)
{
	struct fitness f = { .fit = false };

	(void)state;
	fitness_begin(&f);
	assert_false(note(&f, REDIS_SINGLE, "role:slave\r\n" GOOD));
	assert_false(fitness_end(&f));
	assert_false(f.fit);
}

/* It may be the unfit one, whichever of them answers last. */
static void test_a_master_that_is_silent_leaves_it_as_it_is(void **state)
{
	struct fitness f = { .fit = false };

	(void)state;
	for (int fit = 0; fit < 2; fit++)
		for (int silent = 0; silent < 3; silent++) {
			f.fit = fit;
			fitness_begin(&f);
			for (int i = 0; i < 3; i++)
				assert_true(note(&f, REDIS_CLUSTER, i == silent ? "" : MASTER GOOD
						 "connected_slaves:0\r\n") == (i != silent));
			assert_false(fitness_end(&f));
			assert_true(f.fit == fit);
		}
	fitness_begin(&f);
	assert_false(note(&f, REDIS_CLUSTER, ""));
	assert_true(note(&f, REDIS_CLUSTER, MASTER));
	assert_true(fitness_end(&f));
	assert_false(f.fit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_master_must_keep_what_it_took),
		cmocka_unit_test(test_where_a_replica_may_be_promoted_writing_is_bounded),
		cmocka_unit_test(test_who_is_no_master_does_not_count),
		cmocka_unit_test(test_a_master_that_is_silent_leaves_it_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
