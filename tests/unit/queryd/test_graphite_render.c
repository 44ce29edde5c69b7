// SPDX-License-Identifier: Apache-2.0
#include "queryd/graphite_render.h"

#include "tests/lib/graphite_case.h"

#include <errno.h>

#define T0 "1764000000" /* PLAN_CASE_HOUR */
#define T1 "1763996400" /* an hour before */

static struct graphite_case c;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(PLAN_CASE_HOUR * 3600, 1764000000);
	graphite_case_init(&c);
	graphite_case_put(&c, "a.x", 1, plan_case_value(1));
	graphite_case_put(&c, "a.x", 0, plan_case_value(3));
	graphite_case_put(&c, "a.y", 0, plan_case_value(10));
	graphite_case_put(&c, "b.x", 1, plan_case_value(100));
	graphite_case_put(&c, "a.x;host=h.1", 0, plan_case_value(7));
	graphite_case_put(&c, "hits", 1, plan_case_total(5));
	graphite_case_put(&c, "hits", 0, plan_case_total(6));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	graphite_case_release(&c);
	return 0;
}

/* Renders a target over the last two hours; the answer begins with `[` and this. */
static void assert_target(const char *target, const char *want)
{
	char query[600], all[2000];

	(void)snprintf(query, sizeof(query), "from=-2h&target=%s", target);
	(void)snprintf(all, sizeof(all), "[%s]\n", want);
	assert_rendered(&c, query, all);
}

static void assert_refused(const char *target, const char *word)
{
	char query[600];

	(void)snprintf(query, sizeof(query), "from=-2h&target=%s", target);
	assert_int_equal(graphite_case_render(&c, query), -EINVAL);
	assert_int_equal(c.why.status, 400);
	assert_string_equal(c.why.error, "bad_target");
	if (!strstr(c.why.message, word))
		fail_msg("%s: %s", target, c.why.message);
}

#define SERIES(target, tags, first, second)                                                      \
	"{\"target\":\"" target "\",\"tags\":{" tags "},\"datapoints\":[[" first "," T1 "],["    \
	second "," T0 "]]}"
#define NAMED(target, first, second) SERIES(target, "\"name\":\"" target "\"", first, second)
#define CALLED(target, name, first, second) SERIES(target, "\"name\":\"" name "\"", first, second)

static void paths_name_keys_and_stats(void **state)
{
	(void)state;
	assert_target("a.x.max", NAMED("a.x.max", "1", "3"));
	assert_target("a.y.p99_9", NAMED("a.y.p99_9", "null", "10"));
	assert_target("a.*.max", NAMED("a.x.max", "1", "3") "," NAMED("a.y.max", "null", "10"));
	assert_target("{a,b}.x.{max,count}",
		      NAMED("a.x.max", "1", "3") "," NAMED("a.x.count", "1", "1") ","
		      NAMED("b.x.max", "100", "null") "," NAMED("b.x.count", "1", "null"));
	assert_target("a.x.max%3Bhost=h.1",
		      SERIES("a.x.max;host=h.1", "\"name\":\"a.x.max\",\"host\":\"h.1\"", "null", "7"));
	assert_target("hits.s*", NAMED("hits.sum", "5", "6") "," NAMED("hits.samples", "1", "1"));
	assert_target("no.such.max", "");
	assert_target("a.x", "");
	assert_target("a.x.nostat", "");
	assert_target("hits.median", "");
}

static void tags_name_keys_too(void **state)
{
	(void)state;
	assert_target("seriesByTag('name=a.x.p97','host=h.1')",
		      SERIES("a.x.p97;host=h.1", "\"name\":\"a.x.p97\",\"host\":\"h.1\"", "null", "7"));
	assert_target("seriesByTag('name=~[ab].x.max','host=')",
		      NAMED("a.x.max", "1", "3") "," NAMED("b.x.max", "100", "null"));
	assert_target("seriesByTag('name=a.x.max','host!=~h.*')", NAMED("a.x.max", "1", "3"));
	assert_refused("seriesByTag()", "tag=value");
	assert_refused("seriesByTag('x')", "tag=value");
	assert_refused("seriesByTag(a.b)", "strings");
	assert_refused("seriesByTag('x=~(')", "expression");
}

