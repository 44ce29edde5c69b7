// SPDX-License-Identifier: Apache-2.0
#include "proto/store/replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccc"
#define ZEROS "0000000000000000000000000000000000000000"

/* Of Redis 7.0.15. */
static const char of_master[] =
	"# Replication\r\nrole:master\r\nconnected_slaves:3\r\n"
	"slave0:ip=10.0.0.2,port=6380,state=online,offset=980,lag=0\r\n"
	"slave1:ip=10.0.0.3,port=6381,state=wait_bgsave,offset=0,lag=0\r\n"
	"slave2:ip=fd00::4,port=6382,state=online,offset=994,lag=1\r\n"
	"master_failover_state:no-failover\r\nmaster_replid:" A "\r\nmaster_replid2:" ZEROS "\r\n"
	"master_repl_offset:994\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:1\r\n";

static const char of_replica[] =
	"# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\n"
	"master_link_status:up\r\nmaster_last_io_seconds_ago:3\r\nmaster_sync_in_progress:0\r\n"
	"slave_read_repl_offset:990\r\nslave_repl_offset:980\r\nslave_priority:100\r\n"
	"slave_read_only:1\r\nreplica_announced:1\r\nconnected_slaves:0\r\nmaster_replid:" B "\r\n"
	"master_replid2:" A "\r\nmaster_repl_offset:980\r\nsecond_repl_offset:971\r\n";

static struct replica_info info_of(bool master, const char *history, int64_t offset)
{
	struct replica_info info = { .master = master, .linked = true, .offset = offset };

	strcpy(info.history, history);
	return info;
}

/* The master stood there when it was asked. */
static void master_at(struct replica_watch *w, int64_t asked_ms, int64_t offset)
{
	const struct replica_info info = info_of(true, A, offset);

	replica_hear_master(w, asked_ms, &info);
}

static bool replica_at(struct replica_watch *w, int64_t offset)
{
	const struct replica_info info = info_of(false, A, offset);

	return replica_hear(w, &info);
}

/* Who has gone on from A behind an offset. */
static struct replica_info successor(bool master, int64_t parted, int64_t offset)
{
	struct replica_info info = info_of(master, B, offset);

	strcpy(info.before, A);
	info.parted = parted;
	return info;
}

static void a_master_lists_its_replicas_in_step(void **state)
{
	struct replica_info info;

	(void)state;
	assert_true(replica_info_parse(slice_text(of_master), &info));
	assert_true(info.master);
	assert_string_equal(info.history, A);
	assert_int_equal(info.offset, 994);
	assert_int_equal(info.replica_count, 2);
	assert_string_equal(info.replicas[0].host, "10.0.0.2");
	assert_int_equal(info.replicas[0].port, 6380);
	assert_int_equal(info.replicas[0].scheme, ADDR_TCP);
	assert_string_equal(info.replicas[1].host, "fd00::4");
	assert_int_equal(info.replicas[1].port, 6382);
}

static void a_replica_says_what_it_has_applied(void **state)
{
	struct replica_info info;

	(void)state;
	assert_true(replica_info_parse(slice_text(of_replica), &info));
	assert_false(info.master);
	assert_true(info.linked);
	assert_int_equal(info.heard_s, 3);
	assert_int_equal(info.offset, 980); /* not what it has only read */
	assert_string_equal(info.history, B);
	assert_string_equal(info.before, A);
	assert_int_equal(info.parted, 970);
}

static void what_is_no_answer_is_refused(void **state)
{
	struct replica_info info;
	char cut[sizeof(of_master)];
	size_t size;

	(void)state;
	assert_false(replica_info_parse(slice_text(""), &info));
	assert_false(replica_info_parse(slice_text("role:slave\nmaster_replid:" A "\n"), &info));
	assert_false(replica_info_parse(slice_text("role:master\nmaster_repl_offset:1\n"), &info));
	assert_false(replica_info_parse(slice_text("role:master\nmaster_repl_offset:-1\n"
						   "master_replid:" A "\n"), &info));
	assert_false(replica_info_parse(slice_text("role:master\nmaster_repl_offset:1\n"
						   "master_replid:" A "a\n"), &info));
	assert_true(replica_info_parse(slice_text("role:master\nmaster_repl_offset:1\nslave0:ip=,p\n"
						  "slave1:ip=h,port=0,state=online\nslave2:\nslavex\n"
						  "slave3:ip=h,port=70000,state=online\n"
						  "master_replid:" A "\n"), &info));
	assert_int_equal(info.replica_count, 0);
	for (size = 0; size < sizeof(of_master) - 1; size++) {
		memcpy(cut, of_master, size);
		(void)replica_info_parse(slice_of(cut, size), &info);
	}
}

