/*
 * kind.h - the four kinds of series, and one more kind of cell.
 *
 * One name may exist in several kinds side by side (`x:1|c` and `x:1|ms`), so
 * every place that names a series names its kind too: a table key, a group of a
 * batch and a Redis field all are *kind byte + series*. The byte values below
 * are on the wire and in Redis; they never change.
 */
#ifndef PROTO_KIND_H
#define PROTO_KIND_H

#include <stdbool.h>

enum kind {
	KIND_COUNTER = 'c',
	KIND_DISTRIBUTION = 'd',
	KIND_GAUGE = 'g',
	KIND_SET = 's',
	KIND_WINDOW = 'w',
};

/* Whether a byte from outside names a kind of series. */
static inline bool kind_known(int byte)
{
	return byte == KIND_COUNTER || byte == KIND_DISTRIBUTION || byte == KIND_GAUGE ||
	       byte == KIND_SET;
}

/* Whether a byte from outside names a kind of cell. */
static inline bool kind_of_cell(int byte)
{
	return kind_known(byte) || byte == KIND_WINDOW;
}

/* The kind's name as the API spells it; the kind must be known. */
static inline const char *kind_name(enum kind kind)
{
	switch (kind) {
	case KIND_COUNTER:
		return "counter";
	case KIND_DISTRIBUTION:
		return "distribution";
	case KIND_GAUGE:
		return "gauge";
	case KIND_SET:
		return "set";
	case KIND_WINDOW:
		return "window";
	}
	return "unknown";
}

#endif
