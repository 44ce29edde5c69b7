// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_frame - any bytes as what a peer sent.
 *
 * Frames are taken off until one is refused. What was read is written again and must then
 * be a fixed point: reading and writing it once more changes no byte.
 */
#include "proto/frame.h"
#include "proto/limits.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_read(struct slice bytes, struct frame *out)
{
	struct frame_header header;
	struct slice payload;

	if (frame_next(&bytes, &header, &payload) != 1 || bytes.size != 0 ||
	    frame_decode(&header, payload, out) != 0)
		assert(false); /* our own encoder wrote it */
}

static void fuzz_write(struct buf *out, const struct frame *f)
{
	buf_init(out, LIMIT_FRAME_BYTES + FRAME_HEADER_BYTES);
	frame_encode(out, f);
}

static void fuzz_again(const struct frame *f)
{
	struct buf first, second;
	struct frame back;

	fuzz_write(&first, f);
	if (buf_status(&first) == 0) {
		fuzz_read(buf_view(&first), &back);
		fuzz_write(&second, &back);
		assert(slice_equal(buf_view(&first), buf_view(&second)));
		frame_release(&back);
		buf_release(&second);
	}
	buf_release(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_of(data, size);
	struct slice payload;
	struct frame_header header;
	struct frame frame;

	while (frame_next(&bytes, &header, &payload) == 1) {
		if (frame_decode(&header, payload, &frame) != 0)
			return 0;
		fuzz_again(&frame);
		frame_release(&frame);
	}
	return 0;
}