static void grafanas_wrapper_and_test_work(void **state)
{
	(void)state;
	assert_target("aliasSub(a.x.max,%22(%5E.*%24)%22,%22%5C1+A%22)",
		      CALLED("a.x.max A", "a.x.max", "1", "3"));
	assert_target("constantLine(100)", NAMED("100", "100", "100"));
	assert_target("aliasSub(constantLine(100),%22(%5E.*%24)%22,%22%5C1+A%22)",
		      NAMED("100 A", "100", "100"));
}

static void names_are_given_and_taken(void **state)
{
	(void)state;
	assert_target("alias(a.x.max,'peak')", CALLED("peak", "a.x.max", "1", "3"));
	assert_target("aliasByNode(a.x.max,1,0)", CALLED("x.a", "a.x.max", "1", "3"));
	assert_target("aliasByNode(scale(a.x.max,1),-1,9)", CALLED("max.", "a.x.max", "1", "3"));
	assert_target("aliasByNode(seriesByTag('host=h.1','name=a.x.max'),'host',2)",
		      SERIES("h.1.max", "\"name\":\"a.x.max\",\"host\":\"h.1\"", "null", "7"));
	assert_target("aliasSub(a.x.max,'%5C.','/')", CALLED("a/x/max", "a.x.max", "1", "3"));
	assert_refused("aliasSub(a.x.max,'(a)%5C1','')", "back-references");
	assert_refused("aliasSub(a.x.max,'a','%5C1')", "group");
}

static void several_become_one(void **state)
{
	(void)state;
	assert_target("sumSeries(a.*.max,b.x.max)", NAMED("sumSeries(a.*.max,b.x.max)", "101", "13"));
	assert_target("sum(a.*.max)", NAMED("sumSeries(a.*.max)", "1", "13"));
	assert_target("averageSeries(a.*.max)", NAMED("averageSeries(a.*.max)", "1", "6.5"));
	assert_target("maxSeries(a.*.max)", NAMED("maxSeries(a.*.max)", "1", "10"));
	assert_target("minSeries({a,b}.x.max)", NAMED("minSeries({a,b}.x.max)", "1", "3"));
	assert_target("sumSeries(no.such.max)", "");
	assert_target("sumSeries(a.x.max,constantLine(2))",
		      NAMED("sumSeries(a.x.max,constantLine(2))", "3", "5"));
	assert_target("groupByNode({a,b}.*.max,0,'sum')", NAMED("a", "1", "13") ","
		      NAMED("b", "100", "null"));
	assert_target("groupByNode(a.*.max,0)", NAMED("a", "1", "6.5"));
}

static void values_are_changed_and_chosen(void **state)
{
	(void)state;
	assert_target("scale(hits.sum,2)", CALLED("scale(hits.sum,2)", "hits.sum", "10", "12"));
	assert_target("offset(hits.sum,-0.5)",
		      CALLED("offset(hits.sum,-0.5)", "hits.sum", "4.5", "5.5"));
	assert_target("limit(a.*.max,1)", NAMED("a.x.max", "1", "3"));
	assert_target("limit(a.*.max,0)", "");
	assert_target("highestAverage({a,b}.x.max,1)", NAMED("b.x.max", "100", "null"));
	assert_target("sortByName(a.*.max,reverse=true)",
		      NAMED("a.y.max", "null", "10") "," NAMED("a.x.max", "1", "3"));
	assert_rendered(&c, "from=-2h&target=summarize(hits.sum,'1d','max')",
			"[{\"target\":\"summarize(hits.sum, \\\"1d\\\", \\\"max\\\")\","
			"\"tags\":{\"name\":\"hits.sum\"},\"datapoints\":[[6,1763942400]]}]\n");
}

/* The window reads what lies before the range. */
static void a_moving_average_knows_what_was_before(void **state)
{
	(void)state;
	graphite_case_put(&c, "hits", 2, plan_case_total(1));
	assert_target("movingAverage(hits.sum,2)",
		      CALLED("movingAverage(hits.sum,2)", "hits.sum", "3", "5.5"));
	assert_target("movingAverage(hits.sum,'3h')",
		      CALLED("movingAverage(hits.sum,\\\"3h\\\")", "hits.sum", "3", "4"));
	assert_target("movingAverage(movingAverage(hits.sum,2),2)",
		      CALLED("movingAverage(movingAverage(hits.sum,2),2)", "hits.sum", "2", "4.25"));
	assert_refused("movingAverage(hits.sum,'1min')", "step");
	assert_refused("movingAverage(hits.sum,9601)", "9600");
	assert_refused("movingAverage(movingAverage(hits.sum,9000),9000)", "9600");
}

