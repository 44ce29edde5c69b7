/*
 * json.h - writes JSON (RFC 8259) into a buf.
 *
 * For answers and --explain. Numbers come out in the shortest form that reads back the
 * same double, integers without `.0`: jansson prints 17 digits, which is why this is
 * ours (and why nothing here is named json_null: that name is jansson's). Text is escaped
 * (also `<`, `>`, `&`, so an answer can be put in a page) and invalid UTF-8 becomes U+FFFD.
 * Commas are the writer's business. Failures stay in the buf (buf_status).
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include "proto/buf.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct json {
	struct buf *out;
	bool comma; /* private: whether the next element needs one */
};

/* A writer that appends to out. */
struct json json_begin(struct buf *out);

void json_object_open(struct json *j);                    /* { */
void json_object_close(struct json *j);                   /* } */
void json_array_open(struct json *j);                     /* [ */
void json_array_close(struct json *j);                    /* ] */
void json_key(struct json *j, const char *key);           /* "key": */
void json_key_slice(struct json *j, struct slice key);    /* the same */
void json_text(struct json *j, const char *text);         /* a string */
void json_text_slice(struct json *j, struct slice text);  /* a string */
void json_number(struct json *j, double value);           /* must be finite */
void json_u64(struct json *j, uint64_t value);            /* a whole number */
void json_i64(struct json *j, int64_t value);             /* a whole number */
void json_bool(struct json *j, bool value);               /* true or false */
void json_nothing(struct json *j);                        /* null */

#define JSON_NUMBER_SIZE 32

/* The shortest decimal that reads back as value (finite), with terminator. Returns out. */
const char *json_format_number(double value, char out[JSON_NUMBER_SIZE]);

#endif
