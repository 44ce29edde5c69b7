/*
 * conf.h - one configuration table a daemon.
 *
 * Each key is a row: name, type with unit, range, default, whether a reload may change it,
 * one line of prose. The INI reader (inih), `-o key=value`, `--check`, `--dump`, `--help` and
 * the manual all read that row, so they cannot disagree. Values land in a struct of the
 * daemon's at the row's offset. An error names file and line (or `-o`), key, value and the
 * allowed range; an unknown key is an error.
 */
#ifndef PROTO_DAEMON_CONF_H
#define PROTO_DAEMON_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_type {
	CONF_TEXT,     /* char *: owned by the struct, never NULL */
	CONF_INT,      /* int64_t */
	CONF_BYTES,    /* int64_t; 64KiB, 8MiB, 1GiB accepted, and plain bytes */
	CONF_MS,       /* int64_t milliseconds; 500, 500ms, 10s, 5min, 1h, 7d accepted */
	CONF_BOOL,     /* bool; yes no true false on off 1 0 */
	CONF_CHOICE,   /* int64_t: index into choices */
	/* A whole section whose keys are the operator's: char *, a line `key = value` an entry, in
	 * order, never NULL. The row's key is `section.WORD`, WORD for --help; it comes last in the
	 * table. A key may hold `=`: the last one of the line parts it from the value. check is
	 * asked of each line. */
	CONF_ENTRIES,
};

struct conf_row {
	const char *key; /* as in the file; `section.key` below a [section] */
	enum conf_type type;
	size_t offset;            /* of the member in the daemon's struct */
	const char *fallback;     /* the default, as text; part of what --help prints */
	int64_t min, max;         /* inclusive; TEXT: of its length in bytes; ENTRIES: max lines */
	const char *const *choices; /* CHOICE: NULL-terminated */
	bool reloadable;
	bool secret;              /* --dump and errors say ***, unless secret.h finds a reference */
	bool password; /* a URL: --dump and errors say *** for its user and password */
	/* More than type and range can say; NULL: nothing. Returns NULL when fine, else what
	 * is expected ("host:port, comma-separated"). */
	const char *(*check)(const char *text);
	const char *help;
};

/* An option of one daemon beside the common ones: `--explain`. */
struct conf_flag {
	const char *name; /* without the dashes */
	const char *argument; /* NULL: takes none; else its name for --help */
	size_t offset;    /* bool, or char * when it takes an argument */
	const char *help;
};

struct conf_spec {
	const char *program;  /* hourglass-agent */
	const char *summary;  /* one line for --help */
	const struct conf_row *rows;
	size_t row_count;
	const struct conf_flag *flags;
	size_t flag_count;
	size_t struct_size;
	/* What no single row can say, asked when all rows are right; may be NULL. Returns NULL when
	 * fine, else a sentence with the keys and what to do. */
	const char *(*check)(const void *values);
};

enum conf_verdict {
	CONF_RUN,    /* go on and start */
	CONF_DONE,   /* --help, --version, --check, --dump were answered: exit 0 */
	CONF_REFUSED, /* an error was printed to standard error: exit 2 */
};

/* Fills *out (zeroed by this, struct_size bytes) from defaults, then `-c FILE`, then
 * `-o key=value`s in order. Answers the common options on standard output. */
enum conf_verdict conf_parse(const struct conf_spec *spec, int argc, char **argv, void *out);

/* Reads everything again as conf_parse did with the same arguments, for SIGHUP: *out gets
 * the new values of reloadable rows; a changed row that is not reloadable is named in a
 * warning and kept. 0; -EINVAL: an error was logged and *out is unchanged. */
int conf_reload(const struct conf_spec *spec, int argc, char **argv, void *out)
	__attribute__((warn_unused_result));

/* Frees the texts in *out. */
void conf_release(const struct conf_spec *spec, void *out);

/* Prints the effective configuration as a file that reads back the same. Where a secret stands in
 * the configuration itself it prints ***, which is too short for one: such a file is refused until
 * somebody puts the secret back; so it is with a URL's password. */
void conf_dump(const struct conf_spec *spec, const void *values, FILE *to);

/* The program's version, from git at build time. */
const char *conf_version(void);

#endif
