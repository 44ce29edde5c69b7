// SPDX-License-Identifier: Apache-2.0
#include "queryd/graphite_find.h"

#include "queryd/textset.h"
#include "tests/lib/graphite_case.h"

#include <errno.h>

static struct graphite_case c;
static bool brief;

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
	status = graphite_find(&(struct graphite_ask){ route, &form, &c.keys, brief }, &c.body, &c.why);
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

/* Whoever asks for few of many names does not wait behind who asks for all. */
static void what_needs_few_looks_is_found_at_once(void **state)
{
	(void)state;
	graphite_case_names(&c, "many.k", 20000, ".t");
	graphite_case_names(&c, "tagged;host=h", 5000, "");
	brief = true;
	assert_found(ROUTE_FIND, "query=shop.c*", "[" NODE("cart", "shop.cart", "0", "1") "]");
	assert_found(ROUTE_FIND, "query=*", "[" NODE("many", "many", "0", "1") ",");
	assert_found(ROUTE_FIND, "query=many.k1999.*", "[" NODE("t", "many.k1999.t", "0", "1"));
	assert_found(ROUTE_EXPAND, "query=shop.*", "{\"results\":[\"shop.");
	assert_int_equal(find(ROUTE_FIND, "query=many.*"), -EAGAIN);
	assert_int_equal(find(ROUTE_EXPAND, "query=*.cart"), -EAGAIN);
	assert_int_equal(find(ROUTE_FIND, "query={many.k1,many.k1,shop}*.*"), -EAGAIN);
	assert_int_equal(find(ROUTE_TAG_NAMES, ""), -EAGAIN);
	assert_int_equal(find(ROUTE_TAG_VALUES, "tag=host&expr=host%3D~h4.*"), -EAGAIN);
	/* A mistake is one at once. */
	assert_int_equal(find(ROUTE_FIND, "query=many.["), -EINVAL);
	brief = false;
	assert_found(ROUTE_FIND, "query=many.*", "[" NODE("k0", "many.k0", "0", "1"));
	assert_found(ROUTE_TAG_VALUES, "tag=host&expr=host%3D~h499[89]",
		     "[\"h4998\",\"h4999\"]");
}

/* 4,096 names are few, whatever is asked of their tags. */
static void four_thousand_names_are_few(void **state)
{
	(void)state;
	graphite_case_names(&c, "tagged;host=h", 4000, "");
	brief = true;
	assert_found(ROUTE_TAG_VALUES, "tag=host&valuePrefix=h3999", "[\"h3999\"]");
	assert_found(ROUTE_FIND, "query=*", "[" NODE("shop", "shop", "0", "1"));
	brief = false;
}

/* ---- against what looks at every name -------------------------------------------------------- */

static void make_name(char out[64])
{
	static const char *const nodes[] = { "a", "b", "ab", "a-", "b~" };
	size_t depth = 1 + (size_t)rand() % 4, at = 0;

	while (depth-- > 0)
		at += (size_t)snprintf(out + at, 64 - at, "%s%s", at ? "." : "", nodes[rand() % 5]);
	if (rand() % 4 == 0)
		(void)snprintf(out + at, 64 - at, ";t=a.%d", rand() % 3);
}

/* What /metrics/expand says of branches: each name's first nodes, if they match. */
static void expect_branches(const char *glob, size_t nodes, struct textset *found)
{
	struct scope_walk walk = scope_begin(&c.keys, slice_text(""));
	struct glob compiled;
	struct slice name;
	unsigned kinds;

	assert_null(glob_compile_path(&compiled, slice_text(glob)));
	while (scope_next(&walk, &name, &kinds)) {
		size_t size = 0, seen = 0;

		if (memchr(name.ptr, ';', name.size))
			continue;
		for (; size < name.size; size++) {
			if (name.ptr[size] == '.' && ++seen == nodes)
				break;
		}
		if ((seen == nodes || seen + 1 == nodes) &&
		    glob_match(&compiled, slice_of(name.ptr, size)))
			assert_int_equal(textset_add(found, slice_of(name.ptr, size), 0), 0);
	}
}

/* What is skipped would have been the same branch again, whatever stands beside it. */
static void no_branch_is_skipped(void **state)
{
	static const struct {
		const char *glob;
		size_t nodes;
	} globs[] = { { "[ab]*", 1 }, { "[ab]*.[ab]*", 2 }, { "a.[ab]*", 2 }, { "[ab]*.b.[ab]*", 3 },
		      { "ab.[ab]*.ab.a*", 4 } };
	char name[64], query[64];
	size_t round, i, count;

	(void)state;
	for (round = 0; round < 100; round++) {
		for (count = (size_t)rand() % 40; count > 0; count--) {
			make_name(name);
			graphite_case_name(&c, name, KIND_COUNTER);
		}
		for (i = 0; i < sizeof(globs) / sizeof(*globs); i++) {
			struct textset want;
			struct buf text;
			size_t j;

			textset_init(&want, 1000);
			buf_init(&text, 65536);
			expect_branches(globs[i].glob, globs[i].nodes, &want);
			for (j = 0; j < want.count; j++) {
				buf_put_text(&text, j ? ",\"" : "{\"results\":[\"");
				buf_put_slice(&text, textset_at(&want, j));
				buf_put_text(&text, "\"");
			}
			buf_put_u8(&text, 0);
			(void)snprintf(query, sizeof(query), "query=%s", globs[i].glob);
			assert_found(ROUTE_EXPAND, query, (char *)text.data);
			buf_release(&text);
			textset_release(&want);
		}
		tear_down(NULL);
		graphite_case_init(&c);
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
		TEST(what_needs_few_looks_is_found_at_once),
		TEST(four_thousand_names_are_few),
		TEST(no_branch_is_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
