// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/tally.h"

#include "proto/daemon/conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

struct counts {
	tally_count lines;
	tally_count bad_name;
	tally_count bad_value;
	tally_count streams;
};

static const struct tally_row rows[] = {
	{ "hourglass_agent_lines_total", NULL, TALLY_COUNTER, "Lines with a \\ and\na break.",
	  offsetof(struct counts, lines) },
	{ "hourglass_agent_rejected_total", "reason=\"bad_name\"", TALLY_COUNTER, "Refused lines.",
	  offsetof(struct counts, bad_name) },
	{ "hourglass_agent_rejected_total", "reason=\"bad_value\"", TALLY_COUNTER, NULL,
	  offsetof(struct counts, bad_value) },
	{ "hourglass_agent_streams", NULL, TALLY_GAUGE, NULL, offsetof(struct counts, streams) },
};

static const char *text_of(struct buf *b)
{
	buf_put_u8(b, 0);
	assert_int_equal(buf_status(b), 0);
	return (const char *)b->data;
}

static void test_a_table_renders_as_prometheus_text(void **state)
{
	struct counts counts = { 0 };
	struct buf out;

	(void)state;
	tally_add(&counts.lines, 3);
	tally_add(&counts.lines, UINT64_MAX - 10);
	tally_add(&counts.bad_value, 2);
	tally_set(&counts.streams, 9);
	tally_set(&counts.streams, 7);
	assert_int_equal(tally_get(&counts.streams), 7);
	buf_init(&out, 4096);
	tally_render(rows, 4, &counts, &out);
	assert_string_equal(text_of(&out),
			    "# HELP hourglass_agent_lines_total Lines with a \\\\ and\\na break.\n"
			    "# TYPE hourglass_agent_lines_total counter\n"
			    "hourglass_agent_lines_total 18446744073709551608\n"
			    "# HELP hourglass_agent_rejected_total Refused lines.\n"
			    "# TYPE hourglass_agent_rejected_total counter\n"
			    "hourglass_agent_rejected_total{reason=\"bad_name\"} 0\n"
			    "hourglass_agent_rejected_total{reason=\"bad_value\"} 2\n"
			    "# TYPE hourglass_agent_streams gauge\n"
			    "hourglass_agent_streams 7\n");
	buf_release(&out);
}

static void test_the_ceiling_is_reported(void **state)
{
	struct counts counts = { 0 };
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	tally_render(rows, 4, &counts, &out);
	assert_int_equal(buf_status(&out), -ENOBUFS);
	buf_release(&out);
}

static double value_of(const char *text, const char *name)
{
	char line[128];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(text, line);
	if (at == NULL)
		fail_msg("no %s in %s", name, text);
	return strtod(at + strlen(line), NULL);
}

static void test_the_process_describes_itself(void **state)
{
	char build[160];
	struct timespec now;
	struct buf out;
	const char *text;

	(void)state;
	buf_init(&out, 4096);
	tally_render_process("hourglass-agent", &out);
	text = text_of(&out);
	assert_true(value_of(text, "process_resident_memory_bytes") > 100000);
	assert_true(value_of(text, "process_cpu_seconds_total") >= 0);
	assert_true(value_of(text, "process_open_fds") >= 3);
	clock_gettime(CLOCK_REALTIME, &now);
	assert_true(value_of(text, "process_start_time_seconds") > (double)now.tv_sec - 300);
	assert_true(value_of(text, "process_start_time_seconds") < (double)now.tv_sec + 2);
	snprintf(build, sizeof(build),
		 "\nhourglass_build_info{program=\"hourglass-agent\",version=\"%s\"} 1\n",
		 conf_version());
	assert_non_null(strstr(text, build));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_table_renders_as_prometheus_text),
		cmocka_unit_test(test_the_ceiling_is_reported),
		cmocka_unit_test(test_the_process_describes_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
