/*
 * graphite_complete.h - tags and their values while somebody types: for graphite_find.h.
 *
 * Looks through the keys that match the expressions given so far. `name` is a tag too, whose values
 * are names with a stat as their last node. Pure.
 */
#ifndef QUERYD_GRAPHITE_COMPLETE_H
#define QUERYD_GRAPHITE_COMPLETE_H

#include "proto/buf.h"
#include "queryd/graphite_find.h"

/* Writes the tags, or the values of `tag=`, that come first, as a JSON array. 0; -EINVAL with
 * *wrong (static); ERR_TOO_LARGE; -ENOMEM. */
int graphite_complete(const struct graphite_ask *ask, struct buf *out, const char **wrong)
	__attribute__((warn_unused_result));

#endif
