/*
 * model_private.h - what the parts of the model store share: for model_store.c and
 * model_compact.c.
 */
#ifndef TESTS_LIB_MODEL_PRIVATE_H
#define TESTS_LIB_MODEL_PRIVATE_H

#include "tests/lib/model_store.h"

/* A command, taken apart. */
struct model_call {
	struct slice *words;
	size_t count;
	size_t keys; /* index of the first key */
	size_t key_count;
	size_t args; /* index of the first argument */
};

/* The value of a field, empty when there is none. */
struct slice model_find(const struct model_store *m, struct slice key, struct slice field);

/* Sets a field, as a part of the call under way; an empty value removes it. */
void model_put(struct model_store *m, struct slice key, struct slice field, struct slice value);

/* Removes all fields of a hash, as a part of the call under way. */
void model_delete(struct model_store *m, struct slice key);

/* A call that wrote is over. */
void model_mark(struct model_store *m);

/* A decimal number; anything else fails the test. */
uint64_t model_number(struct slice text);

/* Appends a word to the reply. */
void model_say(struct model_reply *r, struct slice word);
void model_say_text(struct model_reply *r, const char *text);

/* Runs the scripts of compaction and sweep; false: it is none of them. */
bool model_compact(struct model_store *m, const struct model_call *call, struct model_reply *r);

#endif
