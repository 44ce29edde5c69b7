// SPDX-License-Identifier: Apache-2.0
#include "proto/store/sentinel.h"

#include "proto/err.h"
#include "proto/store/redis_codec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Of what a sentinel of Redis 7.0 said of its master; the other fields are like these. */
static const char recorded[] = "*10\r\n"
			       "$4\r\nname\r\n$4\r\nmain\r\n"
			       "$5\r\nflags\r\n$6\r\nmaster\r\n"
			       "$23\r\ndown-after-milliseconds\r\n$5\r\n30000\r\n"
			       "$12\r\nconfig-epoch\r\n$1\r\n7\r\n"
			       "$10\r\nnum-slaves\r\n$1\r\n2\r\n";

static redisReply *parse(const char *resp)
{
	struct redis_codec codec = { 0 };
	redisReply *reply = NULL;

	assert_int_equal(redis_codec_start(&codec), 0);
	assert_int_equal(redis_codec_feed(&codec, slice_text(resp)), 0);
	assert_int_equal(redis_codec_next(&codec, &reply), 1);
	redis_codec_release(&codec);
	return reply;
}

static int address_of(const char *resp, struct addr *out)
{
	redisReply *reply = parse(resp);
	int status = sentinel_read_address(reply, out);

	freeReplyObject(reply);
	return status;
}

static int facts_of(const char *resp, struct sentinel_facts *out)
{
	redisReply *reply = parse(resp);
	int status = sentinel_read_facts(reply, out);

	freeReplyObject(reply);
	return status;
}

static struct addr at(uint16_t port)
{
	return (struct addr){ .scheme = ADDR_TCP, .host = "10.0.0.1", .port = port };
}

static enum sentinel_verdict say(struct sentinel *s, uint16_t port, uint64_t epoch)
{
	const struct addr master = at(port);

	return sentinel_take(s, &master, epoch);
}

static void a_recorded_answer_names_the_master(void **state)
{
	struct addr address;

	(void)state;
	assert_int_equal(address_of("*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6380\r\n", &address), 0);
	assert_string_equal(address.host, "127.0.0.1");
	assert_int_equal(address.port, 6380);
	assert_int_equal(address.scheme, ADDR_TCP);
	assert_int_equal(address_of("*2\r\n$3\r\n::1\r\n$1\r\n1\r\n", &address), 0);
	assert_string_equal(address.host, "::1");
	assert_int_equal(address_of("*-1\r\n", &address), -ENOENT);
}

static void a_malformed_answer_names_nobody(void **state)
{
	static const char *const bad[] = {
		"+OK\r\n", "-ERR no\r\n", "*0\r\n", "*1\r\n$1\r\na\r\n", "*2\r\n$0\r\n\r\n$1\r\n1\r\n",
		"*2\r\n$1\r\na\r\n$1\r\n0\r\n", "*2\r\n$1\r\na\r\n$5\r\n65536\r\n",
		"*2\r\n$1\r\na\r\n$2\r\n1x\r\n", "*2\r\n$1\r\na\r\n$0\r\n\r\n", "*2\r\n:1\r\n$1\r\n1\r\n",
		"*2\r\n$1\r\na\r\n:1\r\n", "*3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n1\r\n",
	};
	struct addr address;
	char longest[600];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(address_of(bad[i], &address), ERR_MALFORMED);
	(void)snprintf(longest, sizeof(longest), "*2\r\n$256\r\n%0256d\r\n$1\r\n1\r\n", 1);
	assert_int_equal(address_of(longest, &address), ERR_MALFORMED);
}

static void facts_are_found_among_many(void **state)
{
	struct sentinel_facts facts;

	(void)state;
	assert_int_equal(facts_of(recorded, &facts), 0);
	assert_int_equal(facts.epoch, 7);
	assert_int_equal(facts.down_after_ms, 30000);
	assert_int_equal(facts_of("*0\r\n", &facts), 0);
	assert_int_equal(facts.epoch, 0);
	assert_int_equal(facts_of("-ERR No such master with that name\r\n", &facts), ERR_MALFORMED);
	assert_int_equal(facts_of("*1\r\n$1\r\na\r\n", &facts), ERR_MALFORMED);
	assert_int_equal(facts_of("*2\r\n:1\r\n$1\r\na\r\n", &facts), ERR_MALFORMED);
	assert_int_equal(facts_of("*2\r\n$12\r\nconfig-epoch\r\n$2\r\n-1\r\n", &facts),
			 ERR_MALFORMED);
}

static void sentinels_are_asked_in_turn(void **state)
{
	struct sentinel s;

	(void)state;
	sentinel_init(&s, 3);
	assert_int_equal(sentinel_next(&s), 0);
	assert_int_equal(sentinel_next(&s), 1);
	assert_int_equal(sentinel_next(&s), 2);
	assert_int_equal(sentinel_next(&s), 0);
}

static void a_failover_is_believed_and_its_past_is_not(void **state)
{
	struct sentinel s;

	(void)state;
	sentinel_init(&s, 3);
	assert_int_equal(say(&s, 1, 4), SENTINEL_NEW);
	assert_int_equal(say(&s, 1, 4), SENTINEL_SAME);
	assert_int_equal(say(&s, 2, 5), SENTINEL_NEW);
	assert_int_equal(s.master.port, 2);
	/* A sentinel that was cut off: not even once in a while. */
	assert_int_equal(say(&s, 1, 4), SENTINEL_STALE);
	assert_int_equal(say(&s, 2, 5), SENTINEL_SAME);
	assert_int_equal(say(&s, 1, 4), SENTINEL_STALE);
	assert_int_equal(say(&s, 1, 4), SENTINEL_STALE);
	assert_int_equal(say(&s, 2, 6), SENTINEL_SAME);
	assert_int_equal(say(&s, 2, 5), SENTINEL_STALE);
	assert_int_equal(s.master.port, 2);
}

static void sentinels_set_up_anew_are_believed_when_all_agree(void **state)
{
	struct sentinel s;

	(void)state;
	sentinel_init(&s, 3);
	assert_int_equal(say(&s, 1, 9), SENTINEL_NEW);
	assert_int_equal(say(&s, 2, 0), SENTINEL_STALE);
	assert_int_equal(say(&s, 2, 0), SENTINEL_STALE);
	assert_int_equal(say(&s, 2, 0), SENTINEL_NEW);
	assert_int_equal(say(&s, 2, 0), SENTINEL_SAME);
	assert_int_equal(s.master.port, 2);
	sentinel_init(&s, 1);
	assert_int_equal(say(&s, 1, 9), SENTINEL_NEW);
	assert_int_equal(say(&s, 1, 0), SENTINEL_SAME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recorded_answer_names_the_master),
		cmocka_unit_test(a_malformed_answer_names_nobody),
		cmocka_unit_test(facts_are_found_among_many),
		cmocka_unit_test(sentinels_are_asked_in_turn),
		cmocka_unit_test(a_failover_is_believed_and_its_past_is_not),
		cmocka_unit_test(sentinels_set_up_anew_are_believed_when_all_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
