// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/conf.h"

#include "proto/daemon/conf_reader.h"
#include "proto/daemon/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CONF_WORD_BYTES 64

/* What the arguments ask for beside flags of the daemon's own. */
struct conf_arguments {
	const char *file;
	const char **pairs; /* of -o, in order */
	size_t pair_count;
	bool check;
	bool dump;
	bool version;
	bool help;
};

const char *conf_version(void)
{
	return HOURGLASS_VERSION;
}

void conf_report(struct conf_reader *r, const char *format, ...)
{
	char text[CONF_TEXT_BYTES], quoted[LOG_QUOTE_SIZE];
	size_t at = 0;
	va_list args;

	r->errors++;
	if (r->source != NULL && r->line > 0)
		at = (size_t)snprintf(text, sizeof(text), "%.1000s:%u: ", r->source, r->line);
	else if (r->source != NULL)
		at = (size_t)snprintf(text, sizeof(text), "%.1000s: ", r->source);
	va_start(args, format);
	vsnprintf(text + at, sizeof(text) - at, format, args);
	va_end(args);
	if (r->to_log)
		log_error("configuration_refused", "error=%s effect=\"all stays as it was\"",
			  log_quote(slice_text(text), quoted));
	else
		fprintf(stderr, "%s: %s\n", r->spec->program, text);
}

/* ---- the nearest word ---- */

static size_t conf_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance; words longer than the rows hold are infinitely far. */
static size_t conf_distance(const char *a, const char *b)
{
	size_t row[CONF_WORD_BYTES + 1];
	size_t size = strlen(b);

	if (strlen(a) > CONF_WORD_BYTES || size > CONF_WORD_BYTES)
		return SIZE_MAX;
	for (size_t j = 0; j <= size; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < size; j++) {
			size_t change = corner + (a[i] != b[j]);

			corner = row[j + 1];
			row[j + 1] = conf_least(change, conf_least(row[j], corner) + 1);
		}
	}
	return row[size];
}

/* Keeps the nearer of *best and word; more than a third of wrong letters is no typing error. */
static void conf_consider(const char *wrong, const char *word, const char **best, size_t *least)
{
	size_t distance = conf_distance(wrong, word);
	size_t limit = strlen(word) / 3 + 1;

	if (distance > limit || distance >= *least)
		return;
	*least = distance;
	*best = word;
}

static void conf_report_unknown(struct conf_reader *r, const char *what, const char *wrong,
				const char *nearest)
{
	char quoted[LOG_QUOTE_SIZE];

	log_quote(slice_text(wrong), quoted);
	if (nearest != NULL)
		conf_report(r, "unknown %s %s, did you mean %s?", what, quoted, nearest);
	else
		conf_report(r, "unknown %s %s", what, quoted);
}

static void conf_report_unknown_key(struct conf_reader *r, const char *key)
{
	const char *nearest = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < r->spec->row_count; i++)
		conf_consider(key, r->spec->rows[i].key, &nearest, &least);
	conf_report_unknown(r, "key", key, nearest);
}

static void conf_report_unknown_option(struct conf_reader *r, const char *option)
{
	static const char *const common[] = { "check", "dump", "version", "help" };
	char dashed[CONF_WORD_BYTES];
	const char *nearest = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]) && option[0] == '-'; i++)
		conf_consider(option + strspn(option, "-"), common[i], &nearest, &least);
	for (size_t i = 0; i < r->spec->flag_count && option[0] == '-'; i++)
		conf_consider(option + strspn(option, "-"), r->spec->flags[i].name, &nearest,
			      &least);
	if (nearest != NULL)
		snprintf(dashed, sizeof(dashed), "--%s", nearest);
	conf_report_unknown(r, "option", option, nearest ? dashed : "--help");
}

/* ---- values ---- */

static void conf_report_value(struct conf_reader *r, const struct conf_row *row,
			      const char *value, const char *expected)
{
	char room[CONF_SHOWN_SIZE];
	const char *shown = conf_value_shown(row, value, room);
	char quoted[LOG_QUOTE_SIZE];

	conf_report(r, "%s = %s: expected %s", row->key, log_quote(slice_text(shown), quoted),
		    expected);
}

