// SPDX-License-Identifier: Apache-2.0
#include "relay/session_fsm.h"

#include "tests/unit/relay/session_world.h"

static void test_hello_is_welcomed_with_what_the_agent_must_know(void **state)
{
	struct world *w = *state;
	struct frame f = hello();
	const struct frame *welcome, *relays;
	struct slice list[] = { slice_text("10.0.0.1:8127"), slice_text("10.0.0.2:8127") };

	w->hub.relays = (struct frame_relays){ .floor_hour = 123, .list = list, .count = 2 };
	f.hello.cfg = 0; /* does not know it yet */
	hear(w, &f);
	welcome = next(w, FRAME_WELCOME);
	assert_int_equal(welcome->welcome.cfg, CFG);
	assert_int_equal(welcome->welcome.partitions, 2);
	assert_int_equal(welcome->welcome.version, 1);
	assert_int_equal(welcome->welcome.grace_ms, 10000);
	assert_int_equal(welcome->welcome.clock_ms, SECOND * 1000);
	relays = next(w, FRAME_RELAYS);
	assert_int_equal(relays->relays.floor_hour, 123);
	assert_int_equal(relays->relays.count, 2);
	assert_int_equal(w->s.state, SESSION_OPEN);
}

static void test_versions_meet_in_the_middle_or_not_at_all(void **state)
{
	struct world *w = *state;
	struct frame f = hello();

	f.hello.version_max = 9;
	hear(w, &f);
	assert_int_equal(next(w, FRAME_WELCOME)->welcome.version, 1);
	next(w, FRAME_RELAYS);
	session_release(&w->s);
	session_init(&w->s, &w->hub, NULL, w->now);
	f.hello.version_min = 2;
	hear(w, &f);
	expect_refused(w, ERR_VERSION);
	assert_int_equal(tally_get(&w->n.refusals_version), 1);
}

static void test_another_fleet_is_refused(void **state)
{
	struct world *w = *state;
	struct frame f = hello();

	f.hello.cfg = hash_cfg(4);
	hear(w, &f);
	expect_refused(w, ERR_FOREIGN_CONFIG);
}

static void test_nothing_goes_before_hello_and_hello_goes_once(void **state)
{
	struct world *w = *state;
	struct frame ping = { .type = FRAME_PING, .ping = { .token = 1 } }, f = hello();

	hear(w, &ping);
	expect_refused(w, ERR_PROTOCOL);
	again(w);
	greet(w);
	hear(w, &f);
	expect_refused(w, ERR_PROTOCOL);
}

static void test_what_only_relays_say_is_refused(void **state)
{
	struct world *w = *state;
	struct frame goaway = { .type = FRAME_GOAWAY };

	greet(w);
	hear(w, &goaway);
	expect_refused(w, ERR_PROTOCOL);
}

static void test_garbage_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *bytes;
		int code;
	} cases[] = {
		{ "ff ff ff 7f 01 01 00 00", ERR_TOO_LARGE },
		{ "01 00 00 00 07 01 00 00 c0", ERR_VERSION },
		{ "01 00 00 00 01 63 00 00 c0", ERR_UNKNOWN_TYPE },
		{ "01 00 00 00 01 01 01 00 c0", ERR_MALFORMED },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[64];

		session_data(&w->s, bytes_of_hex(cases[i].bytes, bytes, sizeof(bytes)), w->now);
		expect_refused(w, cases[i].code);
		again(w);
	}
}

static void test_frames_may_come_byte_by_byte_or_all_at_once(void **state)
{
	struct world *w = *state;
	struct frame f = hello(), ping = { .type = FRAME_PING, .ping = { .token = 5 } };
	struct buf out;

	buf_init(&out, SIZE_MAX);
	frame_encode(&out, &f);
	frame_encode(&out, &ping);
	for (size_t i = 0; i < out.size; i++)
		session_data(&w->s, slice_of(out.data + i, 1), w->now);
	next(w, FRAME_WELCOME);
	next(w, FRAME_RELAYS);
	assert_int_equal(next(w, FRAME_PONG)->ping.token, 5);
	buf_reset(&out);
	for (uint64_t i = 0; i < 3; i++) {
		ping.ping.token = i;
		frame_encode(&out, &ping);
	}
	/* Two and a half frames, then the rest. */
	session_data(&w->s, slice_of(out.data, out.size - 5), w->now);
	session_data(&w->s, slice_of(out.data + out.size - 5, 5), w->now);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(next(w, FRAME_PONG)->ping.token, i);
	buf_release(&out);
}

