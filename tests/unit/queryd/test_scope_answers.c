// SPDX-License-Identifier: Apache-2.0
#include "queryd/scope.h"

/*
 * No token learns of a key outside of its prefixes: whatever is asked, an answer for a scope is,
 * byte by byte, what a caller without a scope hears from a daemon that has the scope's keys only.
 */
#include "queryd/access.h"
#include "queryd/answer.h"
#include "queryd/answer_many.h"
#include "queryd/graphite_find.h"
#include "tests/lib/graphite_case.h"

#include <errno.h>

#define ROUNDS 150
#define ASKED  12 /* of each kind, a round */
#define KEYS   30
#define TEXT   200

static struct graphite_case all, own; /* all keys under a scope; its keys alone */
static struct scope scope;
static char prefixes[TEXT];
static unsigned told; /* answers that told something */

static const char *pick(const char *const *texts, size_t count)
{
	return texts[(size_t)rand() % count];
}

#define PICK(...) pick((const char *const[]){ __VA_ARGS__ }, \
		       sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* Starts that are shared: `app` is of `apple` too, and what is after it may be more of both. */
static void make_name(char out[TEXT])
{
	(void)snprintf(out, TEXT, "%s%s%s", PICK("app", "apple", "app.", "apple.", "ap", "b", "b.c."),
		       PICK("", "le", ".x", "x y", "\xc3\xbc", "[1]", "50%", "app.", "/", "q"),
		       PICK("", ".z", ".app", ".apple", ".\\\\z"));
}

static void make_key(char out[TEXT])
{
	char name[TEXT];
	int kind = rand() % 8;

	if (kind == 0) {
		(void)snprintf(out, TEXT, "hourglass.samples.%s;agent=%d;host=app.%d",
			       PICK("received", "lost", "sealed"), rand() % 3, rand() % 3);
		return;
	}
	make_name(name);
	(void)snprintf(out, TEXT, "%s%s", name,
		       PICK("", "", ";host=a", ";host=app.b", ";apple=1;host=b", ";b.c.=app"));
}

static void make_scope(void)
{
	size_t i, count = 1 + (size_t)rand() % 3;

	prefixes[0] = '\0';
	for (i = 0; i < count; i++)
		strcat(strcat(prefixes, PICK("app", "app.", "apple", "apple.", "appl", "b", "b.c.",
					     "ap", "hourglass.", "hourglass.samples.l")), " ");
	assert_null(scope_read(slice_text(prefixes), &scope));
}

static void put(struct graphite_case *c, const char *key, enum kind kind, double value)
{
	graphite_case_put(c, key, 0, kind == KIND_COUNTER ? plan_case_total(value) :
							    plan_case_value(value));
}

static void fill(void)
{
	char key[TEXT];
	size_t i;

	for (i = 0; i < KEYS; i++) {
		make_key(key);
		enum kind kind = key[0] == 'h' || rand() % 3 == 0 ? KIND_COUNTER :
								    KIND_DISTRIBUTION;
		put(&all, key, kind, (double)i);
		if (scope_allows(&scope, slice_text(key)))
			put(&own, key, kind, (double)i);
	}
}

static void set_up(void)
{
	graphite_case_init(&all);
	graphite_case_init(&own);
	make_scope();
	all.keys.scope = &scope;
	fill();
}

/* ---- questions ------------------------------------------------------------------------------ */

/* A glob as it stands in a URL, whole or odd. */
static void make_glob(char out[TEXT])
{
	char name[TEXT];

	make_name(name);
	if (strchr(name, ' ') || strchr(name, '%') || rand() % 2)
		name[rand() % 3] = '\0';
	(void)snprintf(out, TEXT, "%s%s%s", name,
		       PICK("*", "*", "?*", "*.*", "", "%2a", "{le,}*", "[!z]*", "%00*", "%2F*", "..*"),
		       PICK("", "", "app*", "*host=app.*", "%3Bhost=*", "%2Fapp"));
}

