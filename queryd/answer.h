/*
 * answer.h - answers as JSON (API.md).
 *
 * Fields stand in the order of API.md's examples. Numbers are the shortest that read back the
 * same; a value that no JSON number can hold (a sum that overflowed) is null. All text that
 * came from outside is escaped. Pure: writes into a buf, errors stay in it (buf_status).
 */
#ifndef QUERYD_ANSWER_H
#define QUERYD_ANSWER_H

#include "proto/buf.h"
#include "proto/slice.h"
#include "queryd/agents.h"
#include "queryd/names.h"
#include "queryd/plan.h"
#include "queryd/route.h"

/* What the answer is about, beside the values. */
struct answer_about {
	struct slice key;
	enum route route;
	struct stat_asked stat;
	enum kind kind; /* as asked for; 0: any */
	enum route_step step;
	uint32_t limit; /* of MOVING: how many elements */
	int64_t from_hour, to_hour;
	struct agents_verdict verdict; /* of the whole span */
};

/* Writes a result whose outcome is PLAN_VALUE. */
void answer_result(struct buf *out, const struct answer_about *about,
		   const struct plan_result *result);

/* Says why there is no value: any other outcome. */
void answer_explain(struct route_refusal *why, const struct answer_about *about,
		    const struct plan_result *result);

/* Writes an error. */
void answer_refusal(struct buf *out, const struct route_refusal *why);

/* Writes a page of keys. */
void answer_keys(struct buf *out, const struct names_page *page);

#endif
