// SPDX-License-Identifier: Apache-2.0
#include "proto/net/stream.h"

#include "proto/net/socket.h"
#include "tests/lib/test_loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

/* One end: what its events brought, and what to do on them. */
struct end {
	struct stream *s;
	unsigned connected;
	unsigned closed;
	unsigned drained;
	unsigned data_calls;
	unsigned data_after_closed;
	int reason;
	size_t received;
	uint64_t sum; /* of received bytes times their position: order counts */
	bool close_on_data;
	bool close_on_connected;
	bool close_on_drained;
	bool pause_on_data;
	bool echo;
	const char *greeting; /* written when connected */
	bool flush;           /* how to close */
};

static void end_connected(void *arg)
{
	struct end *e = arg;

	e->connected++;
	if (e->greeting != NULL)
		assert_int_equal(stream_write(e->s, slice_text(e->greeting)), 0);
	if (e->close_on_connected)
		stream_close(e->s, e->flush);
}

static void end_data(void *arg, struct slice bytes)
{
	struct end *e = arg;

	e->data_calls++;
	e->data_after_closed += e->closed;
	for (size_t i = 0; i < bytes.size; i++)
		e->sum += bytes.ptr[i] * (uint64_t)(e->received + i + 1);
	e->received += bytes.size;
	if (e->echo)
		assert_int_equal(stream_write(e->s, bytes), 0);
	if (e->pause_on_data)
		stream_pause(e->s);
	if (e->close_on_data) {
		stream_close(e->s, e->flush);
		stream_close(e->s, e->flush);
	}
}

static void end_drained(void *arg)
{
	struct end *e = arg;

	e->drained++;
	assert_int_equal(stream_queued(e->s), 0);
	if (e->close_on_drained)
		stream_close(e->s, e->flush);
}

static void end_closed(void *arg, int reason)
{
	struct end *e = arg;

	e->closed++;
	e->reason = reason;
	stream_close(e->s, false);
	e->s = NULL;
}

static const struct stream_events end_events = {
	.connected = end_connected,
	.data = end_data,
	.drained = end_drained,
	.closed = end_closed,
};

struct fixture {
	struct test_loop t;
	struct stream_listener *listener;
	struct end client;
	struct end server;
	unsigned accepted;
	bool refuse;
	struct stream_options options;
};

static bool fixture_accept(void *arg, struct stream *s, struct stream_events *events, void **stream_arg)
{
	struct fixture *f = arg;

	f->accepted++;
	if (f->refuse)
		return false;
	f->server.s = s;
	*events = end_events;
	*stream_arg = &f->server;
	return true;
}

static struct addr address_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(slice_text(text), &a), 0);
	return a;
}

static struct addr listen_at(struct fixture *f, const char *text)
{
	struct addr at = address_of(text);

	test_loop_init(&f->t);
	assert_int_equal(stream_listen(&f->t.loop, &at, &f->options, fixture_accept, f,
				       &f->listener), 0);
	return address_of(stream_listener_address(f->listener));
}

static void dial(struct fixture *f, const struct addr *to)
{
	assert_int_equal(stream_connect(&f->t.loop, to, &f->options, &end_events, &f->client,
					&f->client.s), 0);
}

static void finish(struct fixture *f)
{
	if (f->listener != NULL)
		stream_listener_close(f->listener);
	if (f->client.s != NULL)
		stream_close(f->client.s, false);
	if (f->server.s != NULL)
		stream_close(f->server.s, false);
	test_loop_finish(&f->t);
	assert_int_equal(f->client.data_after_closed, 0);
	assert_int_equal(f->server.data_after_closed, 0);
	assert_true(f->client.closed <= 1 && f->server.closed <= 1);
}

static void open_pair(struct fixture *f)
{
	struct addr to = listen_at(f, "127.0.0.1:0");

	dial(f, &to);
	test_loop_until_count(&f->t, &f->client.connected, 1);
	test_loop_until_count(&f->t, &f->accepted, 1);
}

static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += bytes[i] * (uint64_t)(i + 1);
	return sum;
}

static void until_received(struct fixture *f, const struct end *e, size_t size)
{
	while (e->received < size)
		uv_run(&f->t.loop, UV_RUN_ONCE);
}

static void test_bytes_arrive_both_ways(void **state)
{
	struct fixture f = { .client.greeting = "hello", .server.echo = true };
	struct addr to = listen_at(&f, "127.0.0.1:0");

	(void)state;
	dial(&f, &to);
	assert_int_equal(f.client.connected, 0);
	until_received(&f, &f.client, 5);
	assert_int_equal(f.client.sum, sum_of((const uint8_t *)"hello", 5));
	assert_string_equal(stream_peer(f.client.s), stream_listener_address(f.listener));
	assert_non_null(strstr(stream_peer(f.server.s), "127.0.0.1:"));
	finish(&f);
	assert_int_equal(f.client.closed, 1);
	assert_int_equal(f.client.reason, 0);
}

