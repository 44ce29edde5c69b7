/*
 * graphite_answer.h - answers in Graphite's forms.
 *
 * Numbers and escapes as everywhere (json.h); values that no JSON number can hold are null. CSV
 * is RFC 4180: name, UTC time, value. Errors stay in the buf.
 */
#ifndef QUERYD_GRAPHITE_ANSWER_H
#define QUERYD_GRAPHITE_ANSWER_H

#include "proto/buf.h"
#include "queryd/graphite_series.h"

/* `[{"target":..,"tags":{..},"datapoints":[[value,time],..]},..]`. */
void graphite_answer_json(struct buf *out, const struct graphite_list *list);

/* `name,2026-11-20 13:00:00,12.5`, a line a point. */
void graphite_answer_csv(struct buf *out, const struct graphite_list *list);

/* All functions with their parameters, as /functions. */
void graphite_answer_functions(struct buf *out);

#endif
