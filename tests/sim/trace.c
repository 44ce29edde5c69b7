// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/trace.h"

#include <inttypes.h>

static const struct {
	const char *text;
	const char *labels[TRACE_NUMBERS];
} trace_texts[] = {
#define TRACE_TEXT(name, text, a, b, c, d) [TRACE_##name] = { text, { a, b, c, d } },
	TRACE_KINDS(TRACE_TEXT)
#undef TRACE_TEXT
};

static void trace_print_event(const struct trace_event *event, FILE *out)
{
	fprintf(out, "%8" PRId64 " ms  %s", event->at_ms, trace_texts[event->kind].text);
	for (size_t i = 0; i < TRACE_NUMBERS; i++)
		if (trace_texts[event->kind].labels[i] != NULL)
			fprintf(out, " %s=%" PRId64, trace_texts[event->kind].labels[i],
				(int64_t)event->numbers[i]);
	fputc('\n', out);
}

static void trace_mix(struct trace *t, uint64_t number)
{
	t->hash = (t->hash ^ number) * 0x9e3779b97f4a7c15U;
	t->hash ^= t->hash >> 29;
}

void trace_note(struct trace *t, const struct trace_event *event)
{
	trace_mix(t, (uint64_t)event->at_ms << 8 | (uint64_t)event->kind);
	for (size_t i = 0; i < TRACE_NUMBERS; i++)
		trace_mix(t, event->numbers[i]);
	t->kept[t->count++ % TRACE_KEPT] = *event;
	if (t->loud)
		trace_print_event(event, stdout);
}

void trace_print(const struct trace *t, FILE *out)
{
	uint64_t first = t->count > TRACE_KEPT ? t->count - TRACE_KEPT : 0;

	for (uint64_t i = first; i < t->count; i++)
		trace_print_event(&t->kept[i % TRACE_KEPT], out);
}