static void test_a_frame_in_parts_costs_what_has_come(void **state)
{
	struct world *w = *state;
	uint8_t header[] = { 0, 0, 4, 0, 1, FRAME_BATCH, 0, 0, 0xc4 };

	greet(w);
	session_data(&w->s, slice_of(header, sizeof(header)), w->now);
	assert_true(w->s.in.capacity <= 256);
	assert_false(w->closed);
}

static void test_a_large_frame_leaves_no_large_buffer(void **state)
{
	struct world *w = *state;
	struct frame f = { .type = FRAME_OPEN };
	struct buf out;

	greet(w);
	f.streams.list = calloc(2000, sizeof(*f.streams.list));
	f.streams.count = 2000;
	for (size_t i = 0; i < 2000; i++)
		f.streams.list[i].id = stream_of(i);
	buf_init(&out, SIZE_MAX);
	frame_encode(&out, &f);
	assert_true(out.size > 32768);
	session_data(&w->s, slice_of(out.data, out.size - 1), w->now);
	assert_true(w->s.in.capacity > 32768);
	session_data(&w->s, slice_of(out.data + out.size - 1, 1), w->now);
	assert_int_equal(w->s.in.capacity, 0);
	assert_int_equal(w->s.peer.track_count, 2000);
	buf_release(&out);
	free(f.streams.list);
}

static void test_a_batch_goes_its_way_and_is_acknowledged(void **state)
{
	struct world *w = *state;
	struct source source;
	struct frame_stream stream = { .partition = 0 };
	struct frame f = { .type = FRAME_OPEN, .streams = { .list = &stream, .count = 1 } };
	struct stream_state nonce;
	const char *series = "a";
	uint32_t p = hash_partition(slice_text(series), 2);

	greet(w);
	source_init(&source, 'q', 2, p);
	source_count(&source, series, SECOND);
	stream.id = source.id;
	stream.partition = p;
	hear(w, &f);
	settle(w);
	nonce = next(w, FRAME_STATE)->streams.list[0].state;
	assert_true(nonce.nonce);
	f = (struct frame){ .type = FRAME_BATCH, .batch = source_frame(&source, 1, &nonce) };
	hear(w, &f);
	settle(w);
	assert_int_equal(next(w, FRAME_COMMITTED)->streams.list[0].state.seq, 1);
	f = (struct frame){ .type = FRAME_CONFIRM,
			    .streams = { .token = 9, .list = &stream, .count = 1 } };
	hear(w, &f);
	settle(w);
	assert_int_equal(w->said[w->read].streams.token, 9);
	assert_true(next(w, FRAME_CONFIRMED)->streams.stable);
	source_release(&source);
}

static void test_a_confirm_is_split_by_partition(void **state)
{
	struct world *w = *state;
	struct frame_stream list[4] = { { .partition = 1 }, { .partition = 0 }, { .partition = 1 },
					{ .partition = 0 } };
	struct frame f = { .type = FRAME_CONFIRM,
			   .streams = { .token = 3, .list = list, .count = 4 } };

	for (uint8_t i = 0; i < 4; i++)
		list[i].id = stream_of(i);
	greet(w);
	w->hub.stable = false;
	hear(w, &f);
	assert_int_equal(w->call_count, 2);
	settle(w);
	for (uint32_t p = 0; p < 2; p++) {
		const struct frame *answer = next(w, FRAME_CONFIRMED);

		assert_int_equal(answer->streams.token, 3);
		assert_false(answer->streams.stable);
		assert_int_equal(answer->streams.count, 2);
		assert_int_equal(answer->streams.list[0].partition, p);
	}
}

static void test_confirms_without_end_are_not_all_asked(void **state)
{
	struct world *w = *state;
	struct frame_stream one = { .id = stream_of(1), .partition = 0 };
	struct frame f = { .type = FRAME_CONFIRM, .streams = { .list = &one, .count = 1 } };

	greet(w);
	for (int i = 0; i < 50; i++)
		hear(w, &f);
	assert_int_equal(w->call_count, 8);
}

static void test_a_partition_that_does_not_exist_is_refused(void **state)
{
	static const enum frame_type types[] = { FRAME_OPEN, FRAME_CONFIRM, FRAME_CLOSE };
	struct world *w = *state;

	for (size_t i = 0; i < 3; i++) {
		struct frame_stream one = { .partition = 2 };
		struct frame f = { .type = types[i], .streams = { .list = &one, .count = 1 } };

		greet(w);
		hear(w, &f);
		expect_refused(w, ERR_OUT_OF_RANGE);
		again(w);
	}
}

