// SPDX-License-Identifier: Apache-2.0
#include "queryd/answer_put.h"

#include "proto/hour.h"

#include <math.h>

void answer_put_number(struct json *j, const char *name, double value)
{
	json_key(j, name);
	if (isfinite(value))
		json_number(j, value);
	else
		json_nothing(j);
}

void answer_put_flag(struct json *j, const char *name, bool value)
{
	json_key(j, name);
	json_bool(j, value);
}

void answer_put_text(struct json *j, const char *name, const char *text)
{
	json_key(j, name);
	json_text(j, text);
}

void answer_put_time(struct json *j, const char *name, int64_t hour)
{
	char text[HOUR_TEXT_SIZE];

	answer_put_text(j, name, hour_format_second(hour * HOUR_SECONDS, text));
}

void answer_put_value(struct json *j, const struct stat_result *result)
{
	answer_put_number(j, "value", result->value);
	answer_put_number(j, "count", result->count);
	answer_put_flag(j, "exact", result->exact);
}

void answer_put_verdict(struct json *j, const struct agents_verdict *verdict)
{
	answer_put_flag(j, "complete", verdict->complete);
	if (verdict->complete)
		return;
	json_key(j, "waiting");
	json_u64(j, verdict->waiting);
	json_key(j, "gone");
	json_u64(j, verdict->gone);
}
