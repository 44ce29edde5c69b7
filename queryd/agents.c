// SPDX-License-Identifier: Apache-2.0
/*
 * agents.c - two lists of watermarks: the one that counts and the one that is being read.
 *
 * A walk fills the second, and they change places when it is whole; one that failed leaves the
 * first. The least watermark is kept, so that an hour that all have passed, which is nearly
 * every one, is judged without a look at any; the last verdict is kept too, because many
 * answers of one moment are about the same end. What cannot be read counts as an agent that is
 * waited for: nothing is called complete by mistake.
 */
#include "queryd/agents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void agents_init(struct agents *a)
{
	memset(a, 0, sizeof(*a));
}

void agents_release(struct agents *a)
{
	free(a->current.marks);
	free(a->reading.marks);
	agents_init(a);
}

void agents_begin(struct agents *a)
{
	a->reading.count = 0;
	a->failed = 0;
}

static void push(struct agents *a, struct agents_mark mark)
{
	struct agents_list *list = &a->reading;
	size_t capacity = list->capacity ? list->capacity * 2 : 64;
	struct agents_mark *marks;

	if (list->count == AGENTS_MAX) {
		a->failed = -ENOBUFS;
		return;
	}
	if (list->count == list->capacity) {
		marks = realloc(list->marks, capacity * sizeof(*marks));
		if (!marks) {
			a->failed = -ENOMEM;
			return;
		}
		list->marks = marks;
		list->capacity = capacity;
	}
	list->marks[list->count++] = mark;
}

/* Takes a number and the space behind it off *text. */
static bool take_number(struct slice *text, int64_t *out)
{
	int64_t value = 0;
	size_t i = 0;

	while (i < text->size && text->ptr[i] >= '0' && text->ptr[i] <= '9' && i < 18) {
		value = value * 10 + (text->ptr[i] - '0');
		i++;
	}
	if (i == 0 || i >= text->size || text->ptr[i] != ' ')
		return false;
	*text = slice_of(text->ptr + i + 1, text->size - i - 1);
	*out = value;
	return true;
}

void agents_add(struct agents *a, struct slice text, int64_t now_ms)
{
	struct agents_mark mark = { 0, now_ms };
	int64_t left;

	if (a->failed)
		return;
	if (!take_number(&text, &mark.committed_ms) || !take_number(&text, &mark.seen_ms) ||
	    !take_number(&text, &left) || left > 1) {
		mark = (struct agents_mark){ 0, now_ms };
		left = 0;
	}
	if (!left)
		push(a, mark);
}

int agents_commit(struct agents *a)
{
	struct agents_list last = a->current;
	size_t i;

	if (a->failed)
		return a->failed;
	a->current = a->reading;
	a->reading = last;
	a->loaded = true;
	a->last.valid = false;
	a->least_ms = INT64_MAX;
	for (i = 0; i < a->current.count; i++) {
		if (a->current.marks[i].committed_ms < a->least_ms)
			a->least_ms = a->current.marks[i].committed_ms;
	}
	return 0;
}

void agents_forget(struct agents *a)
{
	a->loaded = false;
	a->last.valid = false;
	a->current.count = 0;
}

size_t agents_count(const struct agents *a)
{
	return a->current.count;
}

static struct agents_verdict judge(const struct agents *a, int64_t end_ms, int64_t now_ms,
				   int64_t gone_after_ms)
{
	struct agents_verdict verdict = { 0 };
	size_t i;

	for (i = 0; end_ms > a->least_ms && i < a->current.count; i++) {
		const struct agents_mark *mark = &a->current.marks[i];
		if (mark->committed_ms >= end_ms)
			continue;
		if (now_ms - mark->seen_ms > gone_after_ms)
			verdict.gone++;
		else
			verdict.waiting++;
	}
	verdict.complete = a->loaded && end_ms <= now_ms && verdict.waiting == 0;
	return verdict;
}

struct agents_verdict agents_judge(struct agents *a, int64_t end_ms, int64_t now_ms,
				   int64_t gone_after_ms)
{
	struct agents_judged *last = &a->last;

	if (!last->valid || last->end_ms != end_ms || last->now_ms != now_ms ||
	    last->gone_after_ms != gone_after_ms)
		*last = (struct agents_judged){
			.end_ms = end_ms,
			.now_ms = now_ms,
			.gone_after_ms = gone_after_ms,
			.verdict = judge(a, end_ms, now_ms, gone_after_ms),
			.valid = true,
		};
	return last->verdict;
}
