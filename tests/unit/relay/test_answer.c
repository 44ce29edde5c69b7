// SPDX-License-Identifier: Apache-2.0
#include "relay/answer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static enum answer_kind error_kind(const char *text)
{
	return answer_of_error(slice_text(text)).kind;
}

static void test_the_first_word_says_what_it_is_and_the_rest_follows(void **state)
{
	static const struct {
		const char *word;
		enum answer_kind kind;
	} words[] = {
		{ "OK", ANSWER_OK },	   { "CONFLICT", ANSWER_CONFLICT }, { "LOST", ANSWER_LOST },
		{ "FLOOR", ANSWER_FLOOR }, { "CONFIG", ANSWER_CONFIG },	    { "EMPTY", ANSWER_EMPTY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct slice list[] = { slice_text(words[i].word), slice_text("x") };
		struct answer a = answer_of_words(list, 2);

		assert_int_equal(a.kind, words[i].kind);
		assert_int_equal(a.count, 1);
		assert_true(slice_equal(a.items[0], slice_text("x")));
	}
}

static void test_an_unknown_word_or_none_is_an_error_of_ours(void **state)
{
	struct slice odd[] = { slice_text("OKAY") };

	(void)state;
	assert_int_equal(answer_of_words(odd, 1).kind, ANSWER_ERROR);
	assert_int_equal(answer_of_words(NULL, 0).kind, ANSWER_ERROR);
}

static void test_errors_that_say_nothing_was_run(void **state)
{
	static const char *const errors[] = {
		"OOM command not allowed when used memory > 'maxmemory'.",
		"READONLY You can't write against a read only replica.",
		"NOREPLICAS Not enough good replicas to write.",
		"LOADING Redis is loading the dataset in memory",
		"MASTERDOWN Link with MASTER is down",
		"BUSY Redis is busy running a script.",
		"CLUSTERDOWN The cluster is down",
		"MOVED 1 127.0.0.1:1",
		"ASK 1 127.0.0.1:1",
		"TRYAGAIN Multiple keys request during rehashing of slot",
		"MISCONF Redis is configured to save RDB snapshots",
		"NOAUTH Authentication required.",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		assert_int_equal(error_kind(errors[i]), ANSWER_NOT_APPLIED);
	assert_int_equal(error_kind("NOSCRIPT No matching script."), ANSWER_NO_SCRIPT);
}

static void test_all_other_errors_may_hide_anything(void **state)
{
	(void)state;
	assert_int_equal(error_kind("ERR whatever"), ANSWER_ERROR);
	assert_int_equal(error_kind("WRONGTYPE Operation against a key"), ANSWER_ERROR);
	assert_int_equal(error_kind("HOURGLASS commit: counts"), ANSWER_ERROR);
	assert_int_equal(error_kind("OOMPH"), ANSWER_ERROR);
	assert_int_equal(error_kind(""), ANSWER_ERROR);
	assert_int_equal(answer_unknown().kind, ANSWER_UNKNOWN);
}

static void test_a_number_is_decimal_digits_and_nothing_else(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t value;
	} cases[] = {
		{ "0", true, 0 },
		{ "490000", true, 490000 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "", false, 0 },
		{ "-1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "1e3", false, 0 },
		{ "0x10", false, 0 },
		{ "000000000000000000001", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct slice words[] = { slice_text("OK"), slice_text(cases[i].text) };
		struct answer a = answer_of_words(words, 2);
		uint64_t value = 4711;

		assert_int_equal(answer_number(&a, 0, &value), cases[i].good);
		assert_int_equal(value, cases[i].good ? cases[i].value : 4711);
		assert_false(answer_number(&a, 1, &value));
	}
}

static void test_an_hour_that_cannot_be_raises_no_floor(void **state)
{
	const struct slice words[] = { slice_text("OK"), slice_text("490000"),
				       slice_text("999999999999"), slice_text("1000000000000"),
				       slice_text("18446744073709551615"), slice_text("x") };
	struct answer a = answer_of_words(words, 6);

	(void)state;
	assert_int_equal(answer_hour(&a, 0), 490000);
	assert_int_equal(answer_hour(&a, 1), 999999999999);
	for (size_t i = 2; i < 6; i++)
		assert_int_equal(answer_hour(&a, i), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_word_says_what_it_is_and_the_rest_follows),
		cmocka_unit_test(test_an_unknown_word_or_none_is_an_error_of_ours),
		cmocka_unit_test(test_errors_that_say_nothing_was_run),
		cmocka_unit_test(test_all_other_errors_may_hide_anything),
		cmocka_unit_test(test_a_number_is_decimal_digits_and_nothing_else),
		cmocka_unit_test(test_an_hour_that_cannot_be_raises_no_floor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
