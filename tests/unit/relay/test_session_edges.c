// SPDX-License-Identifier: Apache-2.0
/* Frames that end where others begin, limits met exactly, and lists of which the last is wrong. */
#include "relay/session_fsm.h"

#include "tests/unit/relay/session_world.h"

static void hear_bytes(struct world *w, const struct buf *bytes, size_t from, size_t to)
{
	session_data(&w->s, slice_of(bytes->data + from, to - from), w->now);
}

static void test_a_frame_in_parts_may_end_where_the_next_begins(void **state)
{
	struct world *w = *state;
	struct frame ping = { .type = FRAME_PING };
	struct buf out;
	size_t one;

	greet(w);
	buf_init(&out, SIZE_MAX);
	for (uint64_t i = 1; i <= 4; i++) {
		ping.ping.token = i;
		frame_encode(&out, &ping);
	}
	one = out.size / 4;
	for (size_t cut = 1; cut < one; cut++) {
		hear_bytes(w, &out, 0, cut);
		hear_bytes(w, &out, cut, 3 * one + cut);
		hear_bytes(w, &out, 3 * one + cut, out.size);
		for (uint64_t i = 1; i <= 4; i++)
			assert_int_equal(next(w, FRAME_PONG)->ping.token, i);
		assert_int_equal(w->s.in.size, 0);
		for (size_t i = 0; i < w->count; i++) {
			frame_release(&w->said[i]);
			buf_release(&w->kept[i]);
		}
		w->count = w->read = 0;
	}
	buf_release(&out);
}

static void test_a_greeting_has_a_size_and_is_judged_by_its_header(void **state)
{
	struct world *w = *state;
	uint8_t header[] = { SESSION_GREETING_BYTES & 0xff, SESSION_GREETING_BYTES >> 8, 0, 0, 1,
			     FRAME_HELLO, 0, 0 };

	session_data(&w->s, slice_of(header, sizeof(header)), w->now);
	assert_false(w->closed);
	again(w);
	header[0]++;
	session_data(&w->s, slice_of(header, sizeof(header)), w->now);
	expect_refused(w, ERR_TOO_LARGE);
}

static void test_only_the_answer_to_the_last_ping_makes_a_leaving_session_quiet(void **state)
{
	struct world *w = *state;
	struct frame early = { .type = FRAME_PONG }, other = { .type = FRAME_PONG };

	greet(w);
	early.ping.token = 1;
	hear(w, &early); /* the token of a PING that has not been sent yet */
	session_leave(&w->s);
	next(w, FRAME_GOAWAY);
	assert_int_equal(next(w, FRAME_PING)->ping.token, early.ping.token);
	assert_false(session_quiet(&w->s));
	other.ping.token = 0;
	hear(w, &other);
	assert_false(session_quiet(&w->s));
	hear(w, &early);
	assert_true(session_quiet(&w->s));
}

static void test_each_session_is_younger_than_the_one_before(void **state)
{
	struct world *w = *state;
	uint64_t born = w->s.peer.born;

	again(w);
	assert_true(w->s.peer.born > born);
}

static void test_a_session_opens_so_many_streams_and_no_more(void **state)
{
	struct world *w = *state;
	struct frame f = { .type = FRAME_OPEN };
	uint64_t incarnation = 0;

	greet(w);
	f.streams.list = calloc(LIMIT_FRAME_STREAMS, sizeof(*f.streams.list));
	f.streams.count = LIMIT_FRAME_STREAMS;
	while (incarnation < SESSION_STREAMS_MAX) {
		for (size_t i = 0; i < LIMIT_FRAME_STREAMS; i++)
			f.streams.list[i].id = stream_of(incarnation++);
		hear(w, &f);
		assert_false(w->closed);
	}
	f.streams.count = 1;
	f.streams.list[0].id = stream_of(incarnation);
	hear(w, &f);
	expect_refused(w, ERR_OVER_LIMIT);
	free(f.streams.list);
}

static void test_a_batch_of_a_partition_that_does_not_exist_is_refused(void **state)
{
	struct world *w = *state;
	struct source source;
	struct frame f = { .type = FRAME_BATCH };

	greet(w);
	source_init(&source, AGENT, 2, 2);
	source_count(&source, "a", SECOND);
	f.batch = source_frame(&source, 1, NULL);
	hear(w, &f);
	expect_refused(w, ERR_OUT_OF_RANGE);
	source_release(&source);
}

static void test_one_stream_of_another_in_a_list_refuses_all_of_it(void **state)
{
	struct world *w = *state;

	for (size_t wrong = 0; wrong < 3; wrong++) {
		struct frame_stream list[3];
		struct frame f = { .type = FRAME_CONFIRM, .streams = { .list = list, .count = 3 } };

		for (uint64_t i = 0; i < 3; i++)
			list[i] = (struct frame_stream){ .id = stream_of(i) };
		list[wrong].id.bytes[0]++;
		greet(w);
		hear(w, &f);
		expect_refused(w, ERR_PROTOCOL);
		assert_int_equal(w->call_count, 0);
		again(w);
	}
}

static void test_a_list_of_none_asks_nothing(void **state)
{
	struct world *w = *state;
	struct frame f = { .type = FRAME_CONFIRM };

	greet(w);
	hear(w, &f);
	assert_false(w->closed);
	assert_int_equal(w->call_count, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_frame_in_parts_may_end_where_the_next_begins),
		T(a_greeting_has_a_size_and_is_judged_by_its_header),
		T(only_the_answer_to_the_last_ping_makes_a_leaving_session_quiet),
		T(each_session_is_younger_than_the_one_before),
		T(a_session_opens_so_many_streams_and_no_more),
		T(a_batch_of_a_partition_that_does_not_exist_is_refused),
		T(one_stream_of_another_in_a_list_refuses_all_of_it),
		T(a_list_of_none_asks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
