// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_post - a JSON body of POST, or, when the first byte is odd, a stream in pieces. A body that is
 * taken has as many lines as elements. A stream has the lines of the same bytes as one datagram,
 * wherever it is cut.
 */
#include "agent/framing.h"
#include "agent/post_json.h"
#include "proto/line.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_line(void *arg, struct slice line)
{
	struct slice *rest = arg, wanted;
	bool more = line_split(rest, &wanted);

	assert(more && slice_equal(line, wanted));
}

static void on_refuse(void *arg, struct slice begin, int reason)
{
	(void)arg;
	(void)begin;
	(void)reason;
	assert(false && "a line of an input so short");
}

static void stream(uint8_t step, struct slice bytes)
{
	struct slice rest = bytes;
	struct framing_sink sink = { .line = on_line, .refuse = on_refuse, .arg = &rest };
	struct framing f;

	if (bytes.size > FRAMING_LINE_BYTES)
		return;
	framing_init(&f);
	while (bytes.size > 0) {
		/* Pieces of odd sizes, as the bytes themselves have it. */
		size_t piece = 1 + (step ^ bytes.ptr[0]) % 37;

		piece = piece < bytes.size ? piece : bytes.size;
		framing_feed(&f, slice_of(bytes.ptr, piece), &sink);
		bytes = slice_of(bytes.ptr + piece, bytes.size - piece);
	}
	framing_end(&f, true, &sink);
	assert(rest.size == 0);
}

static void body(struct slice bytes)
{
	struct buf out;
	const char *why;
	size_t index, lines = 0;

	buf_init(&out, bytes.size + 64);
	if (post_json_lines(bytes, &out, &index, &why) == 0) {
		for (size_t i = 0; i < out.size; i++)
			lines += out.data[i] == '\n';
		assert(lines == index);
	}
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its own size, so that reading past the end is seen. */
	uint8_t *copy = malloc(size);

	if (size == 0 || copy == NULL) {
		free(copy);
		return 0;
	}
	memcpy(copy, data, size);
	if (copy[0] & 1)
		stream(copy[0], slice_of(copy + 1, size - 1));
	else
		body(slice_of(copy + 1, size - 1));
	free(copy);
	return 0;
}
