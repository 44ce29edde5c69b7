/*
 * answer_put.h - the members that several answers have.
 *
 * Each writes a name and its value into an object that is open.
 */
#ifndef QUERYD_ANSWER_PUT_H
#define QUERYD_ANSWER_PUT_H

#include "proto/json.h"
#include "queryd/agents.h"
#include "queryd/stat.h"

#include <stdbool.h>
#include <stdint.h>

/* A number; null when JSON has none for it. */
void answer_put_number(struct json *j, const char *name, double value);

void answer_put_flag(struct json *j, const char *name, bool value);       /* true or false */
void answer_put_text(struct json *j, const char *name, const char *text); /* a string */
void answer_put_time(struct json *j, const char *name, int64_t hour);     /* an hour's beginning */

/* `value`, `count`, `exact`: what every value comes with. */
void answer_put_value(struct json *j, const struct stat_result *result);

/* `complete`, and who is waited for when it is not. */
void answer_put_verdict(struct json *j, const struct agents_verdict *verdict);

#endif