/* What --dump prints must read back the same, so -o takes no text that a file cannot hold. */
static bool conf_is_comment(const char *value)
{
	for (const char *at = value; *at != '\0'; at++)
		if ((*at == '#' || *at == ';') && (at == value || at[-1] == ' ' || at[-1] == '\t'))
			return true;
	return false;
}

/* Adds a line to a row of entries. */
static void conf_add_entry(struct conf_reader *r, const struct conf_row *row, const char *key,
			   const char *value)
{
	char expected[CONF_EXPECTED_SIZE];
	const char *wanted = NULL;
	char *line = conf_entry_line(key, value);
	int status = line ? 0 : -ENOMEM;

	if (status == 0)
		wanted = conf_is_comment(line) ? "no # or ; after a blank: it begins a comment" :
						 row->check(line);
	if (status == 0 && wanted == NULL)
		status = conf_value_append(row, line, r->values);
	if (status == -EINVAL)
		wanted = conf_value_expected(row, expected);
	if (wanted != NULL)
		conf_report_value(r, row, line, wanted);
	else if (status < 0)
		conf_report(r, "no memory");
	free(line);
}

static void conf_set_row(struct conf_reader *r, const struct conf_row *row, const char *value)
{
	char expected[CONF_EXPECTED_SIZE];
	const char *wanted = NULL;
	int status;

	if (conf_is_comment(value)) {
		conf_report_value(r, row, value, "no # or ; after a blank: it begins a comment");
		return;
	}
	status = conf_value_parse(row, value, r->values, expected);
	if (status == 0 && row->check != NULL)
		wanted = row->check(value);
	if (status == -EINVAL)
		wanted = expected;
	if (wanted != NULL)
		conf_report_value(r, row, value, wanted);
	else if (status < 0)
		conf_report(r, "no memory");
}

/* Whether a key names the row: of entries any key of the section does. */
static bool conf_is_for(const struct conf_row *row, const char *key)
{
	const char *dot = strchr(row->key, '.');

	if (row->type != CONF_ENTRIES)
		return strcmp(row->key, key) == 0;
	return strncmp(row->key, key, (size_t)(dot - row->key) + 1) == 0;
}

void conf_set(struct conf_reader *r, const char *key, const char *value)
{
	size_t i = 0;

	while (i < r->spec->row_count && !conf_is_for(&r->spec->rows[i], key))
		i++;
	if (i == r->spec->row_count) {
		conf_report_unknown_key(r, key);
		return;
	}
	if (r->spec->rows[i].type == CONF_ENTRIES) {
		conf_add_entry(r, &r->spec->rows[i], strchr(key, '.') + 1, value);
		return;
	}
	if (r->line > 0 && r->set_at[i] > 0) {
		conf_report(r, "%s is set in line %u already", key, r->set_at[i]);
		return;
	}
	r->is_set[i] = true;
	if (r->line > 0)
		r->set_at[i] = r->line;
	conf_set_row(r, &r->spec->rows[i], value);
}

static const char *conf_fallback(const struct conf_row *row)
{
	return row->fallback ? row->fallback : "";
}

static void conf_set_defaults(struct conf_reader *r)
{
	char expected[CONF_EXPECTED_SIZE];

	for (size_t i = 0; i < r->spec->row_count; i++) {
		const struct conf_row *row = &r->spec->rows[i];
		int status = conf_value_parse(row, conf_fallback(row), r->values, expected);

		assert(status != -EINVAL); /* the table contradicts itself */
		if (status < 0)
			conf_report(r, "no memory");
	}
}

/* A default that its own check refuses makes a key that must be set. */
static void conf_check_defaults(struct conf_reader *r)
{
	for (size_t i = 0; i < r->spec->row_count; i++) {
		const struct conf_row *row = &r->spec->rows[i];
		const char *wanted = NULL;

		if (!r->is_set[i] && row->check != NULL && row->type != CONF_ENTRIES)
			wanted = row->check(conf_fallback(row));
		if (wanted != NULL)
			conf_report(r, "%s must be set: expected %s", row->key, wanted);
	}
}

