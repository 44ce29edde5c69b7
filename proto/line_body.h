/*
 * line_body.h - what follows the name of a line: groups of values, each with its type and
 * rate, and the fields between and after them (LINE.md).
 *
 *     body  = group *( ":" group )
 *     group = values "|" type *( "|" field )
 *
 * A walk over borrowed bytes that yields one group a call. It judges types and fields;
 * values are the caller's. A walk is cheap enough to be done twice: once to judge the
 * line, once to report it.
 */
#ifndef PROTO_LINE_BODY_H
#define PROTO_LINE_BODY_H

#include "proto/line.h"
#include "proto/line_name.h"

struct line_group {
	struct slice values; /* as sent, `1:2` */
	enum line_type type;
	double rate; /* 1 when none was sent */
};

struct line_body {
	/* private */
	struct slice rest;
	bool more_groups;
	bool more_fields;
};

/* What fields say of the line as a whole. */
struct line_fields {
	struct line_tags tags;
	int64_t timestamp; /* LINE_NO_TIMESTAMP until one is found */
};

/* A walk over the bytes after the name's colon. */
struct line_body line_body_of(struct slice text);

/* Takes the next group, with its fields; what they say of the line goes to *fields (of a
 * repeated timestamp the last holds), unless NULL. 1; 0 at the end; ERR_NO_TYPE,
 * ERR_BAD_TYPE, ERR_BAD_RATE, ERR_BAD_TIMESTAMP, ERR_BAD_FIELD, ERR_TOO_MANY_TAGS. */
int line_body_next(struct line_body *b, struct line_group *group, struct line_fields *fields)
	__attribute__((warn_unused_result));

/* The type that text names exactly. False when it names none. */
bool line_body_type(struct slice text, enum line_type *type);

#endif
