/*
 * graphite_request.h - what /render is asked for, beside its targets.
 *
 * Points stand at t for from < t <= until, as Graphite has it (its `from` is exclusive, and
 * Grafana asks a second more). Hours are the finest there is; where they would be more points than
 * maxDataPoints, wider spans are asked for, whose samples are merged: a p99 of six hours is that,
 * not an average of six. A range that holds no point gives the span that `until` lies in. Pure.
 */
#ifndef QUERYD_GRAPHITE_REQUEST_H
#define QUERYD_GRAPHITE_REQUEST_H

#include "queryd/form.h"
#include "queryd/graphite_func.h"
#include "queryd/route.h"

#include <stdbool.h>
#include <stdint.h>

#define GRAPHITE_TARGETS 64

struct graphite_request {
	struct graphite_grid grid;
	bool csv; /* else JSON */
};

/* Reads from, until, maxDataPoints and format. 0, or -EINVAL with *why. */
int graphite_request_read(const struct form *form, int64_t now_second,
			  struct graphite_request *out, struct route_refusal *why)
	__attribute__((warn_unused_result));

#endif
