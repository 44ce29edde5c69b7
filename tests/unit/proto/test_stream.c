// SPDX-License-Identifier: Apache-2.0
#include "proto/net/stream.h"

#include "tests/lib/stream_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += bytes[i] * (uint64_t)(i + 1);
	return sum;
}

static void test_bytes_arrive_both_ways(void **state)
{
	struct stream_pair f = { .client.greeting = "hello", .server.echo = true };
	struct addr to = stream_pair_listen(&f, "127.0.0.1:0");

	(void)state;
	stream_pair_dial(&f, &to);
	assert_int_equal(f.client.connected, 0);
	stream_pair_until(&f, &f.client, 5);
	assert_int_equal(f.client.sum, sum_of((const uint8_t *)"hello", 5));
	assert_string_equal(stream_peer(f.client.s), stream_listener_address(f.listener));
	assert_non_null(strstr(stream_peer(f.server.s), "127.0.0.1:"));
	stream_pair_finish(&f);
	assert_int_equal(f.client.closed, 1);
	assert_int_equal(f.client.reason, 0);
}

static void test_unix_sockets_by_path_and_abstract(void **state)
{
	char path[64];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct stream_pair f = { .client.greeting = "x", .server.echo = true };
		struct addr to;

		snprintf(path, sizeof(path), i ? "unix:@hourglass-test-%d" : "unix:///tmp/hourglass-test-%d",
			 (int)getpid());
		to = stream_pair_listen(&f, path);
		assert_string_equal(stream_listener_address(f.listener), path);
		stream_pair_dial(&f, &to);
		stream_pair_until(&f, &f.client, 1);
		stream_pair_finish(&f);
		if (i == 0)
			assert_int_equal(access(path + 7, F_OK), -1);
	}
}

static void test_a_megabyte_arrives_in_order_and_drains_once(void **state)
{
	size_t size = 4 << 20;
	uint8_t *bytes = malloc(size);
	struct stream_pair f = { 0 };

	(void)state;
	stream_pair_open(&f);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 24);
	/* Small, medium and large pieces interleave all three ways of sending. */
	for (size_t at = 0, piece = 1; at < size; at += piece, piece = piece * 3 % 70001) {
		if (piece > size - at)
			piece = size - at;
		assert_int_equal(stream_write(f.client.s, slice_of(bytes + at, piece)), 0);
	}
	assert_true(stream_queued(f.client.s) > 0);
	stream_pair_until(&f, &f.server, size);
	assert_int_equal(f.server.received, size);
	assert_true(f.server.sum == sum_of(bytes, size));
	test_loop_until_count(&f.t, &f.client.drained, 1);
	assert_int_equal(stream_queued(f.client.s), 0);
	stream_pair_finish(&f);
	assert_int_equal(f.client.drained, 1);
	free(bytes);
}

static void test_small_writes_leave_together(void **state)
{
	struct stream_pair f = { 0 };

	(void)state;
	stream_pair_open(&f);
	for (int i = 0; i < 100; i++)
		assert_int_equal(stream_write(f.client.s, slice_text("0123456789")), 0);
	assert_int_equal(stream_queued(f.client.s), 1000);
	stream_pair_until(&f, &f.server, 1000);
	assert_int_equal(f.server.data_calls, 1);
	assert_int_equal(f.client.drained, 1);
	stream_pair_finish(&f);
}

static void test_the_ceiling_refuses_and_keeps_what_was_queued(void **state)
{
	struct stream_pair f = { .options.write_ceiling_bytes = 1000 };
	uint8_t bytes[1001] = { 0 };

	(void)state;
	stream_pair_open(&f);
	assert_int_equal(stream_write(f.client.s, slice_of(bytes, 1001)), -ENOBUFS);
	assert_int_equal(stream_write(f.client.s, slice_of(bytes, 600)), 0);
	assert_int_equal(stream_write(f.client.s, slice_of(bytes, 401)), -ENOBUFS);
	assert_int_equal(stream_write(f.client.s, slice_of(bytes, 400)), 0);
	assert_int_equal(stream_queued(f.client.s), 1000);
	stream_pair_until(&f, &f.server, 1000);
	stream_pair_finish(&f);
}

static void test_a_peer_that_does_not_read_costs_the_ceiling_only(void **state)
{
	struct stream_pair f = { .options.write_ceiling_bytes = 1 << 20 };
	static uint8_t bytes[65536];
	size_t written = 0;
	int status;

	(void)state;
	stream_pair_open(&f);
	stream_pause(f.server.s);
	do {
		test_loop_turn(&f.t);
		status = stream_write(f.client.s, slice_of(bytes, sizeof(bytes)));
		written += status == 0 ? sizeof(bytes) : 0;
	} while (status == 0);
	assert_int_equal(status, -ENOBUFS);
	assert_true(stream_queued(f.client.s) <= 1 << 20);
	assert_int_equal(f.server.received, 0);
	stream_resume(f.server.s);
	stream_pair_until(&f, &f.server, written);
	test_loop_until_count(&f.t, &f.client.drained, 1);
	stream_pair_finish(&f);
	assert_int_equal(f.server.received, written);
}