/* A p99 of two hours is that of their samples. */
static void wider_spans_merge_their_samples(void **state)
{
	const double low[] = { 1, 1, 1, 1, 1, 1 }, high[] = { 9 };

	(void)state;
	graphite_case_put(&c, "m", 1, plan_case_values(low, 6));
	graphite_case_put(&c, "m", 0, plan_case_values(high, 1));
	assert_int_equal(PLAN_CASE_HOUR % 2, 0);
	graphite_case_put(&c, "m", -1, plan_case_values(high, 1));
	assert_rendered(&c, "from=-4h&until=now&maxDataPoints=2&target=m.median",
			"[{\"target\":\"m.median\",\"tags\":{\"name\":\"m.median\"},\"datapoints\":"
			"[[1,1763992800],[9,1764000000]]}]\n");
}

static void csv_is_a_line_a_point(void **state)
{
	(void)state;
	assert_rendered(&c, "from=-2h&format=csv&target=alias(a.y.max,'say+%22hi%22')",
			"\"say \"\"hi\"\"\",2025-11-24 15:00:00,\r\n"
			"\"say \"\"hi\"\"\",2025-11-24 16:00:00,10\r\n");
}

static void mistakes_are_answered_before_anything_is_read(void **state)
{
	(void)state;
	assert_refused("nosuch(a.x.max)", "nosuch");
	assert_refused("alias(nosuch(a.x.max),'x')", "nosuch");
	assert_refused("alias(a.x.max)", "newName");
	assert_refused("alias(a.x.max,1)", "string");
	assert_refused("alias(a.x.max,'x','y')", "no such argument");
	assert_refused("scale('x',1)", "series");
	assert_refused("scale(a.x.max,many)", "number");
	assert_refused("summarize(a.x.max,'often')", "interval");
	assert_refused("groupByNode(a.x.max,0,'mode')", "one of");
	assert_refused("sortByName(a.x.max,upwards=true)", "no such argument");
	assert_refused("sumSeries()", "seriesLists");
	assert_refused("100", "path");
	assert_refused("alias(", "missing");
	assert_refused("", "empty");
	assert_refused("a.[z-a].max", "class");
	assert_int_equal(graphite_case_render(&c, "from=-2h"), -EINVAL);
	assert_string_equal(c.why.message, "target= is missing");
}

static void what_is_too_much_is_refused(void **state)
{
	(void)state;
	c.limits.max_series = 2;
	assert_int_equal(graphite_case_render(&c, "target=a.*.max"), 0);
	assert_int_equal(graphite_case_render(&c, "target=a.*.max&target=b.x.max"), -EINVAL);
	assert_int_equal(c.why.status, 413);
	assert_int_equal(graphite_case_render(&c, "target={a,b}.*.max"), -EINVAL);
	assert_string_equal(c.why.error, "too_large");
}

static int look_up(struct graphite_render *r, bool brief)
{
	struct survey *survey;
	int status;

	graphite_render_brief(r, brief);
	status = graphite_render_survey(r, &c.keys, &c.limits, &survey, &c.why);
	if (status == 0)
		assert_int_equal(survey_groups(survey), 3);
	survey_free(survey);
	return status;
}

/* Two paths: what the first one named must not be there twice when they are looked up again. */
static void who_cannot_be_brief_begins_again(void **state)
{
	static struct form form;
	struct graphite_render *r;

	(void)state;
	graphite_case_names(&c, "many.k", 20000, ".t");
	assert_int_equal(form_read(&form, slice_text("target=many.k7.t.sum&target=many.*3999.t.sum"),
				   slice_text("")), 0);
	assert_int_equal(graphite_render_new(&form, GRAPHITE_CASE_NOW, &r, &c.why), 0);
	c.limits.max_series = 3;
	assert_int_equal(look_up(r, true), -EAGAIN);
	assert_int_equal(look_up(r, false), 0); /* k7; k3999 and k13999 */
	graphite_render_free(r);
	form_release(&form);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(paths_name_keys_and_stats),
		TEST(tags_name_keys_too),
		TEST(grafanas_wrapper_and_test_work),
		TEST(names_are_given_and_taken),
		TEST(several_become_one),
		TEST(values_are_changed_and_chosen),
		TEST(a_moving_average_knows_what_was_before),
		TEST(wider_spans_merge_their_samples),
		TEST(csv_is_a_line_a_point),
		TEST(mistakes_are_answered_before_anything_is_read),
		TEST(what_is_too_much_is_refused),
		TEST(who_cannot_be_brief_begins_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
