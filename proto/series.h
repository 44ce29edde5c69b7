/*
 * series.h - the canonical form of a name with tags.
 *
 *     name;k=v;k2=v2          tags sorted by key bytes, each key once
 *
 * A series is what the pipeline counts by: the same bytes everywhere, from the
 * agent's table to the Redis field and the URL. Inside a name, a tag key or a tag
 * value the bytes `;` and `\` (and `=` in a key) are escaped with a backslash so that
 * the form is unambiguous and reversible; control bytes and invalid UTF-8 never get
 * in. A tag without a value is `k=`. A tag key may not be empty. Nothing allocates:
 * the caller brings the storage.
 */
#ifndef PROTO_SERIES_H
#define PROTO_SERIES_H

#include "proto/limits.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct series_tag {
	struct slice key;
	struct slice value;
};

/* A series taken apart; the slices are unescaped and borrow from storage. */
struct series {
	struct slice name;
	struct series_tag tags[LIMIT_TAGS];
	size_t tag_count;
	uint8_t storage[LIMIT_SERIES_BYTES];
};

/* Writes the canonical form of name and tags into out (LIMIT_SERIES_BYTES): sorts a
 * copy of the tags by key; of a repeated key the last holds. Sets *size.
 * 0; ERR_BAD_NAME (empty, control bytes), ERR_NAME_TOO_LONG, ERR_BAD_TAG,
 * ERR_TOO_MANY_TAGS, ERR_SERIES_TOO_LONG, ERR_BAD_BYTES (not UTF-8). */
int series_build(struct slice name, const struct series_tag *tags, size_t tag_count, uint8_t *out,
		 size_t *size) __attribute__((warn_unused_result));

/* Takes a canonical series apart. Anything that series_build would not have written is
 * refused, so equal series are equal bytes. 0; ERR_MALFORMED and the codes above. */
int series_parse(struct slice canonical, struct series *out) __attribute__((warn_unused_result));

/* Reads a key as a person types it: the canonical form, tags in any order, and `,` in
 * place of `;` when there is no `;` at all and every part after the first `,` holds a
 * `=`. Writes the canonical form as series_build does. 0 and its codes. */
int series_from_key(struct slice key, uint8_t *out, size_t *size)
	__attribute__((warn_unused_result));

/* Whether the bytes are valid UTF-8 (RFC 3629) without control bytes (0..31, 127). */
bool series_text_valid(struct slice text);

#endif
