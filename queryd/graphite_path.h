/*
 * graphite_path.h - Graphite's paths over our keys: which key and stat they name.
 *
 *     checkout.{eu,us}.*.p99_9          name . stat, the stat's dots as `_`
 *     checkout.latency.median;host=a    of a key with tags: exactly these
 *
 * A path is `name.stat`; globs stand for one node (no star matches a dot) and braces for
 * each of their alternatives, which are written out first, at most GRAPHITE_BRACES of them. A glob
 * in the place of the stat stands for the stats that an overview shows; written out, any stat
 * can be asked for. A path without tags means the key without tags. Pure.
 */
#ifndef QUERYD_GRAPHITE_PATH_H
#define QUERYD_GRAPHITE_PATH_H

#include "proto/glob.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "queryd/stat.h"

#include <stdbool.h>
#include <stddef.h>

#define GRAPHITE_BRACES     64
#define GRAPHITE_PATH_BYTES 1024 /* of a path with globs or braces */
#define GRAPHITE_NODE_SIZE  (STAT_NAME_SIZE)

/* One path, braces written out. */
struct graphite_path {
	struct slice name;  /* before the stat, without tags; a glob unless plain */
	struct slice node;  /* the stat; a glob unless plain_node */
	struct slice tags;  /* behind `;`, or empty */
	bool plain;         /* the name has no glob in it */
	bool plain_node;
	struct glob name_glob, node_glob;
};

struct graphite_paths {
	struct graphite_path *list;
	size_t count;
	/* private */
	char *bytes;
};

/* Takes a path apart. 0; -EINVAL with *why (static); -ENOMEM. A path of one node names nothing: it
 * is left out. */
int graphite_paths_read(struct graphite_paths *p, struct slice text, const char **why)
	__attribute__((warn_unused_result));

/* Frees it. */
void graphite_paths_release(struct graphite_paths *p);

/* Writes braces out: the number of texts, which follow each other in *bytes (the caller's, by
 * malloc), each with a terminator. -EINVAL with *why, -ENOMEM. */
int graphite_braces(struct slice text, char **bytes, const char **why)
	__attribute__((warn_unused_result));

/* The index-th stat of a kind that a path's node names, in the order of an overview; false at the
 * end. */
bool graphite_path_stat(const struct graphite_path *p, enum kind kind, size_t index,
			struct stat_asked *stat);

/* A stat as a node: `p99_9`. Returns out. */
const char *graphite_node(const struct stat_asked *stat, char out[GRAPHITE_NODE_SIZE]);

/* Reads a node as a stat. False when it is none. */
bool graphite_node_read(struct slice node, struct stat_asked *stat);

#endif
