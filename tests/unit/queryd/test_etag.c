// SPDX-License-Identifier: Apache-2.0
#include "queryd/etag.h"

#include "tests/lib/plan_case.h"

#define NOW (PLAN_CASE_HOUR * 3600 + 1800)

static struct answer_about about_hour(const char *stat)
{
	struct answer_about about = {
		.key = slice_text("k"),
		.route = ROUTE_HOUR,
		.from_hour = PLAN_CASE_HOUR,
		.to_hour = PLAN_CASE_HOUR + 1,
	};

	assert_true(stat_parse(slice_text(stat), &about.stat));
	return about;
}

static void assert_other(const struct answer_about *about, enum kind kind, uint64_t digest,
			 const char *than)
{
	struct answer_about of_kind = *about;
	char tag[ETAG_SIZE];

	of_kind.kind = kind;
	assert_string_not_equal(etag_make(&of_kind, digest, NOW, tag), than);
}

static void all_that_an_answer_is_made_of_is_in_its_tag(void **state)
{
	struct answer_about about = about_hour("max"), other;
	char tag[ETAG_SIZE], again[ETAG_SIZE];

	(void)state;
	(void)etag_make(&about, 7, NOW, tag);
	assert_string_equal(etag_make(&about, 7, NOW + 60, again), tag);
	assert_int_equal(strlen(tag), ETAG_SIZE - 2);
	assert_other(&about, 0, 8, tag);
	assert_other(&about, KIND_GAUGE, 7, tag);
	other = about_hour("min");
	assert_other(&other, 0, 7, tag);
	other = about;
	other.key = slice_text("l");
	assert_other(&other, 0, 7, tag);
	other = about;
	other.verdict.complete = true;
	assert_other(&other, 0, 7, tag);
	other = about;
	other.verdict.waiting = 1;
	assert_other(&other, 0, 7, tag);
	other = about;
	other.from_hour--;
	assert_other(&other, 0, 7, tag);
	other = about;
	other.route = ROUTE_DAY;
	assert_other(&other, 0, 7, tag);
}

static void a_rate_changes_while_its_hour_runs(void **state)
{
	struct answer_about about = about_hour("rate");
	char tag[ETAG_SIZE], later[ETAG_SIZE];

	(void)state;
	(void)etag_make(&about, 7, NOW, tag);
	assert_string_not_equal(etag_make(&about, 7, NOW + 1, later), tag);
	(void)etag_make(&about, 7, NOW + 3600, tag);
	assert_string_equal(etag_make(&about, 7, NOW + 7200, later), tag);
}

static void the_digest_follows_the_versions_that_were_read(void **state)
{
	static const char *const versions[] = { "00000000000000aa", "00000000000000ab" };
	uint64_t digests[2];
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct plan *plan = plan_case_hour("sum", PLAN_CASE_HOUR, NULL);
		struct slice pid = slice_text("0000000000000001");
		plan_put_pid(plan, 0, pid, slice_text(versions[i]));
		assert_int_equal(plan_step(plan), PLAN_MORE);
		/* What is written while the cells are read does not make the tag newer than they. */
		plan_put_pid(plan, 1, pid, slice_text("00000000000000ff"));
		assert_int_equal(plan_step(plan), PLAN_MORE);
		assert_int_equal(plan_step(plan), PLAN_DONE);
		digests[i] = plan_digest(plan);
		plan_free(plan);
	}
	assert_true(digests[0] != digests[1]);
}

static void each_form_has_a_tag_of_its_own(void **state)
{
	char plain[ETAG_FORM_SIZE], packed[ETAG_FORM_SIZE];

	(void)state;
	assert_string_equal(etag_form("\"0123456789abcdef\"", false, plain), "\"0123456789abcdef\"");
	assert_string_equal(etag_form(plain, true, packed), "\"0123456789abcdef-gzip\"");
	assert_true(etag_matches("W/\"0123456789abcdef-gzip\"", packed));
	assert_false(etag_matches(plain, packed));
	assert_false(etag_matches(packed, plain));
}

static void a_list_of_tags_is_searched(void **state)
{
	(void)state;
	assert_true(etag_matches("\"0123456789abcdef\"", "\"0123456789abcdef\""));
	assert_true(etag_matches("\"x\", W/\"y\" ,\t\"z\"", "\"y\""));
	assert_true(etag_matches("\"x\", W/\"y\" ,\t\"z\"", "\"z\""));
	assert_true(etag_matches("*", "\"z\""));
	assert_false(etag_matches("\"x\"", "\"y\""));
	assert_false(etag_matches("", "\"y\""));
	assert_false(etag_matches(NULL, "\"y\""));
	assert_false(etag_matches("W/", "\"y\""));
	assert_false(etag_matches(",,, ,", "\"y\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_an_answer_is_made_of_is_in_its_tag),
		cmocka_unit_test(a_rate_changes_while_its_hour_runs),
		cmocka_unit_test(the_digest_follows_the_versions_that_were_read),
		cmocka_unit_test(each_form_has_a_tag_of_its_own),
		cmocka_unit_test(a_list_of_tags_is_searched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
