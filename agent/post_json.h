/*
 * post_json.h - a JSON body of POST /v1/samples becomes lines.
 *
 *     [{"key":"checkout.latency","value":12.5},{"key":"hits;host=a","value":1,"type":"c"}]
 *
 * `key` is what may stand before the colon of a line (LINE.md), `value` a number, `type` that of
 * a line but `s`, and `d`, a distribution, when it is left out. Another member (`tags`, `rate`) is
 * refused: what was meant by it would be missing. The elements are read one by one (jansson), so
 * memory is that of the lines and of one element. Whoever writes JSON has a program to correct: one
 * wrong element refuses the body. Pure.
 */
#ifndef AGENT_POST_JSON_H
#define AGENT_POST_JSON_H

#include "proto/buf.h"
#include "proto/slice.h"

#include <stddef.h>

/* Appends a line for each element. 0; ERR_MALFORMED, with *index the element's and *why a
 * sentence (static); -ENOMEM, -ENOBUFS of out. */
int post_json_lines(struct slice body, struct buf *out, size_t *index, const char **why)
	__attribute__((warn_unused_result));

#endif
