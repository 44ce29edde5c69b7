/*
 * etag.h - entity tags of answers about one hour or day (RFC 9110, 8.8.3).
 *
 * A tag hashes all that such an answer is made of: the question, the partials that were read with
 * their versions, what is known of the agents, and the program's own version. So a tag that is
 * the same means the same bytes; one that differs may too (another key of the partition was
 * written). Tags are strong, so the gzip form of an answer has another than the plain one (8.8.3.3). Pure.
 */
#ifndef QUERYD_ETAG_H
#define QUERYD_ETAG_H

#include "queryd/answer.h"

#include <stdbool.h>
#include <stdint.h>

#define ETAG_SIZE 20 /* two quotes, 16 hex digits, terminator */

/* With what a coding adds: `-gzip`. */
#define ETAG_FORM_SIZE (ETAG_SIZE + 5)

/* Writes the tag of an answer. digest: plan_digest(). Returns out. */
const char *etag_make(const struct answer_about *about, uint64_t digest,
		      int64_t now_second, char out[ETAG_SIZE]);

/* Writes the tag of one form of what has the tag plain: itself, or that of its gzip form. Returns out. */
const char *etag_form(const char *plain, bool gzip, char out[ETAG_FORM_SIZE]);

/* Whether an If-None-Match header (may be NULL) names the tag: a list, `*`, weak ones too. */
bool etag_matches(const char *header, const char *tag);

#endif