static void more_replicas_than_are_kept_are_left_out(void **state)
{
	struct replica_info info;
	char text[4096] = "role:master\nmaster_repl_offset:1\nmaster_replid:" A "\n";
	int i;

	(void)state;
	for (i = 0; i < REPLICA_MAX + 3; i++)
		strcat(text, "slave0:ip=h,port=1,state=online\n");
	assert_true(replica_info_parse(slice_text(text), &info));
	assert_int_equal(info.replica_count, REPLICA_MAX);
}

static void an_age_is_that_of_the_mark_reached(void **state)
{
	struct replica_watch w;

	(void)state;
	replica_watch_init(&w);
	assert_true(replica_at(&w, 100));
	assert_int_equal(replica_fresh_ms(&w), REPLICA_NO_MOMENT); /* of what? */
	master_at(&w, 1000, 200);
	assert_true(replica_at(&w, 199));
	assert_int_equal(replica_fresh_ms(&w), REPLICA_NO_MOMENT);
	assert_true(replica_at(&w, 200));
	assert_int_equal(replica_fresh_ms(&w), 1000);
	master_at(&w, 2000, 300);
	master_at(&w, 3000, 400);
	assert_int_equal(replica_fresh_ms(&w), 1000);
	assert_true(replica_at(&w, 399)); /* 2,000 would be true, but was not kept: one mark waits */
	assert_int_equal(replica_fresh_ms(&w), 2000);
	assert_true(replica_at(&w, 400));
	assert_int_equal(replica_fresh_ms(&w), 3000);
	assert_true(replica_at(&w, 400));
	assert_int_equal(replica_fresh_ms(&w), 3000); /* the master was not asked again */
}

static void one_that_always_lags_has_an_age_all_the_same(void **state)
{
	struct replica_watch w;
	int64_t second;

	(void)state;
	replica_watch_init(&w);
	for (second = 0; second < 100; second++) {
		master_at(&w, second * 1000, second * 50);
		assert_true(replica_at(&w, second < 5 ? 0 : (second - 5) * 50));
		if (second >= 12)
			assert_in_range(second * 1000 - replica_fresh_ms(&w), 5000, 12000);
	}
}

static void one_that_restarts_from_less_is_not_believed(void **state)
{
	struct replica_watch w;

	(void)state;
	replica_watch_init(&w);
	master_at(&w, 1000, 200);
	assert_true(replica_at(&w, 250));
	assert_false(replica_at(&w, 199));
	assert_int_equal(replica_fresh_ms(&w), REPLICA_NO_MOMENT);
	assert_true(replica_at(&w, 260));
	assert_int_equal(replica_fresh_ms(&w), 1000);
	/* Another replica, which is behind: it has lost nothing, and its age is not known. */
	replica_turn(&w);
	assert_true(replica_at(&w, 100));
	assert_int_equal(replica_fresh_ms(&w), REPLICA_NO_MOMENT);
}

static void another_history_is_not_believed(void **state)
{
	struct replica_watch w;
	const struct replica_info other = info_of(false, C, 5000);
	const struct replica_info other_master = info_of(true, C, 6000);

	(void)state;
	replica_watch_init(&w);
	master_at(&w, 1000, 200);
	assert_true(replica_at(&w, 200));
	assert_false(replica_hear(&w, &other));
	assert_int_equal(replica_fresh_ms(&w), REPLICA_NO_MOMENT);
	replica_hear_master(&w, 2000, &other_master);
	assert_true(replica_hear(&w, &other));
	assert_int_equal(replica_fresh_ms(&w), REPLICA_NO_MOMENT); /* 5,000 of 6,000 */
}

