// SPDX-License-Identifier: Apache-2.0
#include "proto/net/stream.h"

#include "proto/net/socket.h"
#include "tests/lib/stream_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

static void test_a_socket_left_by_a_dead_process_is_taken_over(void **state)
{
	struct stream_pair f = { 0 };
	char path[64];
	struct addr at;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "unix:///tmp/hourglass-stale-%d", (int)getpid());
	at = stream_address(path);
	assert_int_equal(socket_bind(&at, 0, &fd), 0);
	assert_int_equal(socket_bind(&at, 0, &fd), -EADDRINUSE);
	close(fd);
	stream_pair_listen(&f, path);
	stream_pair_finish(&f);
}

static void test_a_refused_connection_is_reported_by_closed(void **state)
{
	struct stream_pair f = { 0 };
	struct addr to = stream_pair_listen(&f, "127.0.0.1:0");

	(void)state;
	stream_listener_close(f.listener);
	f.listener = NULL;
	stream_pair_dial(&f, &to);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.reason, UV_ECONNREFUSED);
	assert_int_equal(f.client.connected, 0);
	stream_pair_finish(&f);
}

/* A process that is out of descriptors hears of it as of any other failure, once, so that who
 * dials waits as long as after any other before the next attempt. */
static void test_no_descriptor_left_is_reported_by_closed(void **state)
{
	struct stream_pair f = { 0 };
	struct addr to = stream_pair_listen(&f, "127.0.0.1:0");
	struct rlimit before, none;
	int next;

	(void)state;
	stream_pair_dial(&f, &to);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	next = dup(STDOUT_FILENO);
	assert_true(next >= 0);
	close(next);
	none = before;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(f.client.reason, UV_EMFILE);
	assert_int_equal(f.client.connected, 0);
	stream_pair_finish(&f);
}

static void test_a_missing_unix_socket_is_reported_by_closed(void **state)
{
	struct stream_pair f = { 0 };
	struct addr to = stream_address("unix:/nonexistent/socket");

	(void)state;
	test_loop_init(&f.t);
	stream_pair_dial(&f, &to);
	assert_int_equal(f.client.closed, 0);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.reason, UV_ENOENT);
	stream_pair_finish(&f);
}

static void test_a_name_is_resolved_and_each_address_tried(void **state)
{
	struct stream_pair f = { .client.greeting = "x" };
	struct addr to = stream_pair_listen(&f, "127.0.0.1:0");

	(void)state;
	/* Where localhost is ::1 first, that address refuses and the next one is tried. */
	strcpy(to.host, "localhost");
	stream_pair_dial(&f, &to);
	stream_pair_until(&f, &f.server, 1);
	stream_pair_finish(&f);
}

static void test_a_name_that_does_not_exist_is_reported_by_closed(void **state)
{
	struct stream_pair f = { .options.connect_timeout_ms = 5000 };
	struct addr to = stream_address("no-such-name.invalid:80");

	(void)state;
	test_loop_init(&f.t);
	stream_pair_dial(&f, &to);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_true(f.client.reason < 0);
	assert_int_equal(f.client.connected, 0);
	stream_pair_finish(&f);
}

static void test_closing_while_the_name_is_resolved_is_safe(void **state)
{
	struct stream_pair f = { 0 };
	struct addr to = stream_address("no-such-name.invalid:80");

	(void)state;
	test_loop_init(&f.t);
	stream_pair_dial(&f, &to);
	test_loop_turn(&f.t);
	stream_close(f.client.s, true);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_true(f.client.reason <= 0);
	stream_pair_finish(&f);
}

/* A listener whose backlog is full swallows further SYNs, so connecting hangs. */
static void test_connecting_gives_up_after_its_timeout(void **state)
{
	struct stream_pair f = { .options.connect_timeout_ms = 50 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct addr at = stream_address("127.0.0.1:0");
	char text[ADDR_TEXT_SIZE];
	int fillers[8];
	int fd;

	(void)state;
	assert_int_equal(socket_bind(&at, 0, &fd), 0);
	assert_int_equal(listen(fd, 0), 0);
	at = stream_address(socket_local(fd, text));
	in.sin_port = htons(at.port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 8; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fillers[i], (struct sockaddr *)&in, sizeof(in));
	}
	test_loop_init(&f.t);
	stream_pair_dial(&f, &at);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.reason, UV_ETIMEDOUT);
	assert_int_equal(f.client.connected, 0);
	for (int i = 0; i < 8; i++)
		close(fillers[i]);
	close(fd);
	stream_pair_finish(&f);
}

/* Stands still for longer than connecting may take, as soon as an attempt is under way. */
struct stall {
	uv_check_t check;
	bool connecting;
	unsigned stalls;
};

static void stall_look(uv_handle_t *handle, void *arg)
{
	struct stall *f = arg;

	f->connecting |= handle->type == UV_TCP;
}

static void stall_on_check(uv_check_t *check)
{
	struct stall *f = check->data;

	uv_walk(check->loop, stall_look, f);
	if (!f->connecting || f->stalls > 0)
		return;
	f->stalls++;
	usleep(600000);
}

/* The attempt begins in the loop's poll, where a name is resolved, so the next that a loop does
 * is to look at its timers. */
