// SPDX-License-Identifier: Apache-2.0
#include "relay/acks.h"

#include "relay/committer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define STREAMS 300

/* What was sent: to whom, which streams (by partition), in how many lists. */
struct sent {
	struct committer_peer *peers[2 * STREAMS];
	uint32_t partitions[2 * STREAMS];
	size_t count, lists;
};

static void note(void *arg, struct committer_peer *peer, struct frame_stream *list, size_t count)
{
	struct sent *sent = arg;

	for (size_t i = 0; i < count; i++) {
		sent->peers[sent->count] = peer;
		sent->partitions[sent->count++] = list[i].partition;
	}
	sent->lists++;
}

static void add(struct acks *a, struct committer_peer *peer, uint32_t partition)
{
	acks_add(a, peer, &(struct frame_stream){ .partition = partition });
}

static void test_a_session_is_told_once_in_the_order_of_its_streams(void **state)
{
	struct committer_peer peers[2];
	struct sent sent = { 0 };
	struct acks a;

	(void)state;
	committer_peer_init(&peers[0], 1);
	committer_peer_init(&peers[1], 2);
	acks_init(&a, 40, note, &sent);
	for (uint32_t i = 0; i < 40; i++)
		add(&a, &peers[i % 2], i);
	acks_finish(&a);
	assert_int_equal(sent.lists, 2);
	assert_int_equal(sent.count, 40);
	for (size_t i = 0; i < 40; i++) {
		assert_ptr_equal(sent.peers[i], &peers[i / 20]);
		assert_int_equal(sent.partitions[i], 2 * (i % 20) + i / 20);
	}
}

/* Where the sessions lie in memory must not show: the simulator replays by seed. */
static void test_older_sessions_are_told_first_wherever_they_lie(void **state)
{
	struct committer_peer peers[2];
	struct sent sent = { 0 };
	struct acks a;

	(void)state;
	committer_peer_init(&peers[0], 2);
	committer_peer_init(&peers[1], 1);
	acks_init(&a, 2, note, &sent);
	add(&a, &peers[0], 0);
	add(&a, &peers[1], 1);
	acks_finish(&a);
	assert_int_equal(sent.count, 2);
	assert_ptr_equal(sent.peers[0], &peers[1]);
	assert_ptr_equal(sent.peers[1], &peers[0]);
}

static void test_long_lists_are_split(void **state)
{
	struct committer_peer peer;
	struct sent sent = { 0 };
	struct acks a;

	(void)state;
	committer_peer_init(&peer, 1);
	acks_init(&a, STREAMS, note, &sent);
	for (uint32_t i = 0; i < STREAMS; i++)
		add(&a, &peer, i);
	acks_finish(&a);
	assert_int_equal(sent.lists, 2);
	assert_int_equal(sent.count, STREAMS);
	for (size_t i = 0; i < STREAMS; i++)
		assert_int_equal(sent.partitions[i], i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_session_is_told_once_in_the_order_of_its_streams),
		cmocka_unit_test(test_older_sessions_are_told_first_wherever_they_lie),
		cmocka_unit_test(test_long_lists_are_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
