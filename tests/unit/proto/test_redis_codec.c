// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis_codec.h"

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/store/redis.h"
#include "proto/store/redis_info.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void commands_are_arrays_of_bulks(void **state)
{
	static const char resp[] = "*3\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$0\r\n\r\n";
	const struct slice argv[] = { slice_text("SET"), slice_of("a\0b", 3), slice_of("", 0) };
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	redis_format(&out, 3, argv);
	assert_int_equal(buf_status(&out), 0);
	assert_true(slice_equal(buf_view(&out), slice_of(resp, sizeof(resp) - 1)));
	buf_release(&out);
	buf_init(&out, 12);
	redis_format(&out, 3, argv);
	assert_int_equal(buf_status(&out), -ENOBUFS);
	buf_release(&out);
}

static void counts_have_all_their_digits(void **state)
{
	static uint8_t big[1234567];
	const struct slice argv[] = { slice_of(big, sizeof(big)) };
	struct buf out;

	(void)state;
	buf_init(&out, sizeof(big) + 100);
	redis_format(&out, 1, argv);
	assert_int_equal(buf_status(&out), 0);
	assert_memory_equal(out.data, "*1\r\n$1234567\r\n", 14);
	assert_int_equal(out.size, 14 + sizeof(big) + 2);
	buf_release(&out);
}

static int feed(struct redis_codec *c, const char *text, redisReply **out)
{
	int status = redis_codec_feed(c, slice_text(text));

	return status < 0 ? status : redis_codec_next(c, out);
}

static void replies_come_whole_however_they_are_cut(void **state)
{
	static const char text[] = "*2\r\n$3\r\nabc\r\n:7\r\n+OK\r\n$-1\r\n-ERR no\r\n";
	static const int types[] = { REDIS_REPLY_ARRAY, REDIS_REPLY_STATUS, REDIS_REPLY_NIL,
				     REDIS_REPLY_ERROR };
	struct redis_codec c = { 0 };
	redisReply *reply;
	size_t seen = 0, i;

	(void)state;
	assert_int_equal(redis_codec_start(&c), 0);
	for (i = 0; i + 1 < sizeof(text); i++) {
		assert_int_equal(redis_codec_feed(&c, slice_of(text + i, 1)), 0);
		if (redis_codec_next(&c, &reply) == 0)
			continue;
		assert_int_equal(reply->type, types[seen++]);
		freeReplyObject(reply);
	}
	assert_int_equal(seen, 4);
	assert_int_equal(redis_codec_next(&c, &reply), 0);
	redis_codec_release(&c);
}

static void what_claims_too_much_is_refused(void **state)
{
	static const char *const cases[] = {
		"*1048577\r\n",
		"*2147483647\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
		"hello\r\n",
		"*x\r\n",
	};
	struct redis_codec c = { 0 };
	redisReply *reply;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(redis_codec_start(&c), 0);
		assert_int_equal(feed(&c, cases[i], &reply), ERR_MALFORMED);
	}
	assert_int_equal(redis_codec_start(&c), 0);
	assert_int_equal(feed(&c, "*1048576\r\n", &reply), 0);
	redis_codec_release(&c);
}

static void a_reply_without_end_is_refused(void **state)
{
	static char chunk[1 << 20];
	struct redis_codec c = { 0 };
	redisReply *reply;
	int status = 0;
	size_t fed = 0;

	(void)state;
	memset(chunk, 'x', sizeof(chunk));
	assert_int_equal(redis_codec_start(&c), 0);
	assert_int_equal(feed(&c, "$1000000000\r\n", &reply), 0);
	while (status == 0 && fed <= REDIS_REPLY_BYTES_MAX) {
		status = redis_codec_feed(&c, slice_of(chunk, sizeof(chunk)));
		fed += sizeof(chunk);
	}
	assert_int_equal(status, ERR_TOO_LARGE);
	assert_true(fed >= REDIS_REPLY_BYTES_MAX);
	redis_codec_release(&c);
}

static void info_tells_version_role_and_loading(void **state)
{
	struct redis_info info;

	(void)state;
	assert_true(redis_info_parse(slice_text("# Server\r\nredis_version:7.0.15\r\nx_role:no\r\n"
						"loading:0\r\nrole:master\r\n"), &info));
	assert_string_equal(info.version, "7.0.15");
	assert_string_equal(info.role, "master");
	assert_false(info.loading);
	assert_true(redis_info_parse(slice_text("\nredis_version:8\nloading:1"), &info));
	assert_true(info.loading);
	assert_string_equal(info.role, "");
	assert_false(redis_info_parse(slice_of("", 0), &info));
	assert_false(redis_info_parse(slice_text("\nredis_version:\r\nrole:master\r\n"), &info));
	assert_true(redis_info_parse(
		slice_text("\nredis_version:0123456789012345678901234567890123456789"), &info));
	assert_int_equal(strlen(info.version), REDIS_INFO_TEXT_SIZE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_arrays_of_bulks),
		cmocka_unit_test(counts_have_all_their_digits),
		cmocka_unit_test(replies_come_whole_however_they_are_cut),
		cmocka_unit_test(what_claims_too_much_is_refused),
		cmocka_unit_test(a_reply_without_end_is_refused),
		cmocka_unit_test(info_tells_version_role_and_loading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
