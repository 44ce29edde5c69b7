/*
 * conf_reader.h - one reading of a configuration, shared by conf.c and conf_file.c.
 *
 * The reader knows where a value comes from, so that an error can say it, and counts
 * errors instead of stopping at the first: `--check` names all of them. No other file
 * includes this header.
 */
#ifndef PROTO_DAEMON_CONF_READER_H
#define PROTO_DAEMON_CONF_READER_H

#include "proto/daemon/conf_private.h"

struct conf_reader {
	const struct conf_spec *spec;
	void *values;
	unsigned *set_at;   /* a row's line in the file; 0: not set there */
	bool *is_set;       /* by the file or -o */
	const char *source; /* the file, "-o", or NULL */
	FILE *file;
	unsigned line; /* 0: no line */
	unsigned errors;
	bool stopped; /* the file is not read on */
	bool to_log;  /* a reload: errors go to the log */
};

/* Reports an error with its place. */
void conf_report(struct conf_reader *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Sets a key, or reports why not. */
void conf_set(struct conf_reader *r, const char *key, const char *value);

/* Reads an INI file. */
void conf_read_file(struct conf_reader *r, const char *path);

#endif
