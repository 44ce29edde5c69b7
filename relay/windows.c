// SPDX-License-Identifier: Apache-2.0
#include "relay/windows.h"

#include "proto/glob.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOWS_EXPECTED "GLOB = elements, 1 to 1024"
#define WINDOWS_GLOB	 "a GLOB of up to 255 characters, each [class] closed, no backslash at its end"

static_assert(WINDOWS_MOST == 1024, "WINDOWS_EXPECTED says so");

struct windows_rule {
	struct glob glob;
	uint32_t elements;
};

/* Takes `glob = elements` apart, as conf.h writes it. NULL, or what is wrong. */
static const char *windows_read(struct slice line, struct windows_rule *out)
{
	size_t at = line.size, digits;
	uint32_t elements = 0;

	while (at > 0 && line.ptr[at - 1] >= '0' && line.ptr[at - 1] <= '9')
		at--;
	digits = line.size - at;
	if (digits == 0 || digits > 4 || at < 4 || memcmp(line.ptr + at - 3, " = ", 3) != 0)
		return WINDOWS_EXPECTED;
	for (size_t i = at; i < line.size; i++)
		elements = 10 * elements + (uint32_t)(line.ptr[i] - '0');
	if (elements == 0 || elements > WINDOWS_MOST)
		return WINDOWS_EXPECTED;
	out->elements = elements;
	return glob_compile(&out->glob, slice_of(line.ptr, at - 3)) ? WINDOWS_GLOB : NULL;
}

const char *windows_check(const char *line)
{
	struct windows_rule rule;

	return windows_read(slice_text(line), &rule);
}

int windows_init(struct windows *w, const char *lines, size_t max, struct relay_counters *counters)
{
	*w = (struct windows){ .counters = counters };
	return windows_set(w, lines, max);
}

int windows_set(struct windows *w, const char *lines, size_t max)
{
	struct windows_rule *rules = NULL;
	size_t count = 0;

	if (*lines != '\0') {
		rules = calloc(WINDOWS_GLOBS, sizeof(*rules));
		if (rules == NULL)
			return -ENOMEM;
	}
	while (*lines != '\0') {
		size_t size = strcspn(lines, "\n");
		const char *wrong;

		assert(count < WINDOWS_GLOBS);
		wrong = windows_read(slice_of(lines, size), &rules[count++]);
		assert(wrong == NULL);
		(void)wrong;
		lines += size + (lines[size] == '\n');
	}
	free(w->rules);
	w->rules = rules;
	w->count = count;
	w->max = max;
	return 0;
}

void windows_release(struct windows *w)
{
	free(w->rules);
	w->rules = NULL;
	w->count = 0;
}

uint32_t windows_take(struct windows *w, struct slice series)
{
	size_t i = w->count;

	while (i > 0 && !glob_match(&w->rules[i - 1].glob, series))
		i--;
	if (i == 0)
		return 0;
	if (w->held >= w->max) {
		tally_add(&w->counters->windows_over_limit, 1);
		return 0;
	}
	w->held++;
	tally_set(&w->counters->windows, w->held);
	return w->rules[i - 1].elements + 1;
}

void windows_give(struct windows *w, size_t count)
{
	assert(count <= w->held);
	w->held -= count;
	tally_set(&w->counters->windows, w->held);
}
