// SPDX-License-Identifier: Apache-2.0
#include "agent/drops.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

struct world {
	char folder[64];
	int in, out;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int small = 4096;

	snprintf(w->folder, sizeof(w->folder), "/tmp/hourglass-drops-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	w->in = socket(AF_INET, SOCK_DGRAM, 0);
	w->out = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(w->in, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(bind(w->in, (struct sockaddr *)&at, size), 0);
	assert_int_equal(getsockname(w->in, (struct sockaddr *)&at, &size), 0);
	assert_int_equal(connect(w->out, (struct sockaddr *)&at, size), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/drops", w->folder);
	unlink(path);
	rmdir(w->folder);
	close(w->in);
	close(w->out);
	free(w);
	return 0;
}

/* Sends what nobody reads; returns how many did not fit, once it is full. */
static void flood(struct world *w, int count)
{
	char text[512] = { 0 };

	for (int i = 0; i < count; i++)
		assert_int_equal(send(w->out, text, sizeof(text), 0), sizeof(text));
}

static struct drops watch(struct world *w, const char *folder)
{
	struct drops d;

	drops_init(&d, folder);
	drops_watch(&d, w->in);
	return d;
}

static void test_each_drop_is_taken_once(void **state)
{
	struct world *w = *state;
	struct drops d = watch(w, "");

	flood(w, 200);
	assert_true(drops_take(&d) > 100);
	assert_int_equal(drops_take(&d), 0);
	flood(w, 7);
	assert_int_equal(drops_take(&d), 7);
}

static void test_the_next_agent_of_a_socket_goes_on_where_the_last_one_was(void **state)
{
	struct world *w = *state;
	struct drops first = watch(w, w->folder), second;

	flood(w, 200);
	assert_true(drops_take(&first) > 100);
	drops_save(&first);
	flood(w, 30); /* while no agent runs */
	second = watch(w, w->folder);
	assert_int_equal(drops_take(&second), 30);
}

static void test_what_was_taken_and_not_reported_is_taken_again(void **state)
{
	struct world *w = *state;
	struct drops first = watch(w, w->folder), second;

	flood(w, 200);
	drops_take(&first);
	drops_save(&first);
	flood(w, 11);
	assert_int_equal(drops_take(&first), 11);
	second = watch(w, w->folder);
	assert_int_equal(drops_take(&second), 11);
}

static void write_mark(struct world *w, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/drops", w->folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_marks_of_another_socket_boot_or_hand_are_not_believed(void **state)
{
	struct world *w = *state;
	struct drops d = watch(w, w->folder), next;
	uint64_t all;
	char text[256];

	flood(w, 200);
	all = drops_take(&d);
	write_mark(w, "\x01 not what we write");
	next = watch(w, w->folder);
	assert_int_equal(drops_take(&next), all);
	snprintf(text, sizeof(text), "another-boot\n%llu 50\n",
		 (unsigned long long)d.sockets[0].cookie);
	write_mark(w, text);
	next = watch(w, w->folder);
	assert_int_equal(drops_take(&next), all);
	drops_save(&d);
	d.sockets[0].cookie++;
	d.changed = true;
	drops_save(&d);
	next = watch(w, w->folder);
	assert_int_equal(drops_take(&next), all);
}

static void test_without_a_folder_nothing_is_written(void **state)
{
	struct world *w = *state;
	struct drops d = watch(w, "");

	flood(w, 200);
	drops_take(&d);
	drops_save(&d);
	assert_int_not_equal(access("/drops", F_OK), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_each_drop_is_taken_once),
		T(test_the_next_agent_of_a_socket_goes_on_where_the_last_one_was),
		T(test_what_was_taken_and_not_reported_is_taken_again),
		T(test_marks_of_another_socket_boot_or_hand_are_not_believed),
		T(test_without_a_folder_nothing_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
