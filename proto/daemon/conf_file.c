// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/conf_reader.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

/* inih holds a line in a buffer of 200 bytes unless told otherwise, which only Debian's
 * build can be at run time: the symbol is weak, and where it is missing a longer line is
 * refused, not cut. */
#define FILE_LINE_BYTES (CONF_TEXT_BYTES + 128)
extern int ini_max_line __attribute__((weak));

/* A file that is read twice at once does not exist here, but inih's limit is a global: it is
 * only ever set to this one value. */
static void file_raise_limit(void)
{
	if (&ini_max_line != NULL && ini_max_line < FILE_LINE_BYTES)
		ini_max_line = FILE_LINE_BYTES;
}

/* `#` or `;` begins a comment at the start of a line or after a blank. inih knows this rule
 * for `;` only, so it is applied here to both. */
static void file_cut_comment(char *line)
{
	for (char *at = line; *at != '\0'; at++) {
		if (*at != '#' && *at != ';')
			continue;
		if (at > line && at[-1] != ' ' && at[-1] != '\t')
			continue;
		*at = '\0';
		return;
	}
}

static char *file_refuse(struct conf_reader *r, const char *why)
{
	conf_report(r, "%s", why);
	r->stopped = true;
	return NULL;
}

/* inih's reader: one whole line a call, so that its count of lines is ours, without leading
 * blanks, because inih takes an indented line for more of the value before it. */
static char *file_read_line(char *out, int room, void *arg)
{
	struct conf_reader *r = arg;
	int size = 0;
	int c = r->stopped ? EOF : getc(r->file);

	if (c == EOF)
		return NULL;
	r->line++;
	for (; c != EOF && c != '\n'; c = getc(r->file)) {
		if (c == '\0')
			return file_refuse(r, "the line holds a zero byte");
		if (size == 0 && (c == ' ' || c == '\t'))
			continue;
		if (size >= room - 3)
			return file_refuse(r, "the line is too long");
		out[size++] = (char)c;
	}
	out[size] = '\0';
	file_cut_comment(out);
	return out;
}

static int file_on_value(void *arg, const char *section, const char *name, const char *value)
{
	struct conf_reader *r = arg;
	char key[CONF_KEY_BYTES];

	snprintf(key, sizeof(key), "%s%s%s", section, section[0] ? "." : "", name);
	conf_set(r, key, value ? value : "");
	return 1;
}

void conf_read_file(struct conf_reader *r, const char *path)
{
	int bad_line;

	r->source = path;
	r->file = fopen(path, "re");
	if (r->file == NULL) {
		conf_report(r, "cannot be read: %s", strerror(errno));
		r->source = NULL;
		return;
	}
	file_raise_limit();
	bad_line = ini_parse_stream(file_read_line, r, file_on_value, r);
	if (ferror(r->file)) {
		r->line = 0;
		conf_report(r, "cannot be read: %s", strerror(errno));
	} else if (bad_line != 0) {
		/* What inih cannot take apart; our handler never refuses. -2: no memory. */
		r->line = bad_line > 0 ? (unsigned)bad_line : 0;
		conf_report(r, bad_line > 0 ? "expected `key = value` or `[section]`" :
					      "no memory");
	}
	fclose(r->file);
	r->file = NULL;
	r->source = NULL;
	r->line = 0;
}
