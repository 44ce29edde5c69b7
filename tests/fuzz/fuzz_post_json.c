// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_post_json - any bytes as the JSON body of POST /v1/samples.
 *
 * What is accepted is as many lines as it has elements, each of at most one sample and none of a set;
 * what is refused has a sentence, and says which element it was.
 */
#include "agent/post_json.h"

#include "proto/err.h"
#include "proto/line.h"

#include <assert.h>
#include <errno.h>

#define OUT_BYTES ((size_t)1 << 20)

static void check_sample(void *arg, const struct line_sample *sample)
{
	++*(size_t *)arg;
	assert(sample->kind != KIND_SET && sample->rate == 1 && sample->timestamp == LINE_NO_TIMESTAMP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct line_parser parser;
	struct slice body = slice_of(data, size), text, line;
	size_t index = SIZE_MAX, lines = 0;
	const char *why = NULL;
	struct buf out;
	int status;

	buf_init(&out, OUT_BYTES);
	status = post_json_lines(body, &out, &index, &why);
	assert(status == 0 || status == ERR_MALFORMED || status == -ENOMEM || status == -ENOBUFS);
	assert(index <= size && (status != ERR_MALFORMED || (why != NULL && why[0] != '\0')));
	text = buf_view(&out);
	line_parser_init(&parser, NULL);
	while (status == 0 && line_split(&text, &line)) {
		size_t heard = 0;
		int samples = line_parse(&parser, line, check_sample, &heard);

		assert(heard <= 1 && samples <= 1);
		lines++;
	}
	assert(status != 0 || lines == index);
	buf_release(&out);
	return 0;
}