static void conf_check_whole(struct conf_reader *r)
{
	const char *wrong = r->spec->check ? r->spec->check(r->values) : NULL;

	if (wrong != NULL)
		conf_report(r, "%s", wrong);
}

static void conf_set_pair(struct conf_reader *r, const char *pair)
{
	const char *equals = strchr(pair, '=');
	char key[CONF_KEY_BYTES];
	char *value;
	size_t size;

	if (equals == NULL) {
		conf_report(r, "%s: expected key=value", pair);
		return;
	}
	pair += strspn(pair, " \t");
	size = (size_t)(equals - pair);
	while (size > 0 && strchr(" \t", pair[size - 1]) != NULL)
		size--;
	snprintf(key, sizeof(key), "%.*s", (int)conf_least(size, sizeof(key)), pair);
	equals++;
	value = strdup(equals + strspn(equals, " \t"));
	if (value == NULL) {
		conf_report(r, "no memory");
		return;
	}
	for (size = strlen(value); size > 0 && strchr(" \t", value[size - 1]) != NULL; size--)
		value[size - 1] = '\0';
	conf_set(r, key, value);
	free(value);
}

/* ---- arguments ---- */

static const struct conf_flag *conf_find_flag(const struct conf_spec *spec, const char *option)
{
	for (size_t i = 0; i < spec->flag_count; i++)
		if (strncmp(option, "--", 2) == 0 && strcmp(option + 2, spec->flags[i].name) == 0)
			return &spec->flags[i];
	return NULL;
}

static void conf_set_flag(struct conf_reader *r, const struct conf_flag *flag, const char *text)
{
	char *member = (char *)r->values + flag->offset;
	char *copy;
	char *old;

	if (flag->argument == NULL) {
		*(bool *)member = true;
		return;
	}
	copy = strdup(text);
	memcpy(&old, member, sizeof(old));
	free(old);
	memcpy(member, &copy, sizeof(copy));
	if (copy == NULL)
		conf_report(r, "no memory");
}

static bool *conf_common_option(struct conf_arguments *a, const char *option)
{
	if (strcmp(option, "--check") == 0)
		return &a->check;
	if (strcmp(option, "--dump") == 0)
		return &a->dump;
	if (strcmp(option, "--version") == 0)
		return &a->version;
	if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0)
		return &a->help;
	return NULL;
}

/* Reads the option at argv[0] (with its argument, if it takes one). Returns how many
 * arguments that was. */
static int conf_read_option(struct conf_reader *r, struct conf_arguments *a, char **argv)
{
	const struct conf_flag *flag = conf_find_flag(r->spec, argv[0]);
	bool *common = conf_common_option(a, argv[0]);
	bool is_file = strcmp(argv[0], "-c") == 0;
	bool is_pair = strcmp(argv[0], "-o") == 0;

	if (common != NULL) {
		*common = true;
		return 1;
	}
	if (flag != NULL && flag->argument == NULL) {
		conf_set_flag(r, flag, NULL);
		return 1;
	}
	if (!is_file && !is_pair && flag == NULL) {
		conf_report_unknown_option(r, argv[0]);
		return 1;
	}
	if (argv[1] == NULL) {
		conf_report(r, "%s: an argument is missing", argv[0]);
		return 1;
	}
	if (is_pair)
		a->pairs[a->pair_count++] = argv[1];
	else if (is_file && a->file != NULL)
		conf_report(r, "-c was given twice");
	else if (is_file)
		a->file = argv[1];
	else
		conf_set_flag(r, flag, argv[1]);
	return 2;
}

/* Reads everything into values; what could not be used is reported and counted. */
static void conf_read(struct conf_reader *r, struct conf_arguments *a, int argc, char **argv)
{
	conf_set_defaults(r);
	for (int i = 1; i < argc && r->errors == 0;)
		i += conf_read_option(r, a, argv + i);
	if (r->errors > 0 || a->help || a->version)
		return;
	if (a->file != NULL)
		conf_read_file(r, a->file);
	r->source = "-o";
	for (size_t i = 0; i < a->pair_count; i++)
		conf_set_pair(r, a->pairs[i]);
	r->source = NULL;
	if (r->errors == 0)
		conf_check_defaults(r);
	if (r->errors == 0)
		conf_check_whole(r);
}

