// SPDX-License-Identifier: Apache-2.0
#include "agent/receive.h"

#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/limits.h"
#include "proto/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

struct world {
	struct intake in;
	struct ledger ledger;
	struct receiver *r;
	int sender;
};

static void open_at(struct world *w, const char *listen, size_t buffer_bytes)
{
	struct receive_options options = { .listen = listen, .buffer_bytes = buffer_bytes,
					   .max_age_s = 34 * 86400 };

	assert_int_equal(receive_open(&options, &w->in, &w->ledger, &w->r), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(intake_init(&w->in, 1000, 16 << 20), 0);
	w->sender = -1;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	receive_close(w->r);
	intake_release(&w->in);
	if (w->sender >= 0)
		close(w->sender);
	free(w);
	return 0;
}

/* A connected sender to the n-th address. */
static void dial(struct world *w, int n)
{
	char text[LISTEN_TEXT_SIZE] = "";
	struct slice list;
	struct addr at;
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr *to = (struct sockaddr *)&v4;
	socklen_t size = sizeof(v4);

	receive_addresses(w->r, text);
	list = slice_text(text);
	for (int i = 0; i <= n; i++)
		assert_int_equal(addr_next(&list, &at), 1);
	v4.sin_port = v6.sin6_port = htons(at.port);
	if (inet_pton(AF_INET, at.host, &v4.sin_addr) != 1) {
		assert_int_equal(inet_pton(AF_INET6, at.host, &v6.sin6_addr), 1);
		to = (struct sockaddr *)&v6;
		size = sizeof(v6);
	}
	if (w->sender >= 0)
		close(w->sender);
	w->sender = socket(to->sa_family, SOCK_DGRAM, 0);
	assert_int_equal(connect(w->sender, to, size), 0);
}

static void say(struct world *w, const char *text)
{
	assert_int_equal(send(w->sender, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* Waits until so many datagrams were read and counted. */
static void until_read(struct world *w, uint64_t datagrams)
{
	for (int i = 0; i < 5000 && tally_get(&w->in.counts.datagrams) < datagrams; i++)
		poll(NULL, 0, 1);
	assert_int_equal(tally_get(&w->in.counts.datagrams), datagrams);
}

static void start(struct world *w)
{
	open_at(w, "udp://127.0.0.1:0", 1 << 20);
	dial(w, 0);
	assert_int_equal(receive_start(w->r), 0);
}

static void test_lines_become_samples(void **state)
{
	struct world *w = *state;

	start(w);
	say(w, "a:1|ms\nb:2:3|c\n\nc 5\n");
	until_read(w, 1);
	assert_int_equal(tally_get(&w->in.counts.lines), 3);
	assert_int_equal(tally_get(&w->in.counts.samples), 4);
	assert_int_equal(intake_level(&w->in).samples, 4);
	assert_int_equal(intake_level(&w->in).series, 3);
}

static void test_a_bad_line_is_counted_by_reason_and_spares_the_others(void **state)
{
	struct world *w = *state;

	start(w);
	say(w, "a:1|ms\na:x|c\na:1\n_e{1,1}:a|b\n_sc|x|0\nb:1|c");
	until_read(w, 1);
	assert_int_equal(tally_get(&w->in.counts.lines), 6);
	assert_int_equal(tally_get(&w->in.counts.lines_rejected.bad_value), 1);
	assert_int_equal(tally_get(&w->in.counts.lines_rejected.no_type), 1);
	assert_int_equal(tally_get(&w->in.counts.lines_event), 1);
	assert_int_equal(tally_get(&w->in.counts.lines_service_check), 1);
	assert_int_equal(intake_level(&w->in).samples, 2);
}

static void test_timestamps_too_far_off_are_refused(void **state)
{
	struct world *w = *state;
	int64_t now = life_wall_ms() / 1000;
	char text[256];

	start(w);
	receive_set_floor(w->r, now - 7200);
	snprintf(text, sizeof(text),
		 "a:1|c|T%ld\na:1|c|T%ld\na:1|c|T%ld\na:1|c|T%ld\na:1|c|T0", (long)(now - 7300),
		 (long)(now - 7100), (long)(now + 400), (long)(now + 250));
	say(w, text);
	until_read(w, 1);
	assert_int_equal(tally_get(&w->in.counts.samples), 5);
	assert_int_equal(tally_get(&w->in.counts.samples_rejected.too_old), 2);
	assert_int_equal(tally_get(&w->in.counts.samples_rejected.too_new), 1);
	assert_int_equal(intake_level(&w->in).samples, 2);
}

/* Plain lines are looked ahead to, across datagrams; a gauge's must not overtake others. */
static void test_lines_keep_their_order(void **state)
{
	struct world *w = *state;
	const struct table_series *s;
	char text[2048] = "";
	size_t cursor = 0;

	open_at(w, "udp://127.0.0.1:0", 1 << 20);
	dial(w, 0);
	for (int i = 0; i < 150; i++)
		strcat(text, "filler:1|c\n");
	say(w, "g:10|g");
	say(w, "g:+5|g\ng:4|g");
	say(w, text);
	say(w, "g:3|g");
	say(w, "g:+2|g");
	say(w, "g:+1|g\nfiller:1|c");
	assert_int_equal(receive_start(w->r), 0);
	until_read(w, 6);
	assert_int_equal(tally_get(&w->in.counts.lines), 157);
	assert_int_equal(intake_level(&w->in).samples, 157);
	receive_stop(w->r);
	while ((s = table_next(w->in.open, &cursor)) != NULL && s->kind != KIND_GAUGE)
		;
	assert_non_null(s);
	assert_true(s->groups->gauge->last == 3 && s->groups->gauge->delta == 3);
	assert_int_equal(s->groups->gauge->samples, 6);
	assert_int_equal(s->lines, 6);
}

static void test_what_is_over_a_limit_is_counted(void **state)
{
	struct world *w = *state;
	char text[64];

	start(w);
	for (int i = 0; i < 1100; i++) {
		snprintf(text, sizeof(text), "k%d:1|c", i);
		say(w, text);
		if (i % 50 == 49)
			until_read(w, (uint64_t)i + 1);
	}
	assert_int_equal(tally_get(&w->in.counts.samples), 1100);
	assert_int_equal(tally_get(&w->in.counts.samples_rejected.over_limit), 100);
	assert_int_equal(intake_level(&w->in).samples, 1000);
}

static void test_over_the_limits_samples_overflow(void **state)
{
	struct world *w = *state;
	struct limits_options limits = { .max_keys = 10, .max_keys_per_prefix = 10,
					 .max_new_keys_per_second = 10 };
	struct table *taken;
	int64_t now_ms;
	char text[64];

	intake_limit(&w->in, &limits);
	start(w);
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "k.%d:1|c", i);
		say(w, text);
	}
	until_read(w, 100);
	assert_int_equal(tally_get(&w->in.counts.samples_rejected.over_limit), 0);
	assert_int_equal(intake_level(&w->in).samples, 100);
	intake_lock(&w->in);
	taken = intake_swap(&w->in, &now_ms);
	intake_unlock(&w->in);
	assert_int_equal(taken->overflowed[LIMITS_KEYS], 90);
	assert_int_equal(taken->user_count, 10);
	intake_done(&w->in);
}

static void test_the_pipeline_s_own_names_are_refused(void **state)
{
	struct world *w = *state;
	struct line_options lines = { .sanitize_statsd = true };

	start(w);
	say(w, "hourglass.samples.received:1|c\nhourglass.x:1:2:3|ms\nhourglass.x,k=v:1|c\n"
	       "hourglass[k=v].x:1|c\n(hourglass.x,1)\nhourglass.x 1\nhourglass.:1|c");
	until_read(w, 1);
	assert_int_equal(tally_get(&w->in.counts.lines), 7);
	assert_int_equal(tally_get(&w->in.counts.lines_rejected.reserved_name), 7);
	assert_int_equal(tally_get(&w->in.counts.samples), 0);
	/* As it is stored, not as it was sent. */
	receive_set_lines(w->r, &lines);
	say(w, "hour$glass.x:1|c");
	until_read(w, 2);
	assert_int_equal(tally_get(&w->in.counts.lines_rejected.reserved_name), 8);
	say(w, "hourglass:1|c\nhourglassy.x:1|c\nmy.hourglass.x:1|c\nh:1|c");
	until_read(w, 3);
	assert_int_equal(tally_get(&w->in.counts.samples), 4);
	assert_int_equal(intake_level(&w->in).samples, 4);
}

static void test_an_agent_s_limits_on_a_line_refuse_it_by_reason(void **state)
{
	struct world *w = *state;
	struct line_options lines = { .max_tags = 2, .max_series_bytes = 16 };

	start(w);
	receive_set_lines(w->r, &lines);
	say(w, "a:1|c|#a:1,b:2\na:1|c|#a:1,b:2,c:3\naaaaaaaaaaaaaaaaa:1|c\n"
	       "aaaaaaaaaa:1|c|#key:value\na:aaaaaaaaaaaaaaaaa|s\naaaaaaaaaaaaaaaa:1|c");
	until_read(w, 1);
	assert_int_equal(tally_get(&w->in.counts.samples), 2);
	assert_int_equal(tally_get(&w->in.counts.lines_rejected.too_many_tags), 1);
	assert_int_equal(tally_get(&w->in.counts.lines_rejected.name_too_long), 1);
	assert_int_equal(tally_get(&w->in.counts.lines_rejected.series_too_long), 1);
	assert_int_equal(tally_get(&w->in.counts.lines_rejected.member_too_long), 1);
}

static void test_lines_and_rejects_are_counted_for_their_prefix(void **state)
{
	struct world *w = *state;
	struct top rejects, none;
	struct buf out;

	start(w);
	say(w, "web.a:1:2:3|ms\nweb.a:x|c\nweb|1\n(web,x)\ndb.x:1|c|T5\nhourglass.x:1|c\n"
	       "_e{1,1}:a|b");
	until_read(w, 1);
	intake_lock(&w->in);
	assert_int_equal(w->in.open->latest->lines, 1);
	intake_unlock(&w->in);
	top_init(&rejects);
	top_init(&none);
	assert_int_equal(intake_merge_rejects(&w->in, &rejects), 0);
	buf_init(&out, 65536);
	top_render(&rejects, &none, TOP_REJECTS, 10, life_monotonic_ms(), &out);
	buf_put_u8(&out, 0);
	assert_non_null(strstr((char *)out.data, "\"prefix\":\"web\",\"lines\":0,\"keys\":0,"
						 "\"rejects\":3"));
	assert_non_null(strstr((char *)out.data, "\"prefix\":\"db\",\"lines\":0,\"keys\":0,"
						 "\"rejects\":1"));
	assert_non_null(strstr((char *)out.data, "\"prefix\":\"hourglass\""));
	assert_null(strstr((char *)out.data, "_e{"));
	buf_release(&out);
	top_release(&rejects);
}

static void test_stopping_reads_what_is_in_the_socket_first(void **state)
{
	struct world *w = *state;

	open_at(w, "udp://127.0.0.1:0", 1 << 20);
	dial(w, 0);
	for (int i = 0; i < 500; i++)
		say(w, "a:1|c");
	assert_int_equal(receive_start(w->r), 0);
	receive_stop(w->r);
	receive_stop(w->r);
	assert_int_equal(tally_get(&w->in.counts.datagrams), 500);
	assert_int_equal(intake_level(&w->in).samples, 500);
}

static void test_drops_of_the_kernel_are_counted_exactly(void **state)
{
	struct world *w = *state;

	/* Nobody reads yet, and no later datagram comes: the count is exact all the same. */
	open_at(w, "udp://127.0.0.1:0", 4096);
	dial(w, 0);
	for (int i = 0; i < 2000; i++)
		say(w, "some.longer.metric.name:123456|ms|#and:tags,that:fill");
	receive_count_drops(w->r);
	assert_true(tally_get(&w->ledger.kernel_drops) > 0);
	assert_int_equal(receive_start(w->r), 0);
	receive_stop(w->r);
	receive_count_drops(w->r);
	assert_int_equal(tally_get(&w->in.counts.datagrams) + tally_get(&w->ledger.kernel_drops),
			 2000);
}

static void test_several_sockets_are_served(void **state)
{
	struct world *w = *state;

	open_at(w, "udp://127.0.0.1:0, udp://[::1]:0", 1 << 20);
	assert_int_equal(receive_start(w->r), 0);
	dial(w, 0);
	say(w, "a:1|c");
	until_read(w, 1);
	dial(w, 1);
	say(w, "a:1|c");
	until_read(w, 2);
	assert_int_equal(intake_level(&w->in).samples, 2);
}

static void test_a_unix_datagram_socket_cuts_what_is_too_long_at_a_line(void **state)
{
	struct world *w = *state;
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char listen[128], *text = malloc(80000);
	int room = 1 << 20;

	snprintf(to.sun_path, sizeof(to.sun_path), "/tmp/hourglass-test-%d.sock", getpid());
	snprintf(listen, sizeof(listen), "unixgram://%s", to.sun_path);
	open_at(w, listen, 1 << 20);
	assert_int_equal(receive_start(w->r), 0);
	w->sender = socket(AF_UNIX, SOCK_DGRAM, 0);
	setsockopt(w->sender, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	assert_int_equal(connect(w->sender, (struct sockaddr *)&to, sizeof(to)), 0);
	for (int i = 0; i < 10000; i++)
		memcpy(text + 8 * i, "aa:77|c\n", 8);
	assert_int_equal(send(w->sender, text, 80000, 0), 80000);
	until_read(w, 1);
	assert_int_equal(tally_get(&w->in.counts.datagrams_truncated), 1);
	assert_int_equal(intake_level(&w->in).samples, LIMIT_DATAGRAM_BYTES / 8);
	unlink(to.sun_path);
	free(text);
}

static void test_a_unix_socket_beside_one_that_is_left_alone(void **state)
{
	struct world *w = *state;
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int unix_sender = socket(AF_UNIX, SOCK_DGRAM, 0);
	char name[64], listen[128];
	socklen_t size;

	snprintf(name, sizeof(name), "hourglass-hasty-%d", getpid());
	memcpy(to.sun_path + 1, name, strlen(name));
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	snprintf(listen, sizeof(listen), "udp://127.0.0.1:0,unixgram:@%s", name);
	open_at(w, listen, 16 << 20);
	dial(w, 0);
	assert_int_equal(receive_start(w->r), 0);
	assert_int_equal(connect(unix_sender, (struct sockaddr *)&to, size), 0);
	/* More than the Unix socket holds: its sender waits until some are read. */
	for (int i = 0; i < 2000; i++) {
		say(w, "a:1|c");
		assert_int_equal(send(unix_sender, "b:1|c", 5, 0), 5);
	}
	until_read(w, 4000);
	assert_int_equal(intake_level(&w->in).samples, 4000);
	close(unix_sender);
}

static void test_an_address_in_use_is_an_error(void **state)
{
	struct world *w = *state;
	struct receive_options options = { .buffer_bytes = 4096 };
	char text[LISTEN_TEXT_SIZE] = "";
	struct receiver *other = NULL;

	open_at(w, "udp://127.0.0.1:0", 4096);
	receive_addresses(w->r, text);
	options.listen = text;
	log_set_level((enum log_level)2);
	assert_int_equal(receive_open(&options, &w->in, &w->ledger, &other), -EADDRINUSE);
	assert_null(other);
}

static void test_several_threads_share_an_address_and_lose_nothing(void **state)
{
	struct world *w = *state;
	struct intake *intakes = calloc(3, sizeof(*intakes));
	struct receive_options options = { .listen = "udp://127.0.0.1:0,unixgram:@hourglass-three",
					   .receivers = 3, .buffer_bytes = 1 << 20,
					   .max_age_s = 34 * 86400 };
	uint64_t datagrams = 0, samples = 0, busy = 0;

	for (int i = 0; i < 3; i++)
		assert_int_equal(intake_init(&intakes[i], 1000, 16 << 20), 0);
	assert_int_equal(receive_open(&options, intakes, &w->ledger, &w->r), 0);
	for (int i = 0; i < 200; i++) {
		dial(w, 0); /* another socket: perhaps another thread's */
		say(w, "a:1|c\nb:2:3|ms");
	}
	assert_int_equal(receive_start(w->r), 0);
	receive_close(w->r);
	w->r = NULL;
	for (int i = 0; i < 3; i++) {
		datagrams += tally_get(&intakes[i].counts.datagrams);
		samples += intake_level(&intakes[i]).samples;
		busy += tally_get(&intakes[i].counts.datagrams) > 0;
		intake_release(&intakes[i]);
	}
	assert_int_equal(datagrams, 200);
	assert_int_equal(samples, 600);
	assert_true(busy > 1);
	free(intakes);
}

static void test_both_families_of_one_port(void **state)
{
	struct world *w = *state;
	char listen[64];
	uint16_t port;
	struct addr at;
	char text[LISTEN_TEXT_SIZE] = "";
	struct slice list;

	open_at(w, "udp://0.0.0.0:0", 1 << 20);
	receive_addresses(w->r, text);
	list = slice_text(text);
	assert_int_equal(addr_next(&list, &at), 1);
	port = at.port;
	receive_close(w->r);
	w->r = NULL;
	/* [::] first: it must leave IPv4 to the other. */
	snprintf(listen, sizeof(listen), "udp://[::]:%u,udp://0.0.0.0:%u", port, port);
	open_at(w, listen, 1 << 20);
	assert_int_equal(receive_start(w->r), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_lines_become_samples),
		T(test_a_bad_line_is_counted_by_reason_and_spares_the_others),
		T(test_timestamps_too_far_off_are_refused),
		T(test_lines_keep_their_order),
		T(test_what_is_over_a_limit_is_counted),
		T(test_over_the_limits_samples_overflow),
		T(test_the_pipeline_s_own_names_are_refused),
		T(test_an_agent_s_limits_on_a_line_refuse_it_by_reason),
		T(test_lines_and_rejects_are_counted_for_their_prefix),
		T(test_stopping_reads_what_is_in_the_socket_first),
		T(test_drops_of_the_kernel_are_counted_exactly),
		T(test_several_sockets_are_served),
		T(test_a_unix_datagram_socket_cuts_what_is_too_long_at_a_line),
		T(test_a_unix_socket_beside_one_that_is_left_alone),
		T(test_an_address_in_use_is_an_error),
		T(test_several_threads_share_an_address_and_lose_nothing),
		T(test_both_families_of_one_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