static void test_unix_sockets_by_path_and_abstract(void **state)
{
	char path[64];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fixture f = { .client.greeting = "x", .server.echo = true };
		struct addr to;

		snprintf(path, sizeof(path), i ? "unix:@hourglass-test-%d" : "unix:///tmp/hourglass-test-%d",
			 (int)getpid());
		to = listen_at(&f, path);
		assert_string_equal(stream_listener_address(f.listener), path);
		dial(&f, &to);
		until_received(&f, &f.client, 1);
		finish(&f);
		if (i == 0)
			assert_int_equal(access(path + 7, F_OK), -1);
	}
}

static void test_a_socket_left_by_a_dead_process_is_taken_over(void **state)
{
	struct fixture f = { 0 };
	char path[64];
	struct addr at;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "unix:///tmp/hourglass-stale-%d", (int)getpid());
	at = address_of(path);
	assert_int_equal(socket_bind(&at, false, &fd), 0);
	assert_int_equal(socket_bind(&at, false, &fd), -EADDRINUSE);
	close(fd);
	listen_at(&f, path);
	finish(&f);
}

static void test_a_refused_connection_is_reported_by_closed(void **state)
{
	struct fixture f = { 0 };
	struct addr to = listen_at(&f, "127.0.0.1:0");

	(void)state;
	stream_listener_close(f.listener);
	f.listener = NULL;
	dial(&f, &to);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.reason, UV_ECONNREFUSED);
	assert_int_equal(f.client.connected, 0);
	finish(&f);
}

static void test_a_missing_unix_socket_is_reported_by_closed(void **state)
{
	struct fixture f = { 0 };
	struct addr to = address_of("unix:/nonexistent/socket");

	(void)state;
	test_loop_init(&f.t);
	dial(&f, &to);
	assert_int_equal(f.client.closed, 0);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.reason, UV_ENOENT);
	finish(&f);
}

static void test_a_name_is_resolved_and_each_address_tried(void **state)
{
	struct fixture f = { .client.greeting = "x" };
	struct addr to = listen_at(&f, "127.0.0.1:0");

	(void)state;
	/* Where localhost is ::1 first, that address refuses and the next one is tried. */
	strcpy(to.host, "localhost");
	dial(&f, &to);
	until_received(&f, &f.server, 1);
	finish(&f);
}

static void test_a_name_that_does_not_exist_is_reported_by_closed(void **state)
{
	struct fixture f = { .options.connect_timeout_ms = 5000 };
	struct addr to = address_of("no-such-name.invalid:80");

	(void)state;
	test_loop_init(&f.t);
	dial(&f, &to);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_true(f.client.reason < 0);
	assert_int_equal(f.client.connected, 0);
	finish(&f);
}

static void test_closing_while_the_name_is_resolved_is_safe(void **state)
{
	struct fixture f = { 0 };
	struct addr to = address_of("no-such-name.invalid:80");

	(void)state;
	test_loop_init(&f.t);
	dial(&f, &to);
	test_loop_turn(&f.t);
	stream_close(f.client.s, true);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_true(f.client.reason <= 0);
	finish(&f);
}

/* A listener whose backlog is full swallows further SYNs, so connecting hangs. */
static void test_connecting_gives_up_after_its_timeout(void **state)
{
	struct fixture f = { .options.connect_timeout_ms = 50 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct addr at = address_of("127.0.0.1:0");
	char text[ADDR_TEXT_SIZE];
	int fillers[8];
	int fd;

	(void)state;
	assert_int_equal(socket_bind(&at, false, &fd), 0);
	assert_int_equal(listen(fd, 0), 0);
	at = address_of(socket_local(fd, text));
	in.sin_port = htons(at.port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 8; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fillers[i], (struct sockaddr *)&in, sizeof(in));
	}
	test_loop_init(&f.t);
	dial(&f, &at);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.reason, UV_ETIMEDOUT);
	assert_int_equal(f.client.connected, 0);
	for (int i = 0; i < 8; i++)
		close(fillers[i]);
	close(fd);
	finish(&f);
}

static void test_nothing_is_started_for_a_datagram_address(void **state)
{
	struct fixture f = { 0 };
	struct addr to = address_of("udp://127.0.0.1:1");

	(void)state;
	test_loop_init(&f.t);
	assert_int_equal(stream_connect(&f.t.loop, &to, NULL, &end_events, &f.client,
					&f.client.s), -EINVAL);
	assert_int_equal(stream_listen(&f.t.loop, &to, NULL, fixture_accept, &f, &f.listener),
			 -EINVAL);
	finish(&f);
}

