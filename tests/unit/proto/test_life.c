// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/life.h"

#include "proto/daemon/log.h"
#include "tests/lib/test_loop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
	struct test_loop t;
	struct life life;
	unsigned drains;
	unsigned reloads;
};

static void on_drain(void *arg)
{
	((struct fixture *)arg)->drains++;
}

static void on_reload(void *arg)
{
	((struct fixture *)arg)->reloads++;
}

static const struct life_events events = { .drain = on_drain, .reload = on_reload };

static void start(struct fixture *f, const struct life_events *wanted)
{
	memset(f, 0, sizeof(*f));
	test_loop_init(&f->t);
	assert_int_equal(life_init(&f->life, &f->t.loop, wanted, f), 0);
}

static void finish(struct fixture *f)
{
	life_close(&f->life);
	life_close(&f->life);
	test_loop_finish(&f->t);
}

static void test_a_signal_asks_for_a_drain_once(void **state)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	struct fixture f;

	(void)state;
	for (int i = 0; i < 2; i++) {
		start(&f, &events);
		raise(numbers[i]);
		assert_int_equal(f.drains, 0);
		test_loop_until_count(&f.t, &f.drains, 1);
		finish(&f);
		assert_int_equal(f.drains, 1);
		assert_int_equal(f.reloads, 0);
	}
}

static void test_a_second_signal_ends_the_process_with_1(void **state)
{
	struct fixture f;
	int status = 0;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		fclose(stderr);
		close(STDERR_FILENO);
		start(&f, &events);
		raise(SIGTERM);
		test_loop_until_count(&f.t, &f.drains, 1);
		usleep(250 * 1000);
		raise(SIGINT);
		uv_run(&f.t.loop, UV_RUN_DEFAULT);
		_exit(7);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

/* timeout(1) tells the process and then its group. */
static void test_two_signals_at_once_are_one_wish(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, &events);
	raise(SIGTERM);
	raise(SIGTERM);
	raise(SIGINT);
	test_loop_until_count(&f.t, &f.drains, 1);
	for (int i = 0; i < 5; i++)
		test_loop_turn(&f.t);
	finish(&f);
	assert_int_equal(f.drains, 1);
}

static void test_sighup_asks_for_a_reload_until_draining(void **state)
{
	struct life_events deaf = { .drain = on_drain };
	struct fixture f;

	(void)state;
	start(&f, &events);
	raise(SIGHUP);
	test_loop_until_count(&f.t, &f.reloads, 1);
	raise(SIGHUP);
	test_loop_until_count(&f.t, &f.reloads, 2);
	raise(SIGTERM);
	test_loop_until_count(&f.t, &f.drains, 1);
	raise(SIGHUP);
	test_loop_turn(&f.t);
	test_loop_turn(&f.t);
	finish(&f);
	assert_int_equal(f.reloads, 2);
	start(&f, &deaf);
	raise(SIGHUP);
	raise(SIGTERM);
	test_loop_until_count(&f.t, &f.drains, 1);
	finish(&f);
}

static void test_writing_to_a_closed_pipe_does_not_kill(void **state)
{
	struct fixture f;
	int ends[2];

	(void)state;
	start(&f, &events);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	assert_int_equal(write(ends[1], "x", 1), -1);
	close(ends[1]);
	finish(&f);
}

/* A socket in the place of systemd's. */
static int listen_as_systemd(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "/tmp/hourglass-notify-%d", (int)getpid());
	unlink(un.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	setenv("NOTIFY_SOCKET", un.sun_path, 1);
	return fd;
}

static void stop_systemd(int fd)
{
	unlink(getenv("NOTIFY_SOCKET"));
	unsetenv("NOTIFY_SOCKET");
	close(fd);
}

static void assert_told(int fd, const char *expected)
{
	char text[256];
	ssize_t size = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	assert_true(size > 0);
	text[size] = '\0';
	if (strncmp(text, expected, strlen(expected)) != 0)
		fail_msg("expected %s, got %s", expected, text);
}

static void test_systemd_is_told_what_happens(void **state)
{
	int fd = listen_as_systemd();
	struct fixture f;

	(void)state;
	start(&f, &events);
	life_ready(&f.life);
	assert_told(fd, "READY=1");
	life_status(&f.life, "3 relays");
	assert_told(fd, "STATUS=3 relays");
	raise(SIGHUP);
	test_loop_until_count(&f.t, &f.reloads, 1);
	assert_told(fd, "RELOADING=1\nMONOTONIC_USEC=");
	assert_told(fd, "READY=1");
	life_stopping(&f.life);
	assert_told(fd, "STOPPING=1");
	finish(&f);
	stop_systemd(fd);
}

static void on_told(uv_poll_t *poll, int status, int seen)
{
	(void)status;
	(void)seen;
	*(bool *)poll->data = true;
	uv_close((uv_handle_t *)poll, NULL);
}

static void test_the_watchdog_is_fed_from_the_loop(void **state)
{
	int fd = listen_as_systemd();
	bool told = false;
	struct fixture f;
	uv_poll_t poll;
	uint64_t began;

	(void)state;
	setenv("WATCHDOG_USEC", "40000", 1);
	start(&f, &events);
	uv_poll_init(&f.t.loop, &poll, fd);
	poll.data = &told;
	uv_poll_start(&poll, UV_READABLE, on_told);
	began = uv_now(&f.t.loop);
	test_loop_until(&f.t, &told);
	assert_told(fd, "WATCHDOG=1");
	assert_true(uv_now(&f.t.loop) - began >= 20);
	unsetenv("WATCHDOG_USEC");
	finish(&f);
	stop_systemd(fd);
}

static void test_the_clocks_run(void **state)
{
	int64_t first = life_monotonic_ms();

	(void)state;
	assert_true(life_wall_ms() > INT64_C(1700000000000));
	assert_true(life_wall_ms() < INT64_C(4000000000000));
	assert_true(life_monotonic_ms() >= first);
}

static void test_random_bytes_differ(void **state)
{
	uint8_t a[32] = { 0 };
	uint8_t b[32] = { 0 };
	uint8_t guard[4] = { 1, 2, 3, 4 };

	(void)state;
	life_random(a, sizeof(a));
	life_random(b, sizeof(b));
	life_random(guard + 1, 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(guard[1], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_signal_asks_for_a_drain_once),
		cmocka_unit_test(test_a_second_signal_ends_the_process_with_1),
		cmocka_unit_test(test_two_signals_at_once_are_one_wish),
		cmocka_unit_test(test_sighup_asks_for_a_reload_until_draining),
		cmocka_unit_test(test_writing_to_a_closed_pipe_does_not_kill),
		cmocka_unit_test(test_systemd_is_told_what_happens),
		cmocka_unit_test(test_the_watchdog_is_fed_from_the_loop),
		cmocka_unit_test(test_the_clocks_run),
		cmocka_unit_test(test_random_bytes_differ),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
