// SPDX-License-Identifier: Apache-2.0
#include "queryd/fetch_share.h"

#include "proto/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SENT_MAX 256

/* A Redis that answers when it is told to. */
static struct {
	struct {
		char key[32];
		redis_reply_fn reply;
		void *arg;
	} sent[SENT_MAX];
	size_t count;
	int refuse;
} store;

static struct fetch_shares shares;

static int fake_send(void *arg, struct slice key, redis_reply_fn reply, void *reply_arg)
{
	assert_ptr_equal(arg, &store);
	if (store.refuse)
		return store.refuse;
	assert_true(store.count < SENT_MAX && key.size < 32);
	memcpy(store.sent[store.count].key, key.ptr, key.size);
	store.sent[store.count].key[key.size] = '\0';
	store.sent[store.count].reply = reply;
	store.sent[store.count++].arg = reply_arg;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	memset(&store, 0, sizeof(store));
	fetch_shares_init(&shares, fake_send, &store);
	return 0;
}

struct asker {
	struct fetch_waiter waiter;
	const redisReply *reply;
	int status, calls;
	struct asker *then; /* asks when this one is answered */
};

static int ask(struct asker *a, const char *key);

static void on_reply(void *arg, int status, const redisReply *reply)
{
	struct asker *a = arg;

	a->calls++;
	a->status = status;
	a->reply = reply;
	if (a->then)
		assert_int_equal(ask(a->then, "k"), 0);
}

static int ask(struct asker *a, const char *key)
{
	a->waiter.reply = on_reply;
	a->waiter.arg = a;
	return fetch_share_read(&shares, slice_text(key), &a->waiter);
}

static void answer(size_t index, int status, const redisReply *reply)
{
	store.sent[index].reply(store.sent[index].arg, status, reply);
}

static void who_asks_for_the_same_waits_for_one_read(void **state)
{
	struct asker a = { 0 }, b = { 0 }, other = { 0 };
	redisReply reply = { .type = REDIS_REPLY_ARRAY }, second = { .type = REDIS_REPLY_ARRAY };

	(void)state;
	assert_int_equal(ask(&a, "k"), 0);
	assert_int_equal(ask(&other, "l"), 0);
	assert_int_equal(ask(&b, "k"), 0);
	assert_int_equal(store.count, 2);
	assert_string_equal(store.sent[0].key, "k");
	assert_int_equal(shares.joined, 1);
	answer(0, 0, &reply);
	assert_true(a.calls == 1 && b.calls == 1 && other.calls == 0);
	assert_true(a.reply == &reply && b.reply == &reply);
	answer(1, 0, &second);
	assert_true(other.calls == 1 && other.reply == &second);
}

static void what_has_left_is_not_joined(void **state)
{
	struct asker a = { 0 }, b = { 0 };

	(void)state;
	assert_int_equal(ask(&a, "k"), 0);
	fetch_shares_end_turn(&shares);
	assert_int_equal(ask(&b, "k"), 0);
	assert_int_equal(store.count, 2);
	answer(0, 0, NULL);
	assert_true(a.calls == 1 && b.calls == 0);
	answer(1, 0, NULL);
	assert_int_equal(b.calls, 1);
}

static void what_is_answered_is_not_joined(void **state)
{
	struct asker a = { 0 }, b = { 0 };

	(void)state;
	a.then = &b;
	assert_int_equal(ask(&a, "k"), 0);
	answer(0, 0, NULL);
	assert_int_equal(store.count, 2);
	assert_int_equal(b.calls, 0);
	answer(1, 0, NULL);
	assert_int_equal(b.calls, 1);
}

static void all_hear_of_a_lost_connection(void **state)
{
	struct asker a = { 0 }, b = { 0 };

	(void)state;
	assert_int_equal(ask(&a, "k"), 0);
	assert_int_equal(ask(&b, "k"), 0);
	answer(0, ERR_STORE_DOWN, NULL);
	assert_true(a.status == ERR_STORE_DOWN && b.status == ERR_STORE_DOWN);
}

static void what_cannot_be_sent_is_said_and_not_joined(void **state)
{
	struct asker a = { 0 }, b = { 0 };

	(void)state;
	store.refuse = -ENOBUFS;
	assert_int_equal(ask(&a, "k"), -ENOBUFS);
	store.refuse = 0;
	assert_int_equal(ask(&b, "k"), 0);
	assert_int_equal(store.count, 1);
	answer(0, 0, NULL);
	assert_true(a.calls == 0 && b.calls == 1);
}

/* More keys than the table has places: each is read, the later ones for themselves. */
static void a_taken_place_costs_only_the_sharing(void **state)
{
	static struct asker first[SENT_MAX / 2], again[SENT_MAX / 2];
	char key[8];
	size_t i;

	(void)state;
	for (i = 0; i < SENT_MAX / 2; i++) {
		key[0] = (char)('a' + i / 16);
		key[1] = (char)('a' + i % 16);
		key[2] = '\0';
		assert_int_equal(ask(&first[i], key), 0);
		assert_int_equal(ask(&again[i], key), 0);
	}
	assert_int_equal(store.count + shares.joined, SENT_MAX);
	assert_true(shares.joined > FETCH_SHARES / 4 && shares.joined <= FETCH_SHARES);
	for (i = 0; i < store.count; i++)
		answer(i, 0, NULL);
	for (i = 0; i < SENT_MAX / 2; i++)
		assert_true(first[i].calls == 1 && again[i].calls == 1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_asks_for_the_same_waits_for_one_read),
		TEST(what_has_left_is_not_joined),
		TEST(what_is_answered_is_not_joined),
		TEST(all_hear_of_a_lost_connection),
		TEST(what_cannot_be_sent_is_said_and_not_joined),
		TEST(a_taken_place_costs_only_the_sharing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