static void test_closing_before_connected_reports_no_connection(void **state)
{
	struct fixture f = { 0 };
	struct addr to = listen_at(&f, "127.0.0.1:0");

	(void)state;
	dial(&f, &to);
	assert_int_equal(stream_write(f.client.s, slice_text("x")), -ENOTCONN);
	stream_close(f.client.s, true);
	stream_close(f.client.s, false);
	assert_int_equal(f.client.closed, 0);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.connected, 0);
	assert_int_equal(f.client.reason, 0);
	finish(&f);
}

static void test_a_megabyte_arrives_in_order_and_drains_once(void **state)
{
	size_t size = 4 << 20;
	uint8_t *bytes = malloc(size);
	struct fixture f = { 0 };

	(void)state;
	open_pair(&f);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 24);
	/* Small, medium and large pieces interleave all three ways of sending. */
	for (size_t at = 0, piece = 1; at < size; at += piece, piece = piece * 3 % 70001) {
		if (piece > size - at)
			piece = size - at;
		assert_int_equal(stream_write(f.client.s, slice_of(bytes + at, piece)), 0);
	}
	assert_true(stream_queued(f.client.s) > 0);
	until_received(&f, &f.server, size);
	assert_int_equal(f.server.received, size);
	assert_true(f.server.sum == sum_of(bytes, size));
	test_loop_until_count(&f.t, &f.client.drained, 1);
	assert_int_equal(stream_queued(f.client.s), 0);
	finish(&f);
	assert_int_equal(f.client.drained, 1);
	free(bytes);
}

static void test_small_writes_leave_together(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	open_pair(&f);
	for (int i = 0; i < 100; i++)
		assert_int_equal(stream_write(f.client.s, slice_text("0123456789")), 0);
	assert_int_equal(stream_queued(f.client.s), 1000);
	until_received(&f, &f.server, 1000);
	assert_int_equal(f.server.data_calls, 1);
	assert_int_equal(f.client.drained, 1);
	finish(&f);
}

static void test_the_ceiling_refuses_and_keeps_what_was_queued(void **state)
{
	struct fixture f = { .options.write_ceiling_bytes = 1000 };
	uint8_t bytes[1001] = { 0 };

	(void)state;
	open_pair(&f);
	assert_int_equal(stream_write(f.client.s, slice_of(bytes, 1001)), -ENOBUFS);
	assert_int_equal(stream_write(f.client.s, slice_of(bytes, 600)), 0);
	assert_int_equal(stream_write(f.client.s, slice_of(bytes, 401)), -ENOBUFS);
	assert_int_equal(stream_write(f.client.s, slice_of(bytes, 400)), 0);
	assert_int_equal(stream_queued(f.client.s), 1000);
	until_received(&f, &f.server, 1000);
	finish(&f);
}

static void test_a_peer_that_does_not_read_costs_the_ceiling_only(void **state)
{
	struct fixture f = { .options.write_ceiling_bytes = 1 << 20 };
	static uint8_t bytes[65536];
	size_t written = 0;
	int status;

	(void)state;
	open_pair(&f);
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
	until_received(&f, &f.server, written);
	test_loop_until_count(&f.t, &f.client.drained, 1);
	finish(&f);
	assert_int_equal(f.server.received, written);
}

static void test_pausing_in_data_stops_data_until_resumed(void **state)
{
	struct fixture f = { .server.pause_on_data = true };
	static uint8_t bytes[300000];

	(void)state;
	open_pair(&f);
	assert_int_equal(stream_write(f.client.s, slice_of(bytes, sizeof(bytes))), 0);
	test_loop_until_count(&f.t, &f.server.data_calls, 1);
	for (int i = 0; i < 10; i++)
		test_loop_turn(&f.t);
	assert_int_equal(f.server.data_calls, 1);
	assert_true(f.server.received < sizeof(bytes));
	f.server.pause_on_data = false;
	stream_resume(f.server.s);
	stream_resume(f.server.s);
	until_received(&f, &f.server, sizeof(bytes));
	finish(&f);
}

static void test_the_peer_s_end_is_reported_once_as_eof(void **state)
{
	struct fixture f = { .client.greeting = "bye", .client.close_on_connected = true,
			     .client.flush = true };
	struct addr to = listen_at(&f, "127.0.0.1:0");

	(void)state;
	dial(&f, &to);
	test_loop_until_count(&f.t, &f.server.closed, 1);
	assert_int_equal(f.server.reason, UV_EOF);
	assert_int_equal(f.server.received, 3);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.reason, 0);
	finish(&f);
}

static void test_a_reset_is_reported_as_the_error(void **state)
{
	struct fixture f = { 0 };
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct addr to = listen_at(&f, "127.0.0.1:0");
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
	finish(&f);
}

