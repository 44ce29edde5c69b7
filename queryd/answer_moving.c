// SPDX-License-Identifier: Apache-2.0
#include "queryd/answer_moving.h"

#include "proto/hour.h"
#include "queryd/answer_put.h"

#include <inttypes.h>

void answer_moving_put(struct json *j, const struct answer_about *about,
		       const struct plan_moving *moving)
{
	char text[HOUR_TEXT_SIZE];

	json_key(j, "n");
	json_u64(j, about->limit);
	json_key(j, "elements");
	json_u64(j, moving->elements);
	json_key(j, "window");
	json_u64(j, moving->window);
	answer_put_text(j, "from", hour_format_second(moving->first_second, text));
	answer_put_text(j, "to", hour_format_second(moving->last_second, text));
	answer_put_number(j, "value", moving->value);
	answer_put_flag(j, "exact", moving->exact);
	answer_put_flag(j, "sampled", moving->sampled);
	answer_put_verdict(j, &about->verdict);
}

void answer_moving_explain(struct route_refusal *why, const struct answer_about *about,
			   const struct plan_result *result, const char *key, int size)
{
	switch (result->outcome) {
	case PLAN_NO_WINDOW:
		(void)route_refuse(why, 404, "no_data",
				   "the last elements of %.*s are not kept; name the key in relay.conf: "
				   "[windows] and a line `KEY = %" PRIu32 "`, a glob as KEY, at all relays "
				   "(hourglass_relay_windows_over_limit_total counts what max_windows "
				   "turned away)",
				   size, key, about->limit);
		why->reason = "no_window";
		return;
	case PLAN_SMALL_WINDOW:
		(void)route_refuse(why, 400, "bad_limit",
				   "of %.*s the last %" PRIu32 " elements are kept; ask for at most so "
				   "many, or raise the number in [windows] of relay.conf",
				   size, key, result->moving->window);
		return;
	default:
		(void)route_refuse(why, 404, "no_data",
				   "%.*s is known, but has nothing in the hours that are kept", size,
				   key);
		why->reason = result->reason;
	}
}
