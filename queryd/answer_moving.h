/*
 * answer_moving.h - the moving average of a key's last elements, as JSON or as a refusal.
 *
 * For answer.h; see there.
 */
#ifndef QUERYD_ANSWER_MOVING_H
#define QUERYD_ANSWER_MOVING_H

#include "proto/json.h"
#include "queryd/answer.h"

/* Writes the members of an answer behind key, kind and stat. */
void answer_moving_put(struct json *j, const struct answer_about *about,
		       const struct plan_moving *moving);

/* Says why there is none, as answer_explain does. key is what a message may quote, of so many bytes. */
void answer_moving_explain(struct route_refusal *why, const struct answer_about *about,
			   const struct plan_result *result, const char *key, int size);

#endif
