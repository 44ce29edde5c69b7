/*
 * model_private.h - what the parts of the model store share: for model_store.c, model_scripts.c,
 * model_commit.c and model_compact.c.
 */
#ifndef TESTS_LIB_MODEL_PRIVATE_H
#define TESTS_LIB_MODEL_PRIVATE_H

#include "proto/store/script.h"
#include "tests/lib/model_store.h"

#define MODEL_NUMBER_SIZE 24

/* A command, taken apart. */
struct model_call {
	enum script script;
	struct slice *words;
	size_t count;
	const struct slice *keys;
	size_t key_count;
	const struct slice *args;
	size_t arg_count;
};

typedef void (*model_script)(struct model_store *m, const struct model_call *call,
			     struct model_reply *r);

/* The value of a field, empty when there is none. */
struct slice model_find(const struct model_store *m, struct slice key, struct slice field);

/* Sets a field, as a part of the call under way; an empty value removes it. */
void model_put(struct model_store *m, struct slice key, struct slice field, struct slice value);

/* Gives a key a time to live. */
void model_expire(struct model_store *m, struct slice key);

/* Removes all of a key, as a part of the call under way. */
void model_delete(struct model_store *m, struct slice key);

/* Moves all of a key over another. */
void model_rename(struct model_store *m, struct slice from, struct slice to);

/* A call that wrote is over. */
void model_mark(struct model_store *m);

/* A state as it is compared: without the time of its writing. */
struct slice model_state(struct slice stored);

/* Writes a stream's state with the time. */
void model_put_state(struct model_store *m, struct slice streams, struct slice stream,
		     struct slice state);

/* cfg and floor of a partition, by its meta key. */
struct slice model_cfg(const struct model_store *m, struct slice meta);
int64_t model_floor(const struct model_store *m, struct slice meta);

/* Whether cfg is the store's; says CONFIG if not. */
bool model_same_fleet(const struct model_store *m, struct slice meta, struct slice cfg,
		      struct model_reply *r);

/* A decimal number. False: it is none. */
bool model_is_number(struct slice text, int64_t *out);

/* The same of what must be one. */
uint64_t model_number(struct slice text);

/* Appends a word to the reply. */
void model_say(struct model_reply *r, struct slice word);
void model_say_text(struct model_reply *r, const char *text);
void model_say_number(struct model_reply *r, int64_t value);

/* The reply is an error's text. */
void model_error(struct model_reply *r, const char *text);

/* The scripts. */
void model_init(struct model_store *m, const struct model_call *call, struct model_reply *r);
void model_open(struct model_store *m, const struct model_call *call, struct model_reply *r);
void model_commit(struct model_store *m, const struct model_call *call, struct model_reply *r);
void model_confirm(struct model_store *m, const struct model_call *call, struct model_reply *r);
void model_close(struct model_store *m, const struct model_call *call, struct model_reply *r);
void model_sweep(struct model_store *m, const struct model_call *call, struct model_reply *r);
void model_forget(struct model_store *m, const struct model_call *call, struct model_reply *r);
void model_survey(struct model_store *m, const struct model_call *call, struct model_reply *r);
void model_gather(struct model_store *m, const struct model_call *call, struct model_reply *r);
void model_stage(struct model_store *m, const struct model_call *call, struct model_reply *r);
void model_swap(struct model_store *m, const struct model_call *call, struct model_reply *r);
void model_roll(struct model_store *m, const struct model_call *call, struct model_reply *r);

#endif
