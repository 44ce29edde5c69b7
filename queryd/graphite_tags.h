/*
 * graphite_tags.h - tag expressions: `host=a`, `host!=a`, `host=~a.*`, `host!=~a.*`.
 *
 * As seriesByTag() and the completion of tags ask. The tag `name` is the key's name with the stat
 * as its last node. A key that does not have the tag has it empty. Regular expressions match
 * from the beginning, as Graphite's do. Pure.
 */
#ifndef QUERYD_GRAPHITE_TAGS_H
#define QUERYD_GRAPHITE_TAGS_H

#include "proto/series.h"
#include "proto/slice.h"
#include "queryd/regex.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAPHITE_TAG_EXPRS 16

struct graphite_tag_expr {
	struct slice tag, value; /* borrowed from the text that was read */
	bool negated;
	bool is_regex;
	bool is_name;
	struct regex regex;
};

struct graphite_tags {
	/* private but for reading */
	struct graphite_tag_expr list[GRAPHITE_TAG_EXPRS];
	size_t count;
	uint64_t *budget;
};

/* No expressions: everything matches. The budget (regex.h) is borrowed. */
void graphite_tags_init(struct graphite_tags *t, uint64_t *budget);

/* Adds an expression, whose text is borrowed. NULL, or what is wrong with it. Static. */
const char *graphite_tags_add(struct graphite_tags *t, struct slice text);

/* Frees what it holds. */
void graphite_tags_release(struct graphite_tags *t);

/* Whether a key matches all but what is said of `name`. 1, 0, and the codes of regex_match. */
int graphite_tags_match(struct graphite_tags *t, const struct series *series)
	__attribute__((warn_unused_result));

/* Whether a key's name with a stat matches what is said of `name`. As above. */
int graphite_tags_match_name(struct graphite_tags *t, struct slice path)
	__attribute__((warn_unused_result));

/* The value that `name` must have; false when that is not said. */
bool graphite_tags_name(const struct graphite_tags *t, struct slice *path);

/* The value of a tag of a key; empty when it has none. Borrowed from the series. */
struct slice graphite_tags_value(const struct series *series, struct slice tag);

#endif
