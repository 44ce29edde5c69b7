// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/door.h"

#include "proto/net/socket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

struct world {
	uv_loop_t loop;
	struct door *door;
	struct sockaddr_storage at;
	socklen_t at_size;
	int http, words;    /* how many came */
	char first[8];      /* bytes of the last one, as its new owner reads them */
};

static void take(struct world *w, int fd, int *count)
{
	ssize_t got = recv(fd, w->first, sizeof(w->first) - 1, MSG_DONTWAIT);

	assert_true(got > 0);
	w->first[got] = '\0';
	++*count;
	close(fd);
}

static void on_http(void *arg, int fd)
{
	struct world *w = arg;

	take(w, fd, &w->http);
}

static void on_words(void *arg, int fd)
{
	struct world *w = arg;

	take(w, fd, &w->words);
}

static int setup(void **state)
{
	static const struct door_events events = { .http = on_http, .words = on_words };
	struct world *w = calloc(1, sizeof(*w));
	struct addr at;
	int fd;

	uv_loop_init(&w->loop);
	assert_int_equal(addr_parse(slice_text("127.0.0.1:0"), &at), 0);
	assert_int_equal(socket_bind(&at, 0, &fd), 0);
	w->at_size = sizeof(w->at);
	getsockname(fd, (struct sockaddr *)&w->at, &w->at_size);
	assert_int_equal(door_open(&w->loop, fd, &events, w, &w->door), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	door_close(w->door);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	free(w);
	return 0;
}

static int dial(struct world *w)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&w->at, w->at_size), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Lets the loop run until a count is there. */
static void until(struct world *w, const int *count, int wanted)
{
	while (*count < wanted)
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_int_equal(*count, wanted);
}

/* The end of a connection that the door closes. */
static void until_closed(struct world *w, int fd)
{
	char byte;

	while (recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	close(fd);
}

static void test_the_first_byte_tells(void **state)
{
	struct world *w = *state;
	int a = dial(w), b = dial(w), c = dial(w), d = dial(w);

	say(a, "GET /");
	until(w, &w->http, 1);
	assert_string_equal(w->first, "GET /"); /* nothing was taken away */
	say(b, "health\n");
	until(w, &w->words, 1);
	assert_string_equal(w->first, "health\n");
	say(c, "\x16\x03\x01"); /* whoever cannot be told apart is HTTP's to refuse */
	until(w, &w->http, 2);
	say(d, "z");
	until(w, &w->words, 2);
	close(a);
	close(b);
	close(c);
	close(d);
}

static void test_who_says_nothing_waits_and_disturbs_nobody(void **state)
{
	struct world *w = *state;
	int silent[DOOR_GUESTS], more;

	for (int i = 0; i < DOOR_GUESTS; i++)
		silent[i] = dial(w);
	more = dial(w);
	until_closed(w, more); /* one too many */
	close(silent[0]);      /* it leaves without a word */
	more = dial(w);
	say(more, "stats\n");
	until(w, &w->words, 1);
	say(silent[DOOR_GUESTS - 1], "GET");
	until(w, &w->http, 1);
	close(more);
	for (int i = 1; i < DOOR_GUESTS; i++)
		close(silent[i]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_first_byte_tells),
		T(test_who_says_nothing_waits_and_disturbs_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
