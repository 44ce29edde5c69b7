// SPDX-License-Identifier: Apache-2.0
#include "queryd/names_pass.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAMES      4000
#define PARTITIONS 12

/* A Redis with names in the order of coming, and what has been met of them. */
static struct {
	int64_t second[NAMES];
	uint32_t partition[NAMES];
	bool met[NAMES];
	size_t count;
} model;

static struct names_pass pass;

static void setup(void)
{
	memset(&model, 0, sizeof(model));
	names_pass_init(&pass);
}

static void come(int64_t second, uint32_t partition, size_t count)
{
	while (count-- > 0) {
		assert_true(model.count < NAMES);
		model.second[model.count] = second;
		model.partition[model.count++] = partition;
	}
}

static void meet(size_t name, const struct names_question *q)
{
	model.met[name] = true;
	names_pass_name(&pass, q->partition, model.second[name]);
}

/* The cursor is the next name. */
static void answer_whole(const struct names_question *q)
{
	size_t at = (size_t)q->cursor, met = 0;

	for (; at < model.count && met < q->count; at++) {
		if (model.partition[at] != q->partition)
			continue;
		meet(at, q);
		met++;
	}
	names_pass_answered(&pass, q->partition, met, at < model.count ? at : 0);
}

static void answer_newer(const struct names_question *q)
{
	size_t skip = q->offset, met = 0, at;

	for (at = 0; at < model.count && met < q->count; at++) {
		if (model.partition[at] != q->partition || model.second[at] < q->since ||
		    (q->over && model.second[at] == q->since))
			continue;
		if (skip > 0) {
			skip--;
			continue;
		}
		meet(at, q);
		met++;
	}
	names_pass_answered(&pass, q->partition, met, 0);
}

static void answer(const struct names_question *q)
{
	if (q->whole)
		answer_whole(q);
	else
		answer_newer(q);
}

/* Questions of a pass; that of one partition is kept. */
static size_t run(uint32_t partitions, int64_t now_ms, struct names_question *of_first)
{
	struct names_question q;
	size_t asked = 0;

	names_pass_begin(&pass, partitions, now_ms);
	while (names_pass_next(&pass, &q)) {
		if (q.partition == 0 && of_first)
			*of_first = q;
		answer(&q);
		asked++;
	}
	assert_int_equal(names_pass_open(&pass), 0);
	names_pass_end(&pass, now_ms);
	return asked;
}

static void the_first_pass_goes_through_all(void **state)
{
	struct names_question q;
	size_t i;

	(void)state;
	setup();
	come(1000, 0, 1700);
	names_pass_begin(&pass, 1, 0);
	assert_true(names_pass_whole(&pass));
	assert_true(names_pass_next(&pass, &q));
	assert_true(q.whole);
	assert_int_equal(q.cursor, 0);
	assert_true(q.count > 0);
	for (i = 1; i * q.count < 1700; i++) {
		answer(&q);
		assert_true(names_pass_next(&pass, &q));
		assert_int_equal(q.cursor, i * q.count);
	}
	answer(&q);
	assert_false(names_pass_next(&pass, &q));
	for (i = 0; i < model.count; i++)
		assert_true(model.met[i]);
}

/* Redis may give fewer than asked for, or none, and still have more. */
static void only_the_cursor_ends_a_whole_pass(void **state)
{
	struct names_question q;

	(void)state;
	setup();
	names_pass_begin(&pass, 1, 0);
	assert_true(names_pass_next(&pass, &q));
	names_pass_answered(&pass, 0, 0, 7);
	assert_true(names_pass_next(&pass, &q));
	assert_int_equal(q.cursor, 7);
	names_pass_answered(&pass, 0, q.count, 0);
	assert_false(names_pass_next(&pass, &q));
}

static void few_questions_are_open_and_one_a_partition(void **state)
{
	struct names_question q[PARTITIONS];
	bool asked[PARTITIONS] = { false };
	size_t whole = 0, newer = 0, i;

	(void)state;
	setup();
	names_pass_begin(&pass, PARTITIONS, 0);
	while (names_pass_next(&pass, &q[whole]))
		whole++;
	assert_in_range(whole, 1, 2);
	assert_int_equal(names_pass_open(&pass), whole);
	for (i = 0; i < whole; i++)
		names_pass_answered(&pass, q[i].partition, 0, 0);
	while (names_pass_next(&pass, &q[0]))
		names_pass_answered(&pass, q[0].partition, 0, 0);
	names_pass_end(&pass, 0);
	names_pass_begin(&pass, PARTITIONS, 0);
	assert_false(names_pass_whole(&pass));
	while (names_pass_next(&pass, &q[newer])) {
		assert_false(asked[q[newer].partition]);
		asked[q[newer++].partition] = true;
	}
	assert_in_range(newer, whole + 1, PARTITIONS - 1);
	/* An answer makes room for one question: for who has not been asked, not who has more. */
	names_pass_answered(&pass, q[0].partition, q[0].count, 0);
	assert_true(names_pass_next(&pass, &q[newer]));
	assert_false(asked[q[newer].partition]);
}

static void the_next_pass_begins_before_the_whole_one_did(void **state)
{
	struct names_question q;

	(void)state;
	setup();
	come(5000, 0, 1);
	names_pass_begin(&pass, 1, 10000);
	assert_true(names_pass_next(&pass, &q));
	answer(&q);
	names_pass_end(&pass, 10000 + 300 * 1000);
	(void)run(1, 311000, &q);
	assert_false(q.whole);
	assert_false(q.over);
	assert_in_range(5000 - q.since, 300, 600);
	assert_int_equal(q.offset, 0);
}

