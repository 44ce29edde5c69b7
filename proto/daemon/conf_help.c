// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/conf_private.h"

#include <string.h>

#define HELP_INDENT  26
#define HELP_COLUMNS 96

/* Prints words of text into the columns from HELP_INDENT on; the cursor stands at `column`. */
static void help_prose(const char *text, int column, FILE *to)
{
	while (*text != '\0') {
		int size = (int)strcspn(text, " ");

		if (column > HELP_INDENT && column + 1 + size > HELP_COLUMNS) {
			fputc('\n', to);
			column = 0;
		}
		if (column < HELP_INDENT) {
			fprintf(to, "%*s", HELP_INDENT - column, "");
			column = HELP_INDENT;
		} else if (column > HELP_INDENT) {
			fputc(' ', to);
			column++;
		}
		fwrite(text, 1, (size_t)size, to);
		column += size;
		text += size;
		text += strspn(text, " ");
	}
	fputc('\n', to);
}

static void help_option(const char *name, const char *text, FILE *to)
{
	help_prose(text, fprintf(to, "  %s ", name), to);
}

static void help_flag(const struct conf_flag *flag, FILE *to)
{
	char name[64];

	snprintf(name, sizeof(name), "--%s%s%s", flag->name, flag->argument ? " " : "",
		 flag->argument ? flag->argument : "");
	help_option(name, flag->help, to);
}

/* Length of the row's section: 0 outside of any. */
static size_t help_section_size(const struct conf_row *row)
{
	const char *dot = strchr(row->key, '.');

	return dot ? (size_t)(dot - row->key) : 0;
}

/* Prints `[section]` when row is the first of one. */
static void help_section(const struct conf_row *row, const struct conf_row *before, FILE *to)
{
	size_t size = help_section_size(row);

	if (size == 0)
		return;
	if (before != NULL && help_section_size(before) == size &&
	    memcmp(before->key, row->key, size) == 0)
		return;
	fprintf(to, "\n[%.*s]\n", (int)size, row->key);
}

static const char *help_key(const struct conf_row *row)
{
	size_t size = help_section_size(row);

	return row->key + (size ? size + 1 : 0);
}

/* A text's length says nothing to a reader; its prose and its check do. */
static void help_accepts(const struct conf_row *row, char *out)
{
	if (row->type == CONF_TEXT)
		strcpy(out, "text");
	else if (row->type == CONF_ENTRIES)
		strcpy(out, "a line each");
	else
		conf_value_expected(row, out);
	if (row->reloadable)
		strcat(out, "; SIGHUP changes it");
}

static void help_row(const struct conf_row *row, FILE *to)
{
	char accepts[CONF_EXPECTED_SIZE + 32];
	const char *fallback = row->fallback && row->fallback[0] ? row->fallback : "(empty)";

	help_accepts(row, accepts);
	fprintf(to, "  %-*s %-14s  %s\n", HELP_INDENT - 3, help_key(row), fallback, accepts);
	help_prose(row->help, 0, to);
}

void conf_help(const struct conf_spec *spec, FILE *to)
{
	fprintf(to, "Usage: %s [-c FILE] [-o KEY=VALUE]... [OPTION]...\n%s\n\nOptions:\n",
		spec->program, spec->summary);
	help_option("-c FILE", "read the configuration from FILE", to);
	help_option("-o KEY=VALUE", "set a key (SECTION.KEY below a [SECTION]), over what the file "
		    "says; may be repeated", to);
	help_option("--check", "read the configuration, say whether it is right, and end", to);
	help_option("--dump", "print the effective configuration and end", to);
	help_option("--version", "print the version and end", to);
	help_option("--help", "print this and end", to);
	for (size_t i = 0; i < spec->flag_count; i++)
		help_flag(&spec->flags[i], to);
	fprintf(to, "\nConfiguration: key, default, and what it takes. Durations are 500ms, 10s, "
		    "5min, 1h or\n7d, sizes 64KiB, 8MiB or 1GiB. In a file, # and ; begin a "
		    "comment.\n\n");
	for (size_t i = 0; i < spec->row_count; i++) {
		help_section(&spec->rows[i], i ? &spec->rows[i - 1] : NULL, to);
		help_row(&spec->rows[i], to);
	}
}

void conf_dump(const struct conf_spec *spec, const void *values, FILE *to)
{
	char number[CONF_NUMBER_SIZE];
	char room[CONF_SHOWN_SIZE];

	for (size_t i = 0; i < spec->row_count; i++) {
		const struct conf_row *row = &spec->rows[i];
		const char *text = conf_value_format(row, values, number);

		help_section(row, i ? &spec->rows[i - 1] : NULL, to);
		if (row->type == CONF_ENTRIES) {
			fputs(text, to);
			continue;
		}
		if (text[0] != '\0')
			text = conf_value_shown(row, text, room);
		fprintf(to, "%s =%s%s\n", help_key(row), text[0] ? " " : "", text);
	}
}
