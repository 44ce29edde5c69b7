// SPDX-License-Identifier: Apache-2.0
#include "agent/clients.h"

#include "agent/ingest.h"
#include "proto/daemon/life.h"
#include "proto/daemon/log.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

struct world {
	struct intake in;
	struct clients *c;
	struct sockaddr_un at;
	socklen_t at_size;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(intake_init(&w->in, 1000, 16 << 20), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	clients_close(w->c);
	intake_release(&w->in);
	free(w);
	return 0;
}

/* Listens at an abstract name of our own. */
static void start(struct world *w, size_t most, int64_t idle_ms)
{
	char listen[64], text[LISTEN_TEXT_SIZE] = "";
	struct clients_options options = { .listen = listen, .max_connections = most,
					   .idle_ms = idle_ms, .max_age_s = 34 * 86400 };
	int size = snprintf(listen, sizeof(listen), "unix:@hourglass-clients-%d", getpid());

	assert_int_equal(clients_open(&options, &w->in, &w->c), 0);
	clients_addresses(w->c, text);
	assert_string_equal(text, listen);
	w->at.sun_family = AF_UNIX;
	memcpy(w->at.sun_path, listen + 5, (size_t)size - 5);
	w->at.sun_path[0] = '\0';
	w->at_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)size - 5);
	assert_int_equal(clients_start(w->c), 0);
}

static int dial(struct world *w)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&w->at, w->at_size), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void until(const tally_count *count, uint64_t value)
{
	for (int i = 0; i < 60000 && tally_get(count) != value; i++)
		poll(NULL, 0, 1);
	assert_int_equal(tally_get(count), value);
}

/* Waits until the other side has closed. */
static void until_closed(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char byte;

	assert_int_equal(poll(&wait, 1, 60000), 1);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
}

static void test_lines_come_in_pieces_from_several_clients(void **state)
{
	struct world *w = *state;
	int a, b;

	start(w, 10, 60000);
	a = dial(w);
	b = dial(w);
	say(a, "a:1|c\na:2|");
	say(b, "b:1|ms\nbad\n");
	until(&w->in.counts.lines, 3);
	say(a, "c\n");
	until(&w->in.counts.samples, 3);
	say(b, "b:2|ms");
	close(b); /* in order: the line is whole */
	until(&w->in.counts.samples, 4);
	until(&w->in.counts.connections, 1);
	assert_int_equal(tally_get(&w->in.counts.connections_accepted), 2);
	assert_int_equal(tally_get(&w->in.counts.lines_rejected.no_value), 1);
	assert_int_equal(tally_get(&w->in.counts.stream_bytes), 29);
	close(a);
	until(&w->in.counts.connections, 0);
	assert_int_equal(intake_level(&w->in).samples, 4);
}

static void test_one_client_too_many_is_closed(void **state)
{
	struct world *w = *state;
	int kept[3];

	start(w, 3, 60000);
	for (int i = 0; i < 3; i++)
		kept[i] = dial(w);
	until(&w->in.counts.connections, 3);
	until_closed(dial(w));
	until(&w->in.counts.connections_refused, 1);
	say(kept[1], "a:1|c\n");
	until(&w->in.counts.samples, 1);
	close(kept[0]);
	until(&w->in.counts.connections, 2);
	kept[0] = dial(w);
	say(kept[0], "a:1|c\n");
	until(&w->in.counts.samples, 2);
	for (int i = 0; i < 3; i++)
		close(kept[i]);
}

static void test_who_ends_no_line_is_closed(void **state)
{
	struct world *w = *state;
	int silent, drip;

	start(w, 10, 300);
	silent = dial(w);
	drip = dial(w);
	/* A byte now and then does not help: no line ends. */
	for (int i = 0; i < 60000 && send(drip, "x", 1, MSG_NOSIGNAL) == 1; i++)
		poll(NULL, 0, 1);
	until_closed(silent);
	close(drip);
	until(&w->in.counts.connections_idle, 2);
	assert_int_equal(tally_get(&w->in.counts.lines_rejected.truncated), 1);
	assert_int_equal(tally_get(&w->in.counts.connections), 0);
}

static void test_a_line_without_end_is_counted_and_skipped(void **state)
{
	struct world *w = *state;
	char *text = malloc(300000);
	int fd;

	start(w, 10, 60000);
	fd = dial(w);
	memset(text, 'x', 300000);
	text[299999] = '\0';
	say(fd, "a:1|c\n");
	say(fd, text);
	say(fd, "\na:2|c\n");
	until(&w->in.counts.samples, 2);
	assert_int_equal(tally_get(&w->in.counts.lines), 3);
	assert_int_equal(tally_get(&w->in.counts.lines_rejected.too_large), 1);
	close(fd);
	free(text);
}

static void test_stopping_reads_what_was_sent(void **state)
{
	struct world *w = *state;
	int fd;

	start(w, 10, 60000);
	fd = dial(w);
	say(fd, "a:1|c\n");
	until(&w->in.counts.samples, 1);
	for (int i = 0; i < 1000; i++)
		say(fd, "a:1|c\n");
	say(fd, "a:1|");
	clients_stop(w->c);
	clients_stop(w->c);
	assert_int_equal(intake_level(&w->in).samples, 1001);
	assert_int_equal(tally_get(&w->in.counts.lines_rejected.truncated), 1);
	until_closed(fd);
}

static void test_nothing_to_listen_to_costs_no_thread(void **state)
{
	struct world *w = *state;
	struct clients_options options = { .listen = "udp://127.0.0.1:0", .max_connections = 1,
					   .idle_ms = 1000 };
	char text[LISTEN_TEXT_SIZE] = "";

	assert_int_equal(clients_open(&options, &w->in, &w->c), 0);
	assert_int_equal(clients_start(w->c), 0);
	clients_addresses(w->c, text);
	assert_string_equal(text, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_lines_come_in_pieces_from_several_clients),
		T(test_one_client_too_many_is_closed),
		T(test_who_ends_no_line_is_closed),
		T(test_a_line_without_end_is_counted_and_skipped),
		T(test_stopping_reads_what_was_sent),
		T(test_nothing_to_listen_to_costs_no_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
