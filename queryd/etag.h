/*
 * etag.h - entity tags of answers about one hour or day (RFC 9110, 8.8.3).
 *
 * A tag hashes all that such an answer is made of: the question, the partials that were read with
 * their versions, what is known of the agents, and the program's own version. So a tag that is
 * the same means the same bytes; one that differs may too (another key of the partition was
 * written). Pure.
 */
#ifndef QUERYD_ETAG_H
#define QUERYD_ETAG_H

#include "queryd/answer.h"

#include <stdbool.h>
#include <stdint.h>

#define ETAG_SIZE 20 /* two quotes, 16 hex digits, terminator */

/* Writes the tag of an answer. digest: plan_digest(). asked: kind= of the request. Returns out. */
const char *etag_make(const struct answer_about *about, enum kind asked, uint64_t digest,
		      int64_t now_second, char out[ETAG_SIZE]);

/* Whether an If-None-Match header (may be NULL) names the tag: a list, `*`, weak ones too. */
bool etag_matches(const char *header, const char *tag);

#endif
