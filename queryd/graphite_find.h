/*
 * graphite_find.h - what Grafana's editor asks while somebody types.
 *
 *     /metrics/find?query=checkout.*      the next nodes      [{"text":"latency",..},..]
 *     /metrics/expand?query=checkout.*    the paths           {"results":["checkout.latency"]}
 *     /tags/autoComplete/tags?expr=..     tags                ["host","name"]
 *     /tags/autoComplete/values?tag=..    values              ["a","b"]
 *
 * Of the tree no more is looked at than the branches that an answer may name, however many keys
 * they have. A key is a branch whose leaves are its stats. Keys with tags have no place in the tree: they
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

struct graphite_ask {
	enum route route;
	const struct form *form;
	const struct scope_keys *keys;
	bool brief; /* only if it takes no more than graphite_effort(true) */
};

/* Answers one of them. 0; -EINVAL with *why; -ENOMEM; -EAGAIN: it takes more than brief allows. */
int graphite_find(const struct graphite_ask *ask, struct buf *out, struct route_refusal *why)
	__attribute__((warn_unused_result));

#endif
