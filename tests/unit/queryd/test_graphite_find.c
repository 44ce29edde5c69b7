// SPDX-License-Identifier: Apache-2.0
#include "queryd/graphite_find.h"

#include "tests/lib/graphite_case.h"

#include <errno.h>

static struct graphite_case c;

static int set_up(void **state)
{
	(void)state;
	graphite_case_init(&c);
	graphite_case_name(&c, "shop", KIND_GAUGE);
	graphite_case_name(&c, "shop.cart.time", KIND_DISTRIBUTION);
	graphite_case_name(&c, "shop-2.cart.time", KIND_COUNTER);
	graphite_case_name(&c, "shop.cart", KIND_COUNTER);
	graphite_case_name(&c, "shop.pay.time", KIND_DISTRIBUTION);
	graphite_case_name(&c, "cpu;core=0;host=a", KIND_GAUGE);
	graphite_case_name(&c, "cpu;core=1;host=b", KIND_GAUGE);
	graphite_case_name(&c, "mem;host=a", KIND_GAUGE);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	graphite_case_release(&c);
	return 0;
}

static int find(enum route route, const char *query)
{
	static struct form form;
	int status;

	buf_reset(&c.body);
	assert_int_equal(form_read(&form, slice_text(query), slice_text("")), 0);
	status = graphite_find(route, &form, &c.keys, &c.body, &c.why);
	form_release(&form);
	buf_put_u8(&c.body, 0);
	return status;
}

static void assert_found(enum route route, const char *query, const char *want)
{
	if (find(route, query) < 0)
		fail_msg("%s: refused: %s", query, c.why.message);
	if (strncmp((char *)c.body.data, want, strlen(want)) != 0)
		fail_msg("%s: %s instead of %s", query, (char *)c.body.data, want);
}

#define NODE(text, id, leaf, branch)                                                             \
	"{\"text\":\"" text "\",\"id\":\"" id "\",\"leaf\":" leaf ",\"expandable\":" branch      \
	",\"allowChildren\":" branch ",\"context\":{}}"

static void the_next_nodes_are_found_each_once(void **state)
{
	(void)state;
	assert_found(ROUTE_FIND, "query=*", "[" NODE("shop", "shop", "0", "1") ","
		     NODE("shop-2", "shop-2", "0", "1") "]");
	assert_found(ROUTE_FIND, "query=shop.c*", "[" NODE("cart", "shop.cart", "0", "1") "]");
	assert_found(ROUTE_FIND, "query=*.{cart,pay}.time",
		     "[" NODE("time", "*.{cart,pay}.time", "0", "1") "]");
	assert_found(ROUTE_FIND, "query=no.*", "[]");
}

/* The stats of `shop.cart` stand beside the key `shop.cart.time`. */
static void stats_are_leaves(void **state)
{
	(void)state;
	assert_found(ROUTE_FIND, "query=shop.cart.[st]*",
		     "[" NODE("samples", "shop.cart.samples", "1", "0") ","
		     NODE("sum", "shop.cart.sum", "1", "0") ","
		     NODE("time", "shop.cart.time", "0", "1") "]");
	assert_found(ROUTE_FIND, "query=shop.cart.time.p99_9",
		     "[" NODE("p99_9", "shop.cart.time.p99_9", "1", "0") "]");
	assert_found(ROUTE_FIND, "query=shop.cart.time.p97",
		     "[" NODE("p97", "shop.cart.time.p97", "1", "0") "]");
}

static void paths_are_expanded(void **state)
{
	(void)state;
	assert_found(ROUTE_EXPAND, "query=*.cart",
		     "{\"results\":[\"shop-2.cart\",\"shop.cart\"]}");
	assert_found(ROUTE_EXPAND, "query=shop.*&query=shop-2.*",
		     "{\"results\":[\"shop-2.cart\",\"shop.average\",\"shop.cart\",\"shop.last\",");
	assert_found(ROUTE_EXPAND, "query=shop.pay.time.p9*",
		     "{\"results\":[\"shop.pay.time.p90\",\"shop.pay.time.p95\",\"shop.pay.time.p99\","
		     "\"shop.pay.time.p99_9\"]}");
}

static void tags_are_completed(void **state)
{
	(void)state;
	assert_found(ROUTE_TAG_NAMES, "", "[\"core\",\"host\",\"name\"]");
	assert_found(ROUTE_TAG_NAMES, "tagPrefix=h&expr=", "[\"host\"]");
	assert_found(ROUTE_TAG_NAMES, "expr=host%3Da", "[\"core\",\"name\"]");
	assert_found(ROUTE_TAG_NAMES, "expr[]=name%3Dmem.last", "[\"host\"]");
	assert_found(ROUTE_TAG_NAMES, "limit=1", "[\"core\"]");
}

static void values_are_completed(void **state)
{
	(void)state;
	assert_found(ROUTE_TAG_VALUES, "tag=host", "[\"a\",\"b\"]");
	assert_found(ROUTE_TAG_VALUES, "tag=host&expr=core%3D~[1-9]", "[\"b\"]");
	assert_found(ROUTE_TAG_VALUES, "tag=host&valuePrefix=b", "[\"b\"]");
	assert_found(ROUTE_TAG_VALUES, "tag=nothing", "[]");
	assert_found(ROUTE_TAG_VALUES, "tag=name&expr=host%3Da&limit=2",
		     "[\"cpu.average\",\"cpu.last\"]");
	assert_found(ROUTE_TAG_VALUES, "tag=host&expr=name%3Dcpu.last&expr=core%3D0", "[\"a\"]");
}

static void mistakes_are_named(void **state)
{
	static const struct {
		enum route route;
		const char *query;
	} cases[] = {
		{ ROUTE_FIND, "" }, { ROUTE_EXPAND, "" }, { ROUTE_FIND, "query=a.[" },
		{ ROUTE_FIND, "query=." }, { ROUTE_TAG_VALUES, "" },
		{ ROUTE_TAG_VALUES, "tag=host&limit=x" }, { ROUTE_TAG_NAMES, "expr=x" },
		{ ROUTE_TAG_NAMES, "expr=a%3D~(" },
		{ ROUTE_FIND, "query={a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(find(cases[i].route, cases[i].query), -EINVAL);
		assert_string_equal(c.why.error, "bad_match");
		assert_true(c.why.message[0] != '\0');
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_next_nodes_are_found_each_once),
		TEST(stats_are_leaves),
		TEST(paths_are_expanded),
		TEST(tags_are_completed),
		TEST(values_are_completed),
		TEST(mistakes_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
