/*
 * tally.h - a daemon's own counters, for `/metrics` (Prometheus text format 0.0.4).
 *
 * A daemon keeps one struct of counters and one table that names them; there is no
 * registry. Members are atomic, so a receiver thread may count while the loop renders.
 * A name is `hourglass_<daemon>_<what>[_total]`; `labels` tell members of one family apart.
 */
#ifndef PROTO_DAEMON_TALLY_H
#define PROTO_DAEMON_TALLY_H

#include "proto/buf.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef _Atomic uint64_t tally_count;

enum tally_type {
	TALLY_COUNTER,
	TALLY_GAUGE,
};

struct tally_row {
	const char *name;
	const char *labels; /* `reason="bad_value"`, or NULL */
	enum tally_type type;
	const char *help;   /* of the first row of a family */
	size_t offset;      /* of a tally_count in the daemon's struct */
};

/* Adds to a counter. */
static inline void tally_add(tally_count *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Sets a gauge. */
static inline void tally_set(tally_count *gauge, uint64_t value)
{
	atomic_store_explicit(gauge, value, memory_order_relaxed);
}

static inline uint64_t tally_get(const tally_count *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Appends all rows of values, HELP and TYPE once a family. Rows of a family stand together.
 * Errors by buf_status(out). */
void tally_render(const struct tally_row *rows, size_t count, const void *values,
		  struct buf *out);

/* Appends process_resident_memory_bytes, process_cpu_seconds_total, process_open_fds,
 * process_start_time_seconds and hourglass_build_info{program=,version=}. */
void tally_render_process(const char *program, struct buf *out);

#endif
