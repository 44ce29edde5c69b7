// SPDX-License-Identifier: Apache-2.0
#include "queryd/query.h"

#include "tests/lib/plan_case.h"
#include "tests/lib/survey_store.h"

#include <errno.h>

#define NOW (PLAN_CASE_HOUR * 3600 + 1800)

static struct names names;
static uint64_t max_series;
static struct route_request request;
static struct route_refusal why;
static struct query query;
static struct survey *survey;
static struct survey_store store;

static void add(const char *name, enum kind kind)
{
	assert_int_equal(names_add(&names, slice_text(name), 1u << stat_kind_index(kind)), 0);
}

static int set_up(void **state)
{
	(void)state;
	max_series = 100;
	names_init(&names, 100);
	add("cpu;host=a", KIND_DISTRIBUTION);
	add("cpu;host=b", KIND_DISTRIBUTION);
	add("cpu;core=1;host=b", KIND_DISTRIBUTION);
	add("cpu", KIND_DISTRIBUTION);
	add("hits;host=a", KIND_COUNTER);
	add("both", KIND_COUNTER);
	add("both", KIND_DISTRIBUTION);
	add("room", KIND_GAUGE);
	assert_int_equal(names_settle(&names), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	query_release(&query);
	survey_free(survey);
	survey = NULL;
	names_release(&names);
	survey_store_release(&store);
	return 0;
}

static int build(const char *path, const char *text)
{
	const struct query_limits limits = { max_series, 1000, 1 << 20, 0 };
	char parameters[200];

	(void)snprintf(parameters, sizeof(parameters), "%s&from=-1h", text);
	assert_int_equal(route_parse(slice_text(path), slice_text(parameters), NOW, &request,
				     &why), 0);
	query_release(&query);
	survey_free(survey);
	return query_build(&request, &(struct scope_keys){ &names, NULL }, &limits, NOW, &query, &survey, &why);
}

static void assert_group(size_t index, const char *text, size_t keys)
{
	assert_true(index < query.group_count);
	assert_int_equal(query.groups[index].has, text != NULL);
	if (text)
		assert_true(slice_equal(query.groups[index].text, slice_text(text)));
	assert_int_equal(query.groups[index].keys, keys);
}

static void without_by_all_are_one_group(void **state)
{
	(void)state;
	assert_int_equal(build("/v1/query", "match=cpu*&stat=max"), 0);
	assert_int_equal(query.group_count, 1);
	assert_group(0, NULL, 4);
	assert_int_equal(query.kind, KIND_DISTRIBUTION);
	assert_int_equal(survey_keys(survey), 4);
}

static void by_a_tag_each_value_is_a_group(void **state)
{
	(void)state;
	assert_int_equal(build("/v1/query", "match=cpu*&stat=max&by=host"), 0);
	assert_int_equal(query.group_count, 3);
	assert_group(0, NULL, 1);
	assert_group(1, "a", 1);
	assert_group(2, "b", 2);
}

static void what_is_merged_is_of_one_kind(void **state)
{
	(void)state;
	assert_int_equal(build("/v1/query", "match=*&stat=count&by=core"), 0);
	assert_int_equal(query.kind, KIND_DISTRIBUTION);
	assert_int_equal(query.keys, 5);
	assert_int_equal(build("/v1/query", "match=*&stat=count&kind=counter"), 0);
	assert_int_equal(query.kind, KIND_COUNTER);
	assert_int_equal(query.keys, 2);
	assert_int_equal(build("/v1/query", "match=nothing&stat=count"), 0);
	assert_int_equal(query.kind, 0);
	assert_int_equal(query.group_count, 0);
}

static void a_top_takes_each_key_in_its_own_kind(void **state)
{
	(void)state;
	assert_int_equal(build("/v1/top", "match=[bh]*&stat=count"), 0);
	assert_int_equal(query.group_count, 2);
	assert_group(0, "both", 1);
	assert_int_equal(query.groups[0].kind, KIND_DISTRIBUTION);
	assert_group(1, "hits;host=a", 1);
	assert_int_equal(query.groups[1].kind, KIND_COUNTER);
}

static void a_top_is_the_highest_first_and_equal_ones_by_key(void **state)
{
	struct query_rank *ranks;
	size_t count;

	(void)state;
	survey_store_put(&store, PLAN_CASE_HOUR, 1, "cpu", plan_case_value(3));
	survey_store_put(&store, PLAN_CASE_HOUR, 1, "cpu;host=a", plan_case_value(9));
	survey_store_put(&store, PLAN_CASE_HOUR, 1, "cpu;host=b", plan_case_value(3));
	assert_int_equal(build("/v1/top", "match=cpu*&stat=max"), 0);
	assert_int_equal(survey_start(survey, SURVEY_STORE_PARTITIONS,
				      PLAN_CASE_RETENTION), 0);
	assert_int_equal(survey_store_run(&store, survey), PLAN_DONE);
	assert_int_equal(query_top(&query, survey, &ranks, &count), 0);
	assert_int_equal(count, 3);
	assert_true(slice_equal(query.groups[ranks[0].group].text, slice_text("cpu;host=a")));
	assert_true(slice_equal(query.groups[ranks[1].group].text, slice_text("cpu")));
	assert_true(slice_equal(query.groups[ranks[2].group].text, slice_text("cpu;host=b")));
	free(ranks);
}

static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	assert_int_equal(build("/v1/query", "match=room&stat=p99"), -EINVAL);
	assert_string_equal(why.error, "stat_not_for_kind");
	assert_int_equal(why.allowed_kind, KIND_GAUGE);
	max_series = 4;
	assert_int_equal(build("/v1/query", "match=cpu*&stat=max"), 0);
	max_series = 3;
	assert_int_equal(build("/v1/query", "match=cpu*&stat=max"), -EINVAL);
	assert_string_equal(why.error, "too_large");
	assert_int_equal(why.status, 413);
}

static void an_index_that_is_not_whole_answers_no_glob(void **state)
{
	(void)state;
	names_release(&names);
	names_init(&names, 1);
	add("a", KIND_COUNTER);
	add("b", KIND_COUNTER);
	assert_int_equal(names_settle(&names), 0);
	assert_int_equal(build("/v1/query", "match=a&stat=sum"), -EINVAL);
	assert_string_equal(why.error, "too_large");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_by_all_are_one_group),
		TEST(by_a_tag_each_value_is_a_group),
		TEST(what_is_merged_is_of_one_kind),
		TEST(a_top_takes_each_key_in_its_own_kind),
		TEST(a_top_is_the_highest_first_and_equal_ones_by_key),
		TEST(what_cannot_be_is_refused),
		TEST(an_index_that_is_not_whole_answers_no_glob),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