/* What was asked must be answered the same twice. */
static void assert_same(const char *asked, int status, int wanted)
{
	assert_int_equal(status, wanted);
	if (status < 0) {
		assert_string_equal(all.why.message, own.why.message);
		return;
	}
	if (all.body.size != own.body.size || memcmp(all.body.data, own.body.data, all.body.size))
		fail_msg("%s as %s:\n%.*s instead of\n%.*s", asked, prefixes, (int)all.body.size,
			 (char *)all.body.data, (int)own.body.size, (char *)own.body.data);
	told += memchr(own.body.data, 'a', own.body.size) != NULL;
}

static int find(struct graphite_case *c, enum route route, const char *query)
{
	static struct form form;
	int status;

	buf_reset(&c->body);
	if (form_read(&form, slice_text(query), slice_text("")) < 0)
		return -EINVAL;
	status = graphite_find(&(struct graphite_ask){ route, &form, &c->keys, false }, &c->body,
			       &c->why);
	form_release(&form);
	return status;
}

static void ask_editor(void)
{
	static const enum route routes[] = { ROUTE_FIND, ROUTE_EXPAND, ROUTE_TAG_NAMES,
					     ROUTE_TAG_VALUES };
	enum route route = routes[rand() % 4];
	char glob[TEXT], query[2 * TEXT];

	make_glob(glob);
	all.why.message[0] = own.why.message[0] = '\0';
	if (route == ROUTE_FIND || route == ROUTE_EXPAND)
		(void)snprintf(query, sizeof(query), "query=%s", glob);
	else
		(void)snprintf(query, sizeof(query), "%s%s", route == ROUTE_TAG_VALUES ?
			       PICK("tag=host&", "tag=name&", "tag=apple&valuePrefix=1&") : "",
			       PICK("", "limit=3", "expr=host=~.*", "expr=name=~ap", "tagPrefix=a"));
	assert_same(query, find(&all, route, query), find(&own, route, query));
}

static void ask_render(void)
{
	char glob[TEXT], target[2 * TEXT], query[3 * TEXT];

	all.why.message[0] = own.why.message[0] = '\0';
	make_glob(glob);
	if (rand() % 3 == 0)
		make_name(glob); /* no walk, one look */
	if (strpbrk(glob, " %"))
		return; /* not as it would stand in a URL */
	if (rand() % 3 == 0)
		(void)snprintf(target, sizeof(target), "%s",
			       PICK("seriesByTag('name=~.*')", "seriesByTag('host=~app.*')",
				    "seriesByTag('name=app.x.max')", "seriesByTag('host!=a','name=~ap.*')",
				    "groupByNode(*.*,0,'max')", "highestAverage(*.*.*,2)"));
	else
		(void)snprintf(target, sizeof(target), "%s%s%s",
			       PICK("", "sumSeries(*.x.max,", "aliasByNode(a*,1,0,"), glob,
			       PICK(".max", ".*", "*.count", ".p99"));
	if (target[0] != 'g' && strchr(target, '(') && target[strlen(target) - 1] != ')')
		strcat(target, ")");
	(void)snprintf(query, sizeof(query), "target=%s&from=-3h", target);
	assert_same(query, graphite_case_render(&all, query),
		    graphite_case_render(&own, query));
}

/* ---- /v1 ------------------------------------------------------------------------------------ */

static const struct agents_verdict verdict = { .complete = true };

static void put_query(struct graphite_case *c, const struct route_request *asked,
		      const struct query *query, const struct survey *survey)
{
	struct query_rank *ranks;
	size_t count;

	if (asked->route == ROUTE_QUERY) {
		answer_query(&c->body, asked, query, survey, &verdict);
		return;
	}
	assert_int_equal(query_top(query, survey, &ranks, &count), 0);
	count = count < asked->limit ? count : asked->limit;
	answer_top(&c->body, asked, query, ranks, count, &verdict);
	free(ranks);
}