static void test_pausing_in_data_stops_data_until_resumed(void **state)
{
	struct stream_pair f = { .server.pause_on_data = true };
	static uint8_t bytes[300000];

	(void)state;
	stream_pair_open(&f);
	assert_int_equal(stream_write(f.client.s, slice_of(bytes, sizeof(bytes))), 0);
	test_loop_until_count(&f.t, &f.server.data_calls, 1);
	for (int i = 0; i < 10; i++)
		test_loop_turn(&f.t);
	assert_int_equal(f.server.data_calls, 1);
	assert_true(f.server.received < sizeof(bytes));
	f.server.pause_on_data = false;
	stream_resume(f.server.s);
	stream_resume(f.server.s);
	stream_pair_until(&f, &f.server, sizeof(bytes));
	stream_pair_finish(&f);
}

static void test_the_peer_s_end_is_reported_once_as_eof(void **state)
{
	struct stream_pair f = { .client.greeting = "bye", .client.close_on_connected = true,
			     .client.flush = true };
	struct addr to = stream_pair_listen(&f, "127.0.0.1:0");

	(void)state;
	stream_pair_dial(&f, &to);
	test_loop_until_count(&f.t, &f.server.closed, 1);
	assert_int_equal(f.server.reason, UV_EOF);
	assert_int_equal(f.server.received, 3);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.reason, 0);
	stream_pair_finish(&f);
}

static void test_a_reset_is_reported_as_the_error(void **state)
{
	struct stream_pair f = { 0 };
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct addr to = stream_pair_listen(&f, "127.0.0.1:0");
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	in.sin_port = htons(to.port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	test_loop_until_count(&f.t, &f.accepted, 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
	test_loop_until_count(&f.t, &f.server.closed, 1);
	assert_int_equal(f.server.reason, UV_ECONNRESET);
	stream_pair_finish(&f);
}

static void test_a_flush_close_delivers_all_and_hides_late_data(void **state)
{
	struct stream_pair f = { .server.close_on_data = true, .server.flush = true };
	static uint8_t bytes[2 << 20];

	(void)state;
	stream_pair_open(&f);
	stream_pause(f.client.s);
	assert_int_equal(stream_write(f.server.s, slice_of(bytes, sizeof(bytes))), 0);
	assert_int_equal(stream_write(f.client.s, slice_text("stop")), 0);
	test_loop_until_count(&f.t, &f.server.data_calls, 1);
	assert_int_equal(stream_write(f.server.s, slice_text("x")), -ENOTCONN);
	assert_int_equal(stream_write(f.client.s, slice_text("late")), 0);
	test_loop_turn(&f.t);
	stream_resume(f.client.s);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.received, sizeof(bytes));
	assert_int_equal(f.client.reason, UV_EOF);
	test_loop_until_count(&f.t, &f.server.closed, 1);
	assert_int_equal(f.server.reason, 0);
	assert_int_equal(f.server.data_calls, 1);
	stream_pair_finish(&f);
}

static void test_a_flush_to_a_peer_that_does_not_read_ends(void **state)
{
	struct stream_pair f = { 0 };
	static uint8_t bytes[8 << 20];

	(void)state;
	stream_pair_open(&f);
	stream_pause(f.server.s);
	assert_int_equal(stream_write(f.client.s, slice_of(bytes, sizeof(bytes))), 0);
	stream_close(f.client.s, true);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.reason, 0);
	stream_pair_finish(&f);
}

static void test_closing_from_every_callback_is_safe(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		struct stream_pair f = {
			.client.greeting = "x",
			.client.flush = (i & 1) != 0,
			.client.close_on_connected = i / 2 == 0,
			.client.close_on_drained = i / 2 == 1,
			.client.close_on_data = i / 2 == 2,
			.server.close_on_data = i / 2 == 3,
			.server.flush = (i & 1) != 0,
			.server.echo = true,
		};
		struct addr to = stream_pair_listen(&f, "127.0.0.1:0");

		stream_pair_dial(&f, &to);
		test_loop_until_count(&f.t, &f.client.closed, 1);
		stream_pair_finish(&f);
		assert_int_equal(f.client.closed, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_arrive_both_ways),
		cmocka_unit_test(test_unix_sockets_by_path_and_abstract),
		cmocka_unit_test(test_a_megabyte_arrives_in_order_and_drains_once),
		cmocka_unit_test(test_small_writes_leave_together),
		cmocka_unit_test(test_the_ceiling_refuses_and_keeps_what_was_queued),
		cmocka_unit_test(test_a_peer_that_does_not_read_costs_the_ceiling_only),
		cmocka_unit_test(test_pausing_in_data_stops_data_until_resumed),
		cmocka_unit_test(test_the_peer_s_end_is_reported_once_as_eof),
		cmocka_unit_test(test_a_reset_is_reported_as_the_error),
		cmocka_unit_test(test_a_flush_close_delivers_all_and_hides_late_data),
		cmocka_unit_test(test_a_flush_to_a_peer_that_does_not_read_ends),
		cmocka_unit_test(test_closing_from_every_callback_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