static void test_a_flush_close_delivers_all_and_hides_late_data(void **state)
{
	struct fixture f = { .server.close_on_data = true, .server.flush = true };
	static uint8_t bytes[2 << 20];

	(void)state;
	open_pair(&f);
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
	finish(&f);
}

static void test_a_flush_to_a_peer_that_does_not_read_ends(void **state)
{
	struct fixture f = { 0 };
	static uint8_t bytes[8 << 20];

	(void)state;
	open_pair(&f);
	stream_pause(f.server.s);
	assert_int_equal(stream_write(f.client.s, slice_of(bytes, sizeof(bytes))), 0);
	stream_close(f.client.s, true);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.reason, 0);
	finish(&f);
}

static void test_closing_from_every_callback_is_safe(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		struct fixture f = {
			.client.greeting = "x",
			.client.flush = (i & 1) != 0,
			.client.close_on_connected = i / 2 == 0,
			.client.close_on_drained = i / 2 == 1,
			.client.close_on_data = i / 2 == 2,
			.server.close_on_data = i / 2 == 3,
			.server.flush = (i & 1) != 0,
			.server.echo = true,
		};
		struct addr to = listen_at(&f, "127.0.0.1:0");

		dial(&f, &to);
		test_loop_until_count(&f.t, &f.client.closed, 1);
		finish(&f);
		assert_int_equal(f.client.closed, 1);
	}
}

static void test_a_refused_connection_is_closed_without_events(void **state)
{
	struct fixture f = { .refuse = true };
	struct addr to = listen_at(&f, "127.0.0.1:0");

	(void)state;
	dial(&f, &to);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.accepted, 1);
	assert_int_equal(f.server.closed, 0);
	assert_true(f.client.reason == UV_EOF || f.client.reason == UV_ECONNRESET);
	finish(&f);
}

static void test_listens_on_a_descriptor_and_refuses_another(void **state)
{
	struct fixture f = { .client.greeting = "x" };
	struct addr at = address_of("127.0.0.1:0");
	struct addr udp = address_of("udp://127.0.0.1:0");
	int fd;

	(void)state;
	test_loop_init(&f.t);
	assert_int_equal(socket_bind(&udp, false, &fd), 0);
	assert_true(stream_listen_fd(&f.t.loop, fd, NULL, fixture_accept, &f, &f.listener) < 0);
	close(fd);
	assert_int_equal(socket_bind(&at, false, &fd), 0);
	assert_int_equal(stream_listen_fd(&f.t.loop, fd, NULL, fixture_accept, &f, &f.listener), 0);
	at = address_of(stream_listener_address(f.listener));
	dial(&f, &at);
	until_received(&f, &f.server, 1);
	finish(&f);
}

static void test_a_taken_port_is_an_error_and_reuse_port_shares_it(void **state)
{
	struct addr at = address_of("127.0.0.1:0");
	char text[ADDR_TEXT_SIZE];
	int first;
	int second = -1;

	(void)state;
	assert_int_equal(socket_bind(&at, true, &first), 0);
	at = address_of(socket_local(first, text));
	assert_int_equal(socket_bind(&at, false, &second), -EADDRINUSE);
	assert_int_equal(second, -1);
	assert_int_equal(socket_bind(&at, true, &second), 0);
	close(first);
	close(second);
}

static void test_a_name_that_does_not_resolve_cannot_be_bound(void **state)
{
	struct addr at = address_of("no-such-name.invalid:0");
	int fd;

	(void)state;
	assert_int_equal(socket_bind(&at, false, &fd), -EADDRNOTAVAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_arrive_both_ways),
		cmocka_unit_test(test_unix_sockets_by_path_and_abstract),
		cmocka_unit_test(test_a_socket_left_by_a_dead_process_is_taken_over),
		cmocka_unit_test(test_a_refused_connection_is_reported_by_closed),
		cmocka_unit_test(test_a_missing_unix_socket_is_reported_by_closed),
		cmocka_unit_test(test_a_name_is_resolved_and_each_address_tried),
		cmocka_unit_test(test_a_name_that_does_not_exist_is_reported_by_closed),
		cmocka_unit_test(test_closing_while_the_name_is_resolved_is_safe),
		cmocka_unit_test(test_connecting_gives_up_after_its_timeout),
		cmocka_unit_test(test_nothing_is_started_for_a_datagram_address),
		cmocka_unit_test(test_closing_before_connected_reports_no_connection),
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
		cmocka_unit_test(test_a_refused_connection_is_closed_without_events),
		cmocka_unit_test(test_listens_on_a_descriptor_and_refuses_another),
		cmocka_unit_test(test_a_taken_port_is_an_error_and_reuse_port_shares_it),
		cmocka_unit_test(test_a_name_that_does_not_resolve_cannot_be_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
