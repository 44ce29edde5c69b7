// SPDX-License-Identifier: Apache-2.0
#include "agent/post_json.h"

#include "proto/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static char lines[4096];

/* The lines of a body, or why there are none. */
static const char *lines_of(const char *body, int wanted)
{
	struct buf out;
	const char *why;
	size_t index;

	buf_init(&out, sizeof(lines) - 1);
	assert_int_equal(post_json_lines(slice_text(body), &out, &index, &why), wanted);
	if (out.size > 0)
		memcpy(lines, out.data, out.size);
	lines[out.size] = '\0';
	buf_release(&out);
	return wanted == 0 ? lines : why;
}

static void test_elements_become_lines(void **state)
{
	(void)state;
	assert_string_equal(lines_of("[]", 0), "");
	assert_string_equal(lines_of(" [ ] \r\n", 0), "");
	assert_string_equal(lines_of("[{\"key\":\"a\",\"value\":1}]", 0), "a:1|d\n");
	assert_string_equal(lines_of("\n[ {\"value\":-1.5e3 , \"key\":\"a.b;x=y\",\"type\":\"c\"} ,\t"
				     "{\"key\":\"\\u00e4 b\",\"value\":0.1}]\n", 0),
			    "a.b;x=y:-1500|c\n\xc3\xa4 b:0.1|d\n");
	/* The last of two members holds, as in most readers. */
	assert_string_equal(lines_of("[{\"key\":\"a\",\"key\":\"b\",\"value\":1}]", 0), "b:1|d\n");
}

static void test_what_is_wrong_refuses_all(void **state)
{
	static const char *const wrong[] = {
		"", " ", "{}", "1", "[", "[1]", "[{}]", "[[]]", "[{\"key\":\"a\"}]", "[,]",
		"[{\"key\":\"a\",\"value\":\"1\"}]", "[{\"key\":\"a\",\"value\":null}]",
		"[{\"key\":1,\"value\":1}]", "[{\"key\":\"\",\"value\":1}]",
		"[{\"key\":\"a:b\",\"value\":1}]", "[{\"key\":\"a|b\",\"value\":1}]",
		"[{\"key\":\"a\\nb:1|c\",\"value\":1}]", "[{\"key\":\"a\\u0000\",\"value\":1}]",
		"[{\"key\":\"a\",\"value\":1,\"type\":\"s\"}]", "[{\"key\":\"a\",\"value\":1e999}]",
		"[{\"key\":\"a\",\"value\":1,\"type\":1}]", "[{\"key\":\"a\",\"value\":NaN}]",
		"[{\"key\":\"a\",\"value\":1}", "[{\"key\":\"a\",\"value\":1},]",
		"[{\"key\":\"a\",\"value\":1}{}]", "[{\"key\":\"a\",\"value\":1}] x",
		"[{\"key\":\"a\",\"value\":1,\"tags\":{\"b\":\"c\"}}]",
		"[{\"key\":\"a\",\"value\":1,\"type\":\"c\",\"rate\":0.1}]",
		"[{\"key\":\"\xff\",\"value\":1}]", "[{\"key\":\"a\",\"value\":1}]]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(lines_of(wrong[i], ERR_MALFORMED));
}

static void test_depth_is_bounded(void **state)
{
	char *body = malloc(200001);

	(void)state;
	memset(body, '[', 200000);
	body[200000] = '\0';
	assert_non_null(lines_of(body, ERR_MALFORMED));
	free(body);
}

static void test_the_buffer_s_ceiling_holds(void **state)
{
	static const char body[] = "[{\"key\":\"a.key.that.is.longer.than.the.buffer\",\"value\":1}]";
	struct buf out;
	const char *why;
	size_t index;

	(void)state;
	buf_init(&out, 16);
	assert_int_equal(post_json_lines(slice_text(body), &out, &index, &why), -ENOBUFS);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elements_become_lines),
		cmocka_unit_test(test_what_is_wrong_refuses_all),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_the_buffer_s_ceiling_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
