// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_conf - a configuration file, or an `-o` argument when the first byte is odd. Whatever is
 * accepted must be printed by conf_dump so that it reads back the same.
 */
#include "proto/daemon/conf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct values {
	int64_t level;
	int64_t ms;
	int64_t bytes;
	int64_t number;
	char *text;
	char *other;
	bool yes;
};

static const char *const levels[] = { "error", "info", NULL };

#define AT(member) .offset = offsetof(struct values, member)

static const struct conf_row rows[] = {
	{ .key = "level", .type = CONF_CHOICE, AT(level), .fallback = "info", .choices = levels },
	{ .key = "ms", .type = CONF_MS, AT(ms), .fallback = "1s", .max = INT64_MAX },
	{ .key = "bytes", .type = CONF_BYTES, AT(bytes), .fallback = "1KiB", .max = INT64_MAX },
	{ .key = "number", .type = CONF_INT, AT(number), .fallback = "0", .min = INT64_MIN,
	  .max = INT64_MAX },
	{ .key = "text", .type = CONF_TEXT, AT(text), .fallback = "" },
	{ .key = "yes", .type = CONF_BOOL, AT(yes), .fallback = "no" },
	{ .key = "section.other", .type = CONF_TEXT, AT(other), .fallback = "x", .max = 100 },
};

static const struct conf_spec spec = {
	.program = "fuzz",
	.rows = rows,
	.row_count = sizeof(rows) / sizeof(rows[0]),
	.struct_size = sizeof(struct values),
};

static char path[64];

static void write_file(const void *bytes, size_t size)
{
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("conf", MFD_CLOEXEC);
		assert(fd >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		/* Errors are expected by the thousand; the fuzzer itself uses the descriptor. */
		stderr = fopen("/dev/null", "w");
	}
	assert(ftruncate(fd, 0) == 0);
	assert(pwrite(fd, bytes, size, 0) == (ssize_t)size);
}

static enum conf_verdict parse(const char *option, const char *argument, struct values *v)
{
	char name[] = "fuzz";
	char *given = strdup(argument);
	char *flag = strdup(option);
	char *argv[] = { name, flag, given, NULL };
	enum conf_verdict verdict = conf_parse(&spec, 3, argv, v);

	free(given);
	free(flag);
	return verdict;
}

static char *dump(const struct values *v)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	conf_dump(&spec, v, to);
	fclose(to);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool option = size > 0 && (data[0] & 1) != 0;
	char *argument = strndup(option ? (const char *)data + 1 : "", option ? size - 1 : 0);
	struct values v;
	enum conf_verdict verdict;
	char *first;
	char *second;

	write_file(size ? data + 1 : data, size ? size - 1 : 0);
	verdict = parse(option ? "-o" : "-c", option ? argument : path, &v);
	free(argument);
	assert(verdict != CONF_DONE);
	if (verdict != CONF_RUN)
		return 0;
	first = dump(&v);
	conf_release(&spec, &v);
	write_file(first, strlen(first));
	assert(parse("-c", path, &v) == CONF_RUN);
	second = dump(&v);
	conf_release(&spec, &v);
	assert(strcmp(first, second) == 0);
	free(first);
	free(second);
	return 0;
}