static void test_a_batch_of_another_fleet_is_refused(void **state)
{
	struct world *w = *state;
	struct source source;
	struct frame f = { .type = FRAME_BATCH };

	greet(w);
	source_init(&source, 'q', 1, 0);
	source_count(&source, "a", SECOND);
	f.batch = source_frame(&source, 1, NULL);
	hear(w, &f);
	expect_refused(w, ERR_FOREIGN_CONFIG);
	source_release(&source);
}

static void test_watermarks_are_passed_on(void **state)
{
	struct world *w = *state;
	struct frame f = { .type = FRAME_WATERMARK,
			   .watermark = { .committed_ms = 12345, .host = slice_text("h") } };

	greet(w);
	hear(w, &f);
	assert_int_equal(w->watermark_ms, 12345);
}

static void test_busy_is_told_on_change_and_to_newcomers(void **state)
{
	struct world *w = *state;

	greet(w);
	session_tell_busy(&w->s);
	assert_int_equal(w->read, w->count);
	w->hub.busy = true;
	session_tell_busy(&w->s);
	session_tell_busy(&w->s);
	assert_true(next(w, FRAME_BUSY)->busy);
	session_release(&w->s);
	session_init(&w->s, &w->hub, NULL, w->now);
	greet(w);
	assert_true(next(w, FRAME_BUSY)->busy);
	w->hub.busy = false;
	session_tell_busy(&w->s);
	assert_false(next(w, FRAME_BUSY)->busy);
	assert_int_equal(w->read, w->count);
}

static void test_a_full_store_is_told_to_who_understands(void **state)
{
	struct world *w = *state;
	struct frame f = hello();

	greet(w);
	w->hub.full = true;
	session_tell_store(&w->s);
	assert_int_equal(w->read, w->count);
	session_release(&w->s);
	session_init(&w->s, &w->hub, NULL, w->now);
	f.hello.capabilities = FRAME_KNOWS_STORE;
	hear(w, &f);
	next(w, FRAME_WELCOME);
	next(w, FRAME_RELAYS);
	assert_true(next(w, FRAME_STORE)->full);
	session_tell_store(&w->s);
	w->hub.full = false;
	session_tell_store(&w->s);
	assert_false(next(w, FRAME_STORE)->full);
	assert_int_equal(w->read, w->count);
}

static void test_silence_before_hello_ends_the_session(void **state)
{
	struct world *w = *state;

	session_tick(&w->s, NOW + SESSION_HELLO_MS - 1);
	assert_false(w->closed);
	session_tick(&w->s, NOW + SESSION_HELLO_MS);
	expect_refused(w, -ETIMEDOUT);
	assert_int_equal(tally_get(&w->n.timeouts_hello), 1);
	session_tick(&w->s, NOW + 10 * SESSION_IDLE_MS);
	assert_int_equal(w->read, w->count);
}

static void test_a_silent_agent_is_asked_and_then_left(void **state)
{
	struct world *w = *state;

	greet(w);
	session_tick(&w->s, NOW + SESSION_PING_MS - 1);
	assert_int_equal(w->read, w->count);
	session_tick(&w->s, NOW + SESSION_PING_MS);
	session_tick(&w->s, NOW + SESSION_PING_MS + 1000);
	next(w, FRAME_PING);
	assert_int_equal(w->read, w->count);
	session_tick(&w->s, NOW + 2 * SESSION_PING_MS);
	next(w, FRAME_PING);
	session_tick(&w->s, NOW + SESSION_IDLE_MS);
	expect_refused(w, -ETIMEDOUT);
	assert_int_equal(tally_get(&w->n.timeouts_idle), 1);
}

static void test_who_cannot_be_heard_is_not_silent(void **state)
{
	struct world *w = *state;

	session_heard(&w->s, NOW + 60000);
	session_tick(&w->s, NOW + 60000 + SESSION_HELLO_MS - 1);
	assert_false(w->closed);
}

static void test_leaving_says_goaway_once_and_still_answers(void **state)
{
	struct world *w = *state;
	struct frame ping = { .type = FRAME_PING, .ping = { .token = 1 } };

	greet(w);
	session_leave(&w->s);
	session_leave(&w->s);
	next(w, FRAME_GOAWAY);
	next(w, FRAME_PING);
	hear(w, &ping);
	next(w, FRAME_PONG);
	assert_int_equal(w->read, w->count);
	assert_string_equal(session_state_name(w->s.state), "LEAVING");
}