static void a_failover_that_is_followed_keeps_the_mark(void **state)
{
	struct replica_watch w;
	const struct replica_info promoted = successor(true, 210, 220);
	const struct replica_info follower = successor(false, 210, 215);

	(void)state;
	replica_watch_init(&w);
	master_at(&w, 1000, 200);
	assert_true(replica_at(&w, 205));
	assert_true(replica_hear(&w, &follower)); /* it has heard of it before us */
	assert_int_equal(replica_fresh_ms(&w), 1000);
	replica_hear_master(&w, 2000, &promoted);
	assert_int_equal(replica_fresh_ms(&w), 1000);
	assert_true(replica_hear(&w, &follower));
	assert_int_equal(replica_fresh_ms(&w), 1000);
}

/* The new master never had what was read from the replica; both count on in one numbering. */
static void a_failover_that_forgets_is_no_continuation(void **state)
{
	struct replica_watch w;
	const struct replica_info promoted = successor(true, 150, 400);
	const struct replica_info synced = info_of(false, B, 400);
	const struct replica_info ahead = successor(false, 150, 400);

	(void)state;
	replica_watch_init(&w);
	master_at(&w, 1000, 200);
	assert_true(replica_at(&w, 205));
	replica_hear_master(&w, 2000, &promoted);
	assert_int_equal(replica_fresh_ms(&w), REPLICA_NO_MOMENT);
	assert_false(replica_hear(&w, &synced)); /* a full resync names no history before */
	assert_int_equal(replica_fresh_ms(&w), 2000);
	replica_watch_init(&w);
	master_at(&w, 1000, 200);
	assert_true(replica_at(&w, 205));
	assert_false(replica_hear(&w, &ahead));
	assert_int_equal(replica_fresh_ms(&w), REPLICA_NO_MOMENT);
}

/* A mark of the old master that waits means nothing in the numbers of the new one. */
static void a_mark_that_waits_is_of_its_own_history(void **state)
{
	struct replica_watch w;
	const struct replica_info follower = successor(false, 150, 400);

	(void)state;
	replica_watch_init(&w);
	master_at(&w, 1000, 200);
	assert_true(replica_at(&w, 150));
	assert_true(replica_hear(&w, &follower));
	assert_int_equal(replica_fresh_ms(&w), REPLICA_NO_MOMENT);
}

static void one_that_was_named_says_its_age_itself(void **state)
{
	struct replica_info info = { .linked = true, .heard_s = 2 };

	(void)state;
	assert_int_equal(replica_own_fresh_ms(&info, 10000, REPLICA_NO_MOMENT), 7000);
	assert_int_equal(replica_own_fresh_ms(&info, 10000, 8000), 8000);
	info.heard_s = -1;
	assert_int_equal(replica_own_fresh_ms(&info, 10000, 4000), 4000);
	info = (struct replica_info){ .linked = false, .heard_s = 0 };
	assert_int_equal(replica_own_fresh_ms(&info, 10000, REPLICA_NO_MOMENT), REPLICA_NO_MOMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_master_lists_its_replicas_in_step),
		cmocka_unit_test(a_replica_says_what_it_has_applied),
		cmocka_unit_test(what_is_no_answer_is_refused),
		cmocka_unit_test(more_replicas_than_are_kept_are_left_out),
		cmocka_unit_test(an_age_is_that_of_the_mark_reached),
		cmocka_unit_test(one_that_always_lags_has_an_age_all_the_same),
		cmocka_unit_test(one_that_restarts_from_less_is_not_believed),
		cmocka_unit_test(another_history_is_not_believed),
		cmocka_unit_test(a_failover_that_is_followed_keeps_the_mark),
		cmocka_unit_test(a_failover_that_forgets_is_no_continuation),
		cmocka_unit_test(a_mark_that_waits_is_of_its_own_history),
		cmocka_unit_test(one_that_was_named_says_its_age_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
