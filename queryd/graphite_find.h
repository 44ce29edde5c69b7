/*
 * graphite_find.h - what Grafana's editor asks while somebody types.
 *
 *     /metrics/find?query=checkout.*      the next nodes      [{"text":"latency",..},..]
 *     /metrics/expand?query=checkout.*    the paths           {"results":["checkout.latency"]}
 *     /tags/autoComplete/tags?expr=..     tags                ["host","name"]
 *     /tags/autoComplete/values?tag=..    values              ["a","b"]
 *
 * A key is a branch whose leaves are its stats. Keys with tags have no place in the tree: they
 * are found by their tags. Answers are in order, and bounded. Pure.
 */
#ifndef QUERYD_GRAPHITE_FIND_H
#define QUERYD_GRAPHITE_FIND_H

#include "proto/buf.h"
#include "queryd/form.h"
#include "queryd/route.h"
#include "queryd/scope.h"

#define GRAPHITE_FOUND     10000 /* nodes or paths of an answer */
#define GRAPHITE_COMPLETED 100   /* tags or values, if `limit` does not say otherwise */

/* Answers one of them, by its route. 0; -EINVAL with *why; -ENOMEM. */
int graphite_find(enum route route, const struct form *form, const struct scope_keys *keys,
		  struct buf *out, struct route_refusal *why)
	__attribute__((warn_unused_result));

#endif
