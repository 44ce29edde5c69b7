/*
 * conf_case.h - a small daemon's configuration, one row of each type.
 *
 * Tests of conf parse it from arguments and from test.conf in a working directory of their
 * own, and compare what was printed whole.
 */
#ifndef TESTS_LIB_CONF_CASE_H
#define TESTS_LIB_CONF_CASE_H

#include "proto/daemon/conf.h"

struct conf_case {
	int64_t log_level;
	int64_t seal_ms;
	int64_t spool_max;
	int64_t partitions;
	bool premerge;
	char *relays;
	char *redis_url;
	bool explain;
	char *input;
};

extern const struct conf_spec conf_case_spec;
extern char conf_case_out[32768]; /* what the last run printed */

/* Up to four arguments, NULL-terminated. */
#define ARGS(...) ((const char *const[5]){ __VA_ARGS__ })

/* How an error reads. */
#define SAYS(place, text) "hourglass-test: " place ": " text "\n"

/* Runs the tests in a folder of their own. Returns what they return. */
int conf_case_main(int (*tests)(void));

/* Writes test.conf: size bytes, or a text. */
void conf_case_write(const char *text, size_t size);
void conf_case_file(const char *text); /* the same for a text */

/* Parses; what was printed to fd is in conf_case_out. */
enum conf_verdict conf_case_run(int fd, struct conf_case *v, const char *const arguments[4]);

/* Fails unless the arguments are refused with exactly this text. */
void assert_conf_refused(const char *const arguments[4], const char *expected);

/* The same for `-c test.conf` with this content. */
void assert_conf_file_refused(const char *text, const char *expected);

/* Fails unless the arguments are good; the caller releases v. */
void assert_conf_runs(struct conf_case *v, const char *const arguments[4]);

#endif
