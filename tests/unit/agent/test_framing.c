// SPDX-License-Identifier: Apache-2.0
#include "agent/framing.h"

#include "proto/buf.h"
#include "proto/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct world {
	struct framing f;
	struct framing_sink sink;
	struct buf out; /* lines, each in brackets; refused ones as <reason:size> */
};

static void on_line(void *arg, struct slice line)
{
	struct world *w = arg;

	buf_put_text(&w->out, "[");
	buf_put(&w->out, line.ptr, line.size);
	buf_put_text(&w->out, "]");
}

static void on_refuse(void *arg, struct slice begin, int reason)
{
	struct world *w = arg;

	buf_put_text(&w->out, "<");
	buf_put_text(&w->out, err_name(reason));
	buf_put_text(&w->out, begin.size > 0 ? ">" : "?");
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	framing_init(&w->f);
	buf_init(&w->out, 1 << 20);
	w->sink = (struct framing_sink){ .line = on_line, .refuse = on_refuse, .arg = w };
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	framing_release(&w->f);
	buf_release(&w->out);
	free(w);
	return 0;
}

static bool feed(struct world *w, const char *text)
{
	return framing_feed(&w->f, slice_text(text), &w->sink);
}

static void came(struct world *w, const char *text)
{
	buf_put_u8(&w->out, 0);
	assert_string_equal((char *)w->out.data, text);
	buf_reset(&w->out);
}

static void test_pieces_may_end_anywhere(void **state)
{
	static const char text[] = "a:1|c\n\nlonger.name:2|ms|#a:b\r\nb:3|g\n";
	struct world *w = *state;

	for (size_t cut = 0; cut < sizeof(text); cut++) {
		framing_feed(&w->f, slice_of(text, cut), &w->sink);
		framing_feed(&w->f, slice_of(text + cut, sizeof(text) - 1 - cut), &w->sink);
		came(w, "[a:1|c][][longer.name:2|ms|#a:b\r][b:3|g]");
	}
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		assert_int_equal(framing_feed(&w->f, slice_of(text + i, 1), &w->sink),
				 text[i] == '\n');
	came(w, "[a:1|c][][longer.name:2|ms|#a:b\r][b:3|g]");
}

static void test_the_end_in_order_ends_the_last_line(void **state)
{
	struct world *w = *state;

	assert_false(feed(w, "a:1|c"));
	framing_end(&w->f, true, &w->sink);
	came(w, "[a:1|c]");
	framing_end(&w->f, true, &w->sink);
	came(w, "");
}

static void test_a_broken_end_refuses_what_was_held(void **state)
{
	struct world *w = *state;

	assert_true(feed(w, "a:1|c\nb:1|c|@0"));
	framing_end(&w->f, false, &w->sink);
	came(w, "[a:1|c]<truncated>");
	framing_end(&w->f, false, &w->sink);
	came(w, "");
}

/* A line of `size` bytes, fed in pieces of `piece`, and a good one after it. */
static void long_line(struct world *w, size_t size, size_t piece)
{
	char *text = malloc(size);

	memset(text, 'x', size);
	for (size_t at = 0; at < size; at += piece)
		framing_feed(&w->f, slice_of(text + at, size - at < piece ? size - at : piece),
			     &w->sink);
	free(text);
	assert_true(w->f.capacity <= 2 * FRAMING_LINE_BYTES);
	assert_true(feed(w, "\nb:1|c\n"));
}

static void test_a_line_at_the_limit_is_taken_and_one_over_it_skipped(void **state)
{
	struct world *w = *state;
	size_t pieces[] = { 1, 1000, FRAMING_LINE_BYTES, 3 * FRAMING_LINE_BYTES };

	for (size_t i = 0; i < 4; i++) {
		long_line(w, FRAMING_LINE_BYTES, pieces[i]);
		assert_int_equal(w->out.size, FRAMING_LINE_BYTES + 2 + strlen("[b:1|c]"));
		buf_reset(&w->out);
		long_line(w, FRAMING_LINE_BYTES + 1, pieces[i]);
		came(w, "<too_large>[b:1|c]");
		long_line(w, 5 * FRAMING_LINE_BYTES, pieces[i]);
		came(w, "<too_large>[b:1|c]");
	}
	framing_feed(&w->f, slice_text("y"), &w->sink);
	assert_true(w->f.capacity < FRAMING_LINE_BYTES); /* the large buffer has gone */
}

static void test_a_skipped_line_is_refused_once(void **state)
{
	struct world *w = *state;
	char *text = malloc(FRAMING_LINE_BYTES + 1);

	memset(text, 'x', FRAMING_LINE_BYTES + 1);
	for (int i = 0; i < 5; i++)
		framing_feed(&w->f, slice_of(text, FRAMING_LINE_BYTES + 1), &w->sink);
	framing_end(&w->f, false, &w->sink);
	came(w, "<too_large>");
	free(text);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_pieces_may_end_anywhere),
		T(test_the_end_in_order_ends_the_last_line),
		T(test_a_broken_end_refuses_what_was_held),
		T(test_a_line_at_the_limit_is_taken_and_one_over_it_skipped),
		T(test_a_skipped_line_is_refused_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
