/*
 * line.h - the line protocol: statsd, DogStatsD and the plain message (LINE.md).
 *
 * line_parse() judges one line as a whole and only then reports its samples, so a
 * line counts entirely or not at all. It never allocates, ignores the locale, and
 * never reads past the bytes given. The usual line without tags is reported with a
 * series that borrows from the line itself; everything else borrows from the parser.
 *
 * line_split() cuts a datagram into lines; line_take_plain() takes the plainest ones off it with
 * neither a call nor a second look. Cost: about 8 ns for `name:123|ms` so and 20 by line_parse, 100
 * to 300 with a rate, tags or packed values. A parser serves one thread.
 */
#ifndef PROTO_LINE_H
#define PROTO_LINE_H

#include "proto/kind.h"
#include "proto/series.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The type as it was sent. */
enum line_type {
	LINE_COUNTER,      /* c */
	LINE_GAUGE,        /* g */
	LINE_TIMER,        /* ms */
	LINE_HISTOGRAM,    /* h */
	LINE_DISTRIBUTION, /* d */
	LINE_SET,          /* s */
	LINE_METER,        /* m, a counter */
	LINE_PLAIN,        /* (name,value): a distribution sample */
};

#define LINE_NO_TIMESTAMP INT64_MIN

struct line_sample {
	enum kind kind;
	enum line_type type;
	struct slice series; /* canonical; borrowed for the call */
	double value;        /* 0 for a set */
	struct slice member; /* of a set: borrowed for the call */
	double rate;         /* 0 < rate <= 1; 1 when none was given, and for gauges and sets
			      * what was sent, for --explain only */
	int64_t timestamp;   /* unix seconds, or LINE_NO_TIMESTAMP */
	bool gauge_delta;    /* `+3|g`, `-3|g` */
};

/* Called once a sample, in the order sent. */
typedef void (*line_sample_fn)(void *arg, const struct line_sample *sample);

/* What an operator may set; borrowed, must outlive the parser. */
struct line_options {
	bool gauge_signed_sets;           /* a signed gauge is absolute (DogStatsD) */
	bool sanitize_statsd;             /* rewrite names as statsd does: spaces to _, / to -, all
					   * but [a-zA-Z0-9_.;=-] removed */
	const struct series_tag *add_tags; /* put on every series, unless the line has the key */
	size_t add_tag_count;
	/* Less than the format allows; 0: as the format. Of a line, tags that are added included;
	 * of a name, a series and a set's member. */
	size_t max_tags;
	size_t max_series_bytes;
};

/* The plainest line, `name:123|ms`, taken apart. Borrows from the text. */
struct line_plain {
	struct slice line;   /* without its newline */
	struct slice series; /* its name, which is canonical */
	double value;        /* absolute; not sampled, of no timestamp */
	enum line_type type; /* not a set's */
	enum kind kind;
};

struct line_parser {
	struct line_options options;
	/* private */
	struct series_tag tags[LIMIT_TAGS];
	uint8_t series[LIMIT_SERIES_BYTES];
	uint8_t name[LIMIT_NAME_BYTES];
	bool plain[256]; /* whether a byte of a name needs no thought */
	bool usual;      /* those are what line_scan.h finds */
};

/* Readies a parser. options may be NULL for the defaults. */
void line_parser_init(struct line_parser *p, const struct line_options *options);

/* Parses one line (without its newline; one trailing \r is allowed) and reports its
 * samples. A blank line is 0 samples. Returns the number of samples, or the reason
 * for refusing the line (err.h, -1001..-1018); then nothing was reported. ERR_EVENT and
 * ERR_SERVICE_CHECK mean recognised but unsupported, not malformed. */
int line_parse(struct line_parser *p, struct slice line, line_sample_fn report, void *arg);

/* Takes the next line off *text if it is one of those, newline and all; for line_parse it is one
 * sample. False, and nothing taken, where it is any other. */
bool line_take_plain(const struct line_parser *p, struct slice *text, struct line_plain *out);

/* Takes the next line off *datagram (up to a newline or the end), without the newline.
 * False when nothing is left. A trailing newline does not make another, empty line. */
bool line_split(struct slice *datagram, struct slice *line);

/* The type as sent: "ms". Static; "plain" for the plain message. */
const char *line_type_text(enum line_type type);

#endif