/* A second that may still grow is asked for again, from its beginning. */
static void a_pass_begins_where_the_one_before_began_to_end(void **state)
{
	struct names_question q;

	(void)state;
	setup();
	come(100, 0, 1);
	(void)run(1, 0, NULL);
	(void)run(1, 0, NULL);
	come(200, 0, 3);
	(void)run(1, 0, &q);
	assert_int_equal(q.since, 100);
	come(200, 0, 1);
	(void)run(1, 0, &q);
	assert_int_equal(q.since, 100);
	assert_true(model.met[4]);
	(void)run(1, 0, &q);
	assert_int_equal(q.since, 200);
	assert_int_equal(q.offset, 0);
}

static void names_of_one_second_are_counted_over(void **state)
{
	struct names_question q;
	size_t i;

	(void)state;
	setup();
	come(100, 0, 1);
	(void)run(1, 0, NULL);
	come(101, 0, 700);
	come(102, 0, 1300);
	names_pass_begin(&pass, 1, 0);
	assert_true(names_pass_next(&pass, &q));
	answer(&q);
	assert_true(names_pass_next(&pass, &q));
	assert_int_equal(q.since, 101);
	assert_int_equal(q.offset, q.count - 1); /* the first was of an earlier second */
	do
		answer(&q);
	while (names_pass_next(&pass, &q));
	assert_int_equal(q.since, 102);
	for (i = 0; i < model.count; i++)
		assert_true(model.met[i]);
}

static void a_second_without_anything_new_is_over(void **state)
{
	struct names_question q = { .over = false };
	unsigned passes;

	(void)state;
	setup();
	come(100, 0, 20);
	for (passes = 0; passes < 20 && !q.over; passes++)
		(void)run(1, 0, &q);
	assert_in_range(passes, 5, 10);
	assert_int_equal(q.since, 100);
	come(101, 0, 1);
	(void)run(1, 0, NULL);
	assert_true(model.met[20]);
	(void)run(1, 0, &q);
	assert_false(q.over);
}

static void a_second_that_was_over_is_not_at_another_server(void **state)
{
	struct names_question q = { .over = false };

	(void)state;
	setup();
	come(100, 0, 20);
	while (!q.over)
		(void)run(1, 0, &q);
	come(100, 0, 1);
	(void)run(1, 0, NULL);
	assert_false(model.met[20]);
	names_pass_turn(&pass);
	(void)run(1, 0, &q);
	assert_false(q.over);
	assert_true(model.met[20]);
}

static void all_is_read_anew_every_hour_and_when_asked_for(void **state)
{
	struct names_question q;
	unsigned passes;

	(void)state;
	setup();
	(void)run(1, 0, &q);
	assert_true(q.whole);
	for (passes = 0; passes < 3600; passes++) {
		(void)run(1, 0, &q);
		assert_false(q.whole);
	}
	(void)run(1, 0, &q);
	assert_true(q.whole);
	(void)run(1, 0, &q);
	assert_false(q.whole);
	names_pass_restart(&pass);
	(void)run(1, 0, &q);
	assert_true(q.whole);
	(void)run(1, 0, &q);
	assert_false(q.whole);
}

/* Another master, or a clock set back: the last second is then an earlier one. */
static void a_last_second_that_falls_back_is_followed(void **state)
{
	struct names_question q;

	(void)state;
	setup();
	come(5000, 0, 1);
	(void)run(1, 0, NULL);
	(void)run(1, 0, NULL);
	model.second[0] = 1000;
	names_pass_restart(&pass);
	(void)run(1, 0, NULL);
	(void)run(1, 0, &q);
	assert_true(q.since < 1000);
}

/* Names come while a pass is under way, late in their second or not: none is missed. */
static void whatever_comes_is_met(void **state)
{
	struct names_question open[16];
	size_t count, which, i;
	unsigned round;
	int64_t second = 1000;

	(void)state;
	setup();
	srand(20261121);
	for (round = 0; round < 60; round++) {
		names_pass_begin(&pass, PARTITIONS, second * 1000);
		for (count = 0;;) {
			while (count < 16 && names_pass_next(&pass, &open[count]))
				count++;
			if (count == 0)
				break;
			if (rand() % 3 == 0 && round < 50 && model.count < NAMES - 30)
				come(second, (uint32_t)rand() % PARTITIONS, (size_t)rand() % 30);
			second += rand() % 16 == 0;
			which = (size_t)rand() % count;
			answer(&open[which]);
			open[which] = open[--count];
		}
		names_pass_end(&pass, second * 1000);
	}
	for (i = 0; i < model.count; i++)
		assert_true(model.met[i]);
	assert_true(model.count > NAMES / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_pass_goes_through_all),
		cmocka_unit_test(only_the_cursor_ends_a_whole_pass),
		cmocka_unit_test(few_questions_are_open_and_one_a_partition),
		cmocka_unit_test(the_next_pass_begins_before_the_whole_one_did),
		cmocka_unit_test(a_pass_begins_where_the_one_before_began_to_end),
		cmocka_unit_test(names_of_one_second_are_counted_over),
		cmocka_unit_test(a_second_without_anything_new_is_over),
		cmocka_unit_test(a_second_that_was_over_is_not_at_another_server),
		cmocka_unit_test(all_is_read_anew_every_hour_and_when_asked_for),
		cmocka_unit_test(a_last_second_that_falls_back_is_followed),
		cmocka_unit_test(whatever_comes_is_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
