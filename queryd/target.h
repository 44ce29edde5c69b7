/*
 * target.h - Graphite's targets, taken apart.
 *
 *     aliasSub(sumSeries(checkout.{eu,us}.p99_9, other.*.max), "(^.*$)", "\1 A")
 *
 * Calls, paths (with globs and braces), numbers, strings in either quotes (what is between
 * them stands as it is), true and false; arguments may be named (`reverse=true`). A tree in a
 * pool of fixed size: bounded in bytes, nodes and depth, so what is nested deeper or is longer
 * is refused. Pure; texts borrow from the source.
 */
#ifndef QUERYD_TARGET_H
#define QUERYD_TARGET_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>

#define TARGET_BYTES 16384
#define TARGET_NODES 512
#define TARGET_DEPTH 32

enum target_type {
	TARGET_PATH,
	TARGET_CALL,
	TARGET_NUMBER,
	TARGET_STRING,
	TARGET_BOOL,
};

struct target_node {
	enum target_type type;
	struct slice text;    /* the path, the function's name, what stands between the quotes */
	struct slice source;  /* all of it, as it was written */
	struct slice keyword; /* of a named argument; else empty */
	double number;        /* of NUMBER; of BOOL 0 or 1 */
	struct target_node *args; /* of CALL: the first, or NULL */
	struct target_node *next; /* the next argument of the same call, or NULL */
};

struct target {
	struct target_node nodes[TARGET_NODES]; /* nodes[0] is the root */
	size_t count;
};

/* Takes a target apart; t's nodes point into t and at the text. NULL, or what is wrong with it.
 * Static. */
const char *target_parse(struct target *t, struct slice text);

#endif
