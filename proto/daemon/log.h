/*
 * log.h - logs for journald and for people: logfmt after an event name.
 *
 *     <6>listening address=udp://127.0.0.1:8125
 *
 * The `<N>` is journald's priority (sd-daemon(3)), left out when standard error is a terminal.
 * error = a person must act; warn = data was lost or will be; info = life cycle; debug = per
 * connection. Never per packet. Thread-safe: one write(2) a line. A line is at most 2,000 bytes,
 * cut with "...".
 */
#ifndef PROTO_DAEMON_LOG_H
#define PROTO_DAEMON_LOG_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARN = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* Sets what is printed: this level and graver ones. Default: info. */
void log_set_level(enum log_level level);

/* `error`, `warn`, `info`, `debug`, NULL: what a row `log_level` of a configuration takes (conf.h's
 * choices). */
extern const char *const log_level_choices[];

/* The level of such a row's value, the index of its choice. */
enum log_level log_level_chosen(int64_t choice);

/* Many events have no fields, and "" says so. */
#pragma GCC diagnostic ignored "-Wformat-zero-length"

/* Writes one line: event name, then the fields as printf makes them (`key=value ...`, may
 * be ""). Values that may hold spaces or odd bytes go through log_quote. */
void log_event(enum log_level level, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_event(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_event(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__)

#define LOG_QUOTE_SIZE 256

/* Makes bytes from outside safe in a log line: quoted when needed, control bytes and
 * invalid UTF-8 as \xNN, cut at LOG_QUOTE_SIZE. Returns out. */
const char *log_quote(struct slice bytes, char out[LOG_QUOTE_SIZE]);

/* Lets an event through at most once a second: for what a peer or a sender can cause. */
struct log_limit {
	int64_t next_ms;
	uint64_t suppressed;
};

/* True when the event may be logged now; *suppressed (may be NULL) is how many were held
 * back since the last. */
bool log_allowed(struct log_limit *limit, int64_t now_ms, uint64_t *suppressed);

#endif
