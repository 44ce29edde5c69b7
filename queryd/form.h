/*
 * form.h - the parameters of a request, from its query and its form together.
 *
 * Names and values are decoded once, into storage of its own; a name may come several times, and
 * `name[]` is `name` (as PHP's and axios' lists are spelt). Bounded in number and bytes.
 */
#ifndef QUERYD_FORM_H
#define QUERYD_FORM_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORM_FIELDS 256

struct form_field {
	struct slice name, value;
};

struct form {
	/* private */
	struct form_field fields[FORM_FIELDS];
	size_t count;
	uint8_t *bytes;
};

/* Reads both, the query first. 0; ERR_MALFORMED (a bad escape), ERR_TOO_LARGE (too many fields),
 * -ENOMEM. */
int form_read(struct form *f, struct slice query, struct slice body)
	__attribute__((warn_unused_result));

/* Frees it. */
void form_release(struct form *f);

/* The value of the index-th field of that name. False when there are not so many. */
bool form_value(const struct form *f, const char *name, size_t index, struct slice *value);

/* The first value of that name; empty when there is none. */
struct slice form_first(const struct form *f, const char *name);

#endif
