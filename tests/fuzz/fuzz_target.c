// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_target - any bytes as a target of Graphite.
 *
 * What is taken apart lies within the bytes, is not deeper or larger than promised, and every
 * argument has one parent; what is refused has a reason. A target that is one is also rendered, over a
 * few keys without data: it ends in an answer or a refusal with a sentence, whatever it calls.
 */
#include "queryd/graphite_render.h"
#include "queryd/regex.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1764001800)

/* Nodes at and below one. */
static size_t check_node(const struct target_node *node, struct slice text, size_t depth)
{
	const struct target_node *arg;
	size_t count = 1;

	assert(depth <= TARGET_DEPTH);
	assert(node->source.ptr >= text.ptr);
	assert(node->source.ptr + node->source.size <= text.ptr + text.size);
	assert(node->text.ptr >= node->source.ptr);
	assert(node->text.ptr + node->text.size <= node->source.ptr + node->source.size);
	assert(!node->args || node->type == TARGET_CALL);
	for (arg = node->args; arg; arg = arg->next)
		count += check_node(arg, text, depth + 1);
	return count;
}

static void fill(struct names *names)
{
	static const char *const keys[] = {
		"a", "a.b", "a.b.c", "a.d", "a.b;host=x", "a.b;host=y;k=1", "a\\;b;c=d",
	};
	size_t i;
	int status = 0;

	names_init(names, 100);
	for (i = 0; i < sizeof(keys) / sizeof(*keys) && status == 0; i++)
		status = names_add(names, slice_text(keys[i]), 1u << i % STAT_KINDS);
	if (status == 0)
		status = names_settle(names);
	assert(status == 0);
}

/* An hour without any partial is settled at once, so every round has manifests only. */
static void run(struct survey *survey)
{
	enum plan_status status = PLAN_MORE;

	while (status == PLAN_MORE)
		status = survey_step(survey);
	assert(status == PLAN_DONE);
}

static void render(const struct form *form, struct names *names)
{
	const struct query_limits limits = { 50, 5000, 1 << 20, 0 };
	const struct scope_keys keys = { names, NULL };
	struct graphite_render *r = NULL;
	struct survey *survey = NULL;
	struct route_refusal why = { 0 };
	struct buf body;
	int status = graphite_render_new(form, NOW, &r, &why);

	buf_init(&body, 1 << 24);
	if (status == 0)
		status = graphite_render_survey(r, &keys, &limits, &survey, &why);
	if (status == 0 && survey_start(survey, 4, 840) == 0) {
		run(survey);
		status = graphite_render_answer(r, survey, &body, &why);
		if (status == 0)
			assert(body.size > 0 && body.data[0] == '[');
	}
	if (status < 0)
		assert(why.status >= 400 && why.message[0] != '\0');
	buf_release(&body);
	survey_free(survey);
	graphite_render_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct target target;
	static struct names names;
	static struct form form;
	static uint8_t range[] = "from-3huntilnow";
	struct slice text = slice_of(data, size);
	const char *wrong = target_parse(&target, text);

	assert(target.count <= TARGET_NODES);
	if (!wrong)
		assert(check_node(&target.nodes[0], text, 0) == target.count);
	else
		assert(wrong[0] != '\0');
	if (names_count(&names) == 0)
		fill(&names);
	form.count = 3;
	form.fields[0] = (struct form_field){ slice_text("target"), text };
	form.fields[1] = (struct form_field){ slice_of(range, 4), slice_of(range + 4, 3) };
	form.fields[2] = (struct form_field){ slice_of(range + 7, 5), slice_of(range + 12, 3) };
	render(&form, &names);
	return 0;
}