static int answer_many(struct graphite_case *c, const struct route_request *asked)
{
	struct query query = { 0 };
	struct ledger ledger = { 0 };
	struct survey *survey = NULL;
	int status = asked->route == ROUTE_LEDGER ?
			     ledger_build(asked, &c->keys, &c->limits, GRAPHITE_CASE_NOW, &ledger,
					  &survey, &c->why) :
			     query_build(asked, &c->keys, &c->limits, GRAPHITE_CASE_NOW, &query,
					 &survey, &c->why);

	if (status < 0)
		return status;
	assert_int_equal(survey_start(survey, SURVEY_STORE_PARTITIONS,
				      PLAN_CASE_RETENTION), 0);
	assert_int_equal(survey_store_run(&c->store, survey), PLAN_DONE);
	if (asked->route == ROUTE_LEDGER) {
		assert_int_equal(ledger_fill(&ledger, survey), 0);
		answer_ledger(&c->body, asked, &ledger, &verdict);
	} else {
		put_query(c, asked, &query, survey);
	}
	query_release(&query);
	ledger_release(&ledger);
	survey_free(survey);
	return 0;
}

static int answer(struct graphite_case *c, const struct route_request *asked)
{
	struct slice found[ROUTE_LIMIT_MAX];
	struct names_page page = { .keys = found, .limit = asked->limit };

	buf_reset(&c->body);
	c->why.message[0] = '\0';
	if (asked->route != ROUTE_KEYS)
		return answer_many(c, asked);
	scope_page(&c->keys, &asked->match, slice_of(asked->key, asked->key_size), &page);
	answer_keys(&c->body, &page);
	return 0;
}

static void ask_many(void)
{
	static struct route_request asked;
	const char *path = PICK("/v1/query", "/v1/top", "/v1/ledger", "/v1/keys", "/v1/keys");
	char glob[TEXT], query[3 * TEXT];
	struct route_refusal why;

	make_glob(glob);
	if (strcmp(path, "/v1/keys") == 0)
		(void)snprintf(query, sizeof(query), "match=%s&limit=%d%s", glob, 1 + rand() % 40,
			       PICK("", "&after=app", "&after=apple", "&after=b.c.", "&after=~"));
	else if (strcmp(path, "/v1/ledger") == 0)
		strcpy(query, "from=-3h");
	else
		(void)snprintf(query, sizeof(query), "match=%s&from=-3h&stat=%s", glob,
			       path[4] == 't' ? PICK("max", "count&n=3", "sum") :
						PICK("max", "count&by=host", "median&by=apple"));
	if (route_parse(slice_text(path), slice_text(query), GRAPHITE_CASE_NOW, &asked, &why) < 0)
		return;
	assert_same(query, answer(&all, &asked), answer(&own, &asked));
}

/* One key, however its name is spelt: who passes asks for a key of his own. */
static void ask_one(unsigned *passed)
{
	static struct route_request asked;
	char glob[TEXT], path[2 * TEXT], query[2 * TEXT] = "";
	struct route_refusal why;

	make_glob(glob);
	(void)snprintf(path, sizeof(path), "/%s%s", glob,
		       PICK("/max/2026-11-20/3", "/median", "/moving_average/3", "/max/2026-11-20", ""));
	if (rand() % 3 == 0) {
		strcpy(path, "/v1/series");
		(void)snprintf(query, sizeof(query), "key=%s&stat=max&from=-3h", glob);
	}
	if (route_parse(slice_text(path), slice_text(query), GRAPHITE_CASE_NOW, &asked, &why) < 0 ||
	    asked.route >= ROUTE_KEYS || access_judge(&asked, &scope, &why) < 0)
		return;
	(*passed)++;
	assert_true(asked.key_size > 0);
	assert_true(scope_allows(&scope, slice_of(asked.key, asked.key_size)));
}

static void an_answer_is_that_of_a_daemon_with_its_own_keys_only(void **state)
{
	unsigned passed = 0, editor = 0, rendered = 0, many = 0;
	size_t round, i;

	(void)state;
	srand(20261121);
	for (round = 0; round < ROUNDS; round++) {
		set_up();
		for (i = 0; i < ASKED; i++) {
			told = 0;
			ask_editor();
			editor += told;
			told = 0;
			ask_render();
			rendered += told;
			told = 0;
			ask_many();
			many += told;
			ask_one(&passed);
		}
		graphite_case_release(&all);
		graphite_case_release(&own);
	}
	/* The questions were not in vain. */
	assert_true(passed > ROUNDS && editor > ROUNDS && rendered > ROUNDS && many > ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_that_of_a_daemon_with_its_own_keys_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
