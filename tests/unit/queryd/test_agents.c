// SPDX-License-Identifier: Apache-2.0
#include "queryd/agents.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW  INT64_C(1000000)
#define GONE INT64_C(3600)

static void read_all(struct agents *a, const char *const *texts)
{
	agents_begin(a);
	for (; *texts; texts++)
		agents_add(a, slice_text(*texts), NOW);
	assert_int_equal(agents_commit(a), 0);
}

static void assert_verdict(struct agents *a, int64_t end, bool complete, unsigned waiting,
			   unsigned gone)
{
	struct agents_verdict verdict = agents_judge(a, end, NOW, GONE);

	assert_int_equal(verdict.complete, complete);
	assert_int_equal(verdict.waiting, waiting);
	assert_int_equal(verdict.gone, gone);
}

static void nothing_is_complete_before_agents_were_read(void **state)
{
	struct agents a;

	(void)state;
	agents_init(&a);
	assert_verdict(&a, 1, false, 0, 0);
	agents_begin(&a);
	assert_verdict(&a, 1, false, 0, 0);
	assert_int_equal(agents_commit(&a), 0);
	assert_verdict(&a, 1, true, 0, 0);
	assert_verdict(&a, NOW, true, 0, 0);
	assert_verdict(&a, NOW + 1, false, 0, 0);
	agents_forget(&a);
	assert_verdict(&a, 1, false, 0, 0);
	agents_release(&a);
}

static void an_hour_waits_for_every_agent_seen_lately(void **state)
{
	static const char *const texts[] = { "999000 999990 0 web-1", "998000 999990 0 web-2", NULL };
	struct agents a;

	(void)state;
	agents_init(&a);
	read_all(&a, texts);
	assert_int_equal(agents_count(&a), 2);
	assert_verdict(&a, 997000, true, 0, 0);
	assert_verdict(&a, 998000, true, 0, 0);
	assert_verdict(&a, 998001, false, 1, 0);
	assert_verdict(&a, 999001, false, 2, 0);
	agents_release(&a);
}

static void those_who_left_or_are_gone_are_not_waited_for(void **state)
{
	static const char *const texts[] = { "1 999999 1 left", "1 996400 0 barely", "1 996399 0 gone",
					     NULL };
	struct agents a;

	(void)state;
	agents_init(&a);
	read_all(&a, texts);
	assert_verdict(&a, 500, false, 1, 1);
	read_all(&a, (const char *const[]){ "1 996399 0 gone", NULL });
	assert_verdict(&a, 500, true, 0, 1);
	agents_release(&a);
}

static void a_reading_that_is_not_whole_changes_nothing(void **state)
{
	struct agents a;

	(void)state;
	agents_init(&a);
	read_all(&a, (const char *const[]){ "100 999999 0 x", NULL });
	agents_begin(&a);
	agents_add(&a, slice_text("900 999999 0 x"), NOW);
	assert_verdict(&a, 500, false, 1, 0);
	read_all(&a, (const char *const[]){ "900 999999 0 x", NULL });
	assert_int_equal(agents_count(&a), 1);
	assert_verdict(&a, 500, true, 0, 0);
	agents_release(&a);
}

static void what_cannot_be_read_keeps_hours_open(void **state)
{
	static const char *const cases[] = { "", " ", "1", "1 2", "1 2 3 x", "x 2 0 h", "1 x 0 h",
					     "-1 2 0 h", "1 2 0", "9999999999999999999 2 0 h",
					     "1  2 0 h" };
	struct agents a;
	size_t i;

	(void)state;
	agents_init(&a);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		read_all(&a, (const char *const[]){ cases[i], NULL });
		assert_verdict(&a, 500, false, 1, 0);
	}
	read_all(&a, (const char *const[]){ "900 999999 0 ", NULL });
	assert_verdict(&a, 500, true, 0, 0);
	agents_release(&a);
}

static void the_same_question_later_has_its_own_answer(void **state)
{
	static const char *const texts[] = { "5000 9000 0 web-1", "7000 9500 0 web-2", NULL };
	static const char *const later[] = { "8000 9900 0 web-1", "7000 9500 0 web-2", NULL };
	struct agents a;
	int i;

	(void)state;
	agents_init(&a);
	read_all(&a, texts);
	for (i = 0; i < 2; i++) {
		assert_int_equal(agents_judge(&a, 6000, 10000, 1000).waiting, 1);
		assert_int_equal(agents_judge(&a, 6000, 10001, 1000).gone, 1);
		assert_int_equal(agents_judge(&a, 6000, 10001, 999).gone, 1);
		assert_int_equal(agents_judge(&a, 6000, 10001, 1001).gone, 0);
		assert_int_equal(agents_judge(&a, 7000, 10001, 1001).waiting, 1);
		assert_int_equal(agents_judge(&a, 7001, 10001, 1001).waiting, 2);
		assert_true(agents_judge(&a, 5000, 10001, 1001).complete);
		assert_false(agents_judge(&a, 5001, 10001, 1001).complete);
	}
	read_all(&a, later);
	assert_true(agents_judge(&a, 5001, 10001, 1001).complete);
	assert_true(agents_judge(&a, 7000, 10001, 1001).complete);
	agents_forget(&a);
	assert_false(agents_judge(&a, 7000, 10001, 1001).complete);
	agents_release(&a);
}

static void many_agents_are_counted(void **state)
{
	struct agents a;
	char text[64];
	int i;

	(void)state;
	agents_init(&a);
	agents_begin(&a);
	for (i = 0; i < 10000; i++) {
		(void)snprintf(text, sizeof(text), "%d 999999 0 host-%d", i, i);
		agents_add(&a, slice_text(text), NOW);
	}
	assert_int_equal(agents_commit(&a), 0);
	assert_verdict(&a, 5000, false, 5000, 0);
	agents_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_complete_before_agents_were_read),
		cmocka_unit_test(an_hour_waits_for_every_agent_seen_lately),
		cmocka_unit_test(those_who_left_or_are_gone_are_not_waited_for),
		cmocka_unit_test(a_reading_that_is_not_whole_changes_nothing),
		cmocka_unit_test(what_cannot_be_read_keeps_hours_open),
		cmocka_unit_test(the_same_question_later_has_its_own_answer),
		cmocka_unit_test(many_agents_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
