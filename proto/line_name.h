/*
 * line_name.h - the name of a line: its tag dialects, and statsd's rewriting (LINE.md).
 *
 *     name,k=v   name[k=v]rest   name#k=v   name;k=v
 *
 * Takes the bytes before a line's first colon apart into name and tags. A part without
 * `=` or without a key is left out, as statsd_exporter does. Everything borrows from the
 * line, or from the storage given when the name had to be rewritten.
 */
#ifndef PROTO_LINE_NAME_H
#define PROTO_LINE_NAME_H

#include "proto/limits.h"
#include "proto/series.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The tags of one line as they are found. */
struct line_tags {
	struct series_tag *tags; /* room for LIMIT_TAGS */
	size_t count;
};

/* Appends a tag; an empty key is left out. 0, ERR_TOO_MANY_TAGS. */
int line_tags_add(struct line_tags *tags, struct slice key, struct slice value)
	__attribute__((warn_unused_result));

/* Takes the part before the first `separator` off *rest (or all of it, leaving *rest
 * empty). Returns whether there was a separator. */
bool line_cut(struct slice *rest, uint8_t separator, struct slice *part);

/* Splits text into *name and tags. storage holds LIMIT_NAME_BYTES; *name may borrow it.
 * 0; ERR_BAD_NAME (empty), ERR_NAME_TOO_LONG, ERR_BAD_TAG (two dialects in one name),
 * ERR_TOO_MANY_TAGS. */
int line_name_split(struct slice text, uint8_t *storage, struct slice *name,
		    struct line_tags *tags) __attribute__((warn_unused_result));

/* Rewrites *name as statsd does, into storage (which may hold *name already): runs of
 * spaces become `_`, `/` becomes `-`, all but [a-zA-Z0-9_.;=-] is dropped. 0; ERR_BAD_NAME
 * (nothing is left), ERR_NAME_TOO_LONG. */
int line_name_sanitize(uint8_t *storage, struct slice *name) __attribute__((warn_unused_result));

/* Whether statsd's rewriting leaves a byte alone. */
bool line_name_kept(uint8_t byte);

#endif