static void test_a_connection_that_stands_is_not_too_late(void **state)
{
	struct stream_pair f = { .options.connect_timeout_ms = 500, .client.greeting = "x" };
	struct addr to = stream_pair_listen(&f, "127.0.0.1:0");
	struct stall stall = { .check.data = &stall };

	(void)state;
	strcpy(to.host, "127.1"); /* a name to us, one address to the resolver */
	stream_pair_dial(&f, &to);
	uv_check_init(&f.t.loop, &stall.check);
	uv_check_start(&stall.check, stall_on_check);
	test_loop_until_count(&f.t, &stall.stalls, 1);
	stream_pair_until(&f, &f.server, 1);
	assert_int_equal(f.client.connected, 1);
	uv_close((uv_handle_t *)&stall.check, NULL);
	stream_pair_finish(&f);
}

static void test_nothing_is_started_for_a_datagram_address(void **state)
{
	struct stream_pair f = { 0 };
	struct addr to = stream_address("udp://127.0.0.1:1");

	(void)state;
	test_loop_init(&f.t);
	assert_int_equal(stream_connect(&f.t.loop, &to, NULL, &stream_end_events, &f.client,
					&f.client.s), -EINVAL);
	assert_int_equal(stream_listen(&f.t.loop, &to, NULL, stream_pair_accept, &f, &f.listener),
			 -EINVAL);
	stream_pair_finish(&f);
}

static void test_closing_before_connected_reports_no_connection(void **state)
{
	struct stream_pair f = { 0 };
	struct addr to = stream_pair_listen(&f, "127.0.0.1:0");

	(void)state;
	stream_pair_dial(&f, &to);
	assert_int_equal(stream_write(f.client.s, slice_text("x")), -ENOTCONN);
	stream_close(f.client.s, true);
	stream_close(f.client.s, false);
	assert_int_equal(f.client.closed, 0);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.client.connected, 0);
	assert_int_equal(f.client.reason, 0);
	stream_pair_finish(&f);
}

static void test_a_refused_connection_is_closed_without_events(void **state)
{
	struct stream_pair f = { .refuse = true };
	struct addr to = stream_pair_listen(&f, "127.0.0.1:0");

	(void)state;
	stream_pair_dial(&f, &to);
	test_loop_until_count(&f.t, &f.client.closed, 1);
	assert_int_equal(f.accepted, 1);
	assert_int_equal(f.server.closed, 0);
	assert_true(f.client.reason == UV_EOF || f.client.reason == UV_ECONNRESET);
	stream_pair_finish(&f);
}

static void test_listens_on_a_descriptor_and_refuses_another(void **state)
{
	struct stream_pair f = { .client.greeting = "x" };
	struct addr at = stream_address("127.0.0.1:0");
	struct addr udp = stream_address("udp://127.0.0.1:0");
	int fd;

	(void)state;
	test_loop_init(&f.t);
	assert_int_equal(socket_bind(&udp, 0, &fd), 0);
	assert_true(stream_listen_fd(&f.t.loop, fd, NULL, stream_pair_accept, &f, &f.listener) < 0);
	close(fd);
	assert_int_equal(socket_bind(&at, 0, &fd), 0);
	assert_int_equal(stream_listen_fd(&f.t.loop, fd, NULL, stream_pair_accept, &f, &f.listener), 0);
	at = stream_address(stream_listener_address(f.listener));
	stream_pair_dial(&f, &at);
	stream_pair_until(&f, &f.server, 1);
	stream_pair_finish(&f);
}

static void test_a_taken_port_is_an_error_and_reuse_port_shares_it(void **state)
{
	struct addr at = stream_address("127.0.0.1:0");
	char text[ADDR_TEXT_SIZE];
	int first;
	int second = -1;

	(void)state;
	assert_int_equal(socket_bind(&at, SOCKET_REUSE_PORT, &first), 0);
	at = stream_address(socket_local(first, text));
	assert_int_equal(socket_bind(&at, 0, &second), -EADDRINUSE);
	assert_int_equal(second, -1);
	assert_int_equal(socket_bind(&at, SOCKET_REUSE_PORT, &second), 0);
	close(first);
	close(second);
}

static void test_a_name_that_does_not_resolve_cannot_be_bound(void **state)
{
	struct addr at = stream_address("no-such-name.invalid:0");
	int fd;

	(void)state;
	assert_int_equal(socket_bind(&at, 0, &fd), -EADDRNOTAVAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_socket_left_by_a_dead_process_is_taken_over),
		cmocka_unit_test(test_a_refused_connection_is_reported_by_closed),
		cmocka_unit_test(test_no_descriptor_left_is_reported_by_closed),
		cmocka_unit_test(test_a_missing_unix_socket_is_reported_by_closed),
		cmocka_unit_test(test_a_name_is_resolved_and_each_address_tried),
		cmocka_unit_test(test_a_name_that_does_not_exist_is_reported_by_closed),
		cmocka_unit_test(test_closing_while_the_name_is_resolved_is_safe),
		cmocka_unit_test(test_connecting_gives_up_after_its_timeout),
		cmocka_unit_test(test_a_connection_that_stands_is_not_too_late),
		cmocka_unit_test(test_nothing_is_started_for_a_datagram_address),
		cmocka_unit_test(test_closing_before_connected_reports_no_connection),
		cmocka_unit_test(test_a_refused_connection_is_closed_without_events),
		cmocka_unit_test(test_listens_on_a_descriptor_and_refuses_another),
		cmocka_unit_test(test_a_taken_port_is_an_error_and_reuse_port_shares_it),
		cmocka_unit_test(test_a_name_that_does_not_resolve_cannot_be_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
