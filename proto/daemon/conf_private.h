/*
 * conf_private.h - what conf.c, conf_value.c and conf_help.c share.
 *
 * conf.c reads arguments and the file and reports errors; conf_value.c turns one row's text
 * into its value and back; conf_help.c prints the table. No other file includes this
 * header.
 */
#ifndef PROTO_DAEMON_CONF_PRIVATE_H
#define PROTO_DAEMON_CONF_PRIVATE_H

#include "proto/daemon/conf.h"

#define CONF_EXPECTED_SIZE 512
#define CONF_NUMBER_SIZE   32

/* A text value without a limit of its own may be this long, a line of a file too. */
#define CONF_TEXT_BYTES 4096
#define CONF_SHOWN_SIZE (CONF_TEXT_BYTES + 8)

/* A key with its section: rows' are short, those of entries are the operator's. */
#define CONF_KEY_BYTES 1280

/* Reads text as row's type into the row's member of values (a TEXT there is freed first).
 * 0; -EINVAL with what was expected in `expected`; -ENOMEM. row->check is not asked. */
int conf_value_parse(const struct conf_row *row, const char *text, void *values,
		     char expected[CONF_EXPECTED_SIZE]) __attribute__((warn_unused_result));

/* Whether the row's member is a char *. */
bool conf_value_is_text(const struct conf_row *row);

/* `key = value` of an entry, whose key may go on in value up to its last `=`. The caller's; NULL
 * without memory. */
char *conf_entry_line(const char *key, const char *value);

/* Adds a line to a row of entries. 0; -EINVAL (there are as many as may be); -ENOMEM. */
int conf_value_append(const struct conf_row *row, const char *line, void *values)
	__attribute__((warn_unused_result));

/* Whether both structs hold the same value of row. */
bool conf_value_equal(const struct conf_row *row, const void *a, const void *b);

/* The row's value as a person would write it: 10s, 8MiB, yes. Borrowed from values, or in
 * number. */
const char *conf_value_format(const struct conf_row *row, const void *values,
			      char number[CONF_NUMBER_SIZE]);

/* What of a value may be shown: the text, or *** for a secret or in the place of a URL's.
 * Borrowed from text or room, or static. */
const char *conf_value_shown(const struct conf_row *row, const char *text,
			     char room[CONF_SHOWN_SIZE]);

/* What a row takes: "a duration from 10ms to 60s". Returns out. */
const char *conf_value_expected(const struct conf_row *row, char out[CONF_EXPECTED_SIZE]);

/* Prints usage, options and the table. */
void conf_help(const struct conf_spec *spec, FILE *to);

#endif