/* conf_read with the memory it needs; the number of errors. On an error values hold nothing. */
static unsigned conf_load(const struct conf_spec *spec, int argc, char **argv, void *values,
			  struct conf_arguments *a, bool to_log)
{
	struct conf_reader r = { .spec = spec, .values = values, .to_log = to_log };

	memset(values, 0, spec->struct_size);
	r.set_at = calloc(spec->row_count + 1, sizeof(*r.set_at));
	r.is_set = calloc(spec->row_count + 1, sizeof(*r.is_set));
	a->pairs = calloc((size_t)argc + 1, sizeof(*a->pairs));
	if (r.set_at == NULL || r.is_set == NULL || a->pairs == NULL)
		conf_report(&r, "no memory");
	else
		conf_read(&r, a, argc, argv);
	free(r.set_at);
	free(r.is_set);
	free(a->pairs);
	a->pairs = NULL;
	if (r.errors > 0)
		conf_release(spec, values);
	return r.errors;
}

enum conf_verdict conf_parse(const struct conf_spec *spec, int argc, char **argv, void *out)
{
	struct conf_arguments a = { 0 };

	if (conf_load(spec, argc, argv, out, &a, false) > 0)
		return CONF_REFUSED;
	if (!a.help && !a.version && !a.dump && !a.check)
		return CONF_RUN;
	if (a.help)
		conf_help(spec, stdout);
	else if (a.version)
		printf("%s %s\n", spec->program, conf_version());
	else if (a.dump)
		conf_dump(spec, out, stdout);
	else
		puts("configuration ok");
	fflush(stdout);
	conf_release(spec, out);
	return CONF_DONE;
}

/* Exchanges the row's member of both, so that releasing `from` frees the old text. */
static void conf_swap(const struct conf_row *row, void *a, void *b)
{
	size_t size = row->type == CONF_BOOL	  ? sizeof(bool)
		      : conf_value_is_text(row) ? sizeof(char *)
						  : sizeof(int64_t);
	char kept[sizeof(int64_t)];

	static_assert(sizeof(char *) <= sizeof(int64_t), "a text's member fits");
	memcpy(kept, (char *)a + row->offset, size);
	memcpy((char *)a + row->offset, (char *)b + row->offset, size);
	memcpy((char *)b + row->offset, kept, size);
}

int conf_reload(const struct conf_spec *spec, int argc, char **argv, void *out)
{
	struct conf_arguments a = { 0 };
	void *fresh = malloc(spec->struct_size);

	if (fresh == NULL || conf_load(spec, argc, argv, fresh, &a, true) > 0) {
		free(fresh);
		return -EINVAL;
	}
	for (size_t i = 0; i < spec->row_count; i++) {
		const struct conf_row *row = &spec->rows[i];

		if (conf_value_equal(row, out, fresh))
			continue;
		if (row->reloadable)
			conf_swap(row, out, fresh);
		else
			log_warn("restart_needed", "key=%s", row->key);
	}
	conf_release(spec, fresh);
	free(fresh);
	return 0;
}

static void conf_free_text(void *values, size_t offset)
{
	char *nothing = NULL;
	char *text;

	memcpy(&text, (char *)values + offset, sizeof(text));
	free(text);
	memcpy((char *)values + offset, &nothing, sizeof(nothing));
}

void conf_release(const struct conf_spec *spec, void *out)
{
	for (size_t i = 0; i < spec->row_count; i++)
		if (conf_value_is_text(&spec->rows[i]))
			conf_free_text(out, spec->rows[i].offset);
	for (size_t i = 0; i < spec->flag_count; i++)
		if (spec->flags[i].argument != NULL)
			conf_free_text(out, spec->flags[i].offset);
}