/* What an agent sent before it read our GOAWAY comes before its answer to the PING after it. */
static void test_a_leaving_session_is_quiet_when_all_that_was_on_its_way_has_come(void **state)
{
	struct world *w = *state;
	struct frame pong = { .type = FRAME_PONG };
	struct source source;
	struct frame_stream stream = { .partition = hash_partition(slice_text("a"), 2) };
	struct frame f = { .type = FRAME_OPEN, .streams = { .list = &stream, .count = 1 } };
	struct stream_state nonce;

	greet(w);
	source_init(&source, AGENT, 2, stream.partition);
	source_count(&source, "a", SECOND);
	stream.id = source.id;
	hear(w, &f);
	settle(w);
	nonce = next(w, FRAME_STATE)->streams.list[0].state;
	hear(w, &pong); /* of an earlier PING */
	session_leave(&w->s);
	next(w, FRAME_GOAWAY);
	pong.ping.token = next(w, FRAME_PING)->ping.token;
	f = (struct frame){ .type = FRAME_BATCH, .batch = source_frame(&source, 1, &nonce) };
	hear(w, &f);
	assert_false(session_quiet(&w->s));
	hear(w, &pong);
	assert_true(session_quiet(&w->s));
	settle(w);
	assert_int_equal(next(w, FRAME_COMMITTED)->streams.list[0].state.seq, 1);
	source_release(&source);
}

static void test_who_has_not_been_welcomed_is_not_kept_when_we_leave(void **state)
{
	struct world *w = *state;

	session_leave(&w->s);
	assert_true(w->closed && session_quiet(&w->s));
	assert_int_equal(w->count, 0);
}

/* ---- whose streams ---- */

static void test_an_agent_speaks_of_its_own_streams_only(void **state)
{
	struct world *w = *state;
	struct frame_stream other = { .id = stream_of(1), .partition = 0 };
	struct source source;

	other.id.bytes[FRAME_AGENT_BYTES - 1] ^= 1;
	source_init(&source, AGENT + 1, 2, hash_partition(slice_text("a"), 2));
	source_count(&source, "a", SECOND);
	for (int i = 0; i < 4; i++) {
		const struct frame said[] = {
			{ .type = FRAME_OPEN, .streams = { .list = &other, .count = 1 } },
			{ .type = FRAME_CONFIRM, .streams = { .list = &other, .count = 1 } },
			{ .type = FRAME_CLOSE, .streams = { .list = &other, .count = 1 } },
			{ .type = FRAME_BATCH, .batch = source_frame(&source, 1, NULL) },
		};

		greet(w);
		hear(w, &said[i]);
		expect_refused(w, ERR_PROTOCOL);
		assert_int_equal(w->call_count, 0);
		again(w);
	}
	source_release(&source);
}

static void test_leftovers_of_an_older_incarnation_are_its_own(void **state)
{
	struct world *w = *state;
	struct frame_stream old = { .id = stream_of(4711), .partition = 0 };
	struct frame f = { .type = FRAME_OPEN, .streams = { .list = &old, .count = 1 } };

	greet(w);
	hear(w, &f);
	settle(w);
	assert_true(next(w, FRAME_STATE)->streams.list[0].state.nonce);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(hello_is_welcomed_with_what_the_agent_must_know),
		T(versions_meet_in_the_middle_or_not_at_all),
		T(another_fleet_is_refused),
		T(nothing_goes_before_hello_and_hello_goes_once),
		T(what_only_relays_say_is_refused),
		T(garbage_is_refused_with_its_reason),
		T(frames_may_come_byte_by_byte_or_all_at_once),
		T(a_frame_in_parts_costs_what_has_come),
		T(a_large_frame_leaves_no_large_buffer),
		T(a_batch_goes_its_way_and_is_acknowledged),
		T(a_confirm_is_split_by_partition),
		T(confirms_without_end_are_not_all_asked),
		T(a_partition_that_does_not_exist_is_refused),
		T(a_batch_of_another_fleet_is_refused),
		T(watermarks_are_passed_on),
		T(busy_is_told_on_change_and_to_newcomers),
		T(a_full_store_is_told_to_who_understands),
		T(silence_before_hello_ends_the_session),
		T(a_silent_agent_is_asked_and_then_left),
		T(who_cannot_be_heard_is_not_silent),
		T(leaving_says_goaway_once_and_still_answers),
		T(a_leaving_session_is_quiet_when_all_that_was_on_its_way_has_come),
		T(who_has_not_been_welcomed_is_not_kept_when_we_leave),
		T(an_agent_speaks_of_its_own_streams_only),
		T(leftovers_of_an_older_incarnation_are_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
