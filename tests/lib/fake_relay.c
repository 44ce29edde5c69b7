// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/fake_relay.h"

#include "proto/daemon/life.h"
#include "proto/limits.h"
#include "proto/net/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

void fake_relay_send(struct fake_relay *f, const struct frame *frame)
{
	struct buf out;

	buf_init(&out, LIMIT_FRAME_BYTES);
	frame_encode(&out, frame);
	assert_int_equal(stream_write(f->s, buf_view(&out)), 0);
	buf_release(&out);
}

void fake_relay_state(struct fake_relay *f, enum frame_type type, enum frame_cause cause,
		       struct stream_state state)
{
	struct frame_stream one = f->stream;
	struct frame out = { .type = type };

	one.state = state;
	out.streams = (struct frame_streams){ .cause = cause, .token = f->token, .stable = true,
					      .list = &one, .count = 1 };
	fake_relay_send(f, &out);
}

void fake_relay_relays(struct fake_relay *f)
{
	struct slice list[4];
	struct frame out = { .type = FRAME_RELAYS };
	const char *text = f->live;

	out.relays = (struct frame_relays){ .floor_hour = 1000, .seal_ms = 700, .list = list };
	while (*text != '\0') {
		size_t size = strcspn(text, ",");

		list[out.relays.count++] = slice_of(text, size);
		text += size + (text[size] == ',');
	}
	fake_relay_send(f, &out);
}

static void fake_relay_welcome(struct fake_relay *f)
{
	struct frame out = { .type = FRAME_WELCOME };

	out.welcome = (struct frame_welcome){ .version = 1, .cfg = hash_cfg(f->partitions),
					      .partitions = f->partitions,
					      .clock_ms = life_wall_ms(),
					      .name = slice_text("fake"), .grace_ms = 100 };
	fake_relay_send(f, &out);
	if (f->live != NULL)
		fake_relay_relays(f);
}

static void fake_relay_take(struct fake_relay *f, const struct frame *in)
{
	struct frame pong = { .type = FRAME_PONG, .ping = in->ping };

	switch (in->type) {
	case FRAME_HELLO:
		f->hello = in->hello;
		f->hellos++;
		if (!f->silent)
			fake_relay_welcome(f);
		break;
	case FRAME_OPEN:
		f->stream = in->streams.list[0];
		f->opens++;
		fake_relay_state(f, FRAME_STATE, FRAME_OPENED,
			   (struct stream_state){ .known = true, .nonce = true, .value = 1,
						  .seq = f->stream.base_seq });
		break;
	case FRAME_BATCH:
		f->batch = in->batch;
		assert_int_equal(batch_peek(in->batch.bytes, &f->header), 0);
		f->stream.state = (struct stream_state){
			.known = true, .seq = f->header.seq,
			.value = hash_chain_next(f->header.chain_before, in->batch.bytes),
		};
		f->batches++;
		break;
	case FRAME_CONFIRM:
		f->token = in->streams.token;
		f->confirms++;
		break;
	case FRAME_WATERMARK:
		f->watermark = in->watermark;
		f->watermarks++;
		break;
	case FRAME_PING:
		f->pings++;
		if (!f->mute_pings)
			fake_relay_send(f, &pong);
		break;
	default:
		fail_msg("an agent does not send %s", frame_type_name(in->type));
	}
}

static void fake_relay_on_data(void *arg, struct slice bytes)
{
	struct fake_relay *f = arg;
	struct frame_header header;
	struct slice left, payload;
	struct frame frame;
	struct buf rest;

	buf_put_slice(&f->in, bytes);
	left = buf_view(&f->in);
	while (frame_next(&left, &header, &payload) == 1) {
		assert_int_equal(frame_decode(&header, payload, &frame), 0);
		fake_relay_take(f, &frame);
		frame_release(&frame);
	}
	buf_init(&rest, f->in.ceiling);
	buf_put_slice(&rest, left);
	buf_release(&f->in);
	f->in = rest;
}

static void fake_relay_on_closed(void *arg, int reason)
{
	struct fake_relay *f = arg;

	(void)reason;
	f->s = NULL;
}

static bool fake_relay_accept(void *arg, struct stream *s, struct stream_events *events,
			void **stream_arg)
{
	struct fake_relay *f = arg;

	*events = (struct stream_events){ .data = fake_relay_on_data,
					  .closed = fake_relay_on_closed };
	*stream_arg = f;
	buf_reset(&f->in);
	f->s = s;
	f->connections++;
	return true;
}

void fake_relay_start(struct fake_relay *f, uv_loop_t *loop, uint32_t partitions)
{
	struct addr at;

	assert_int_equal(addr_parse(slice_text("127.0.0.1:0"), &at), 0);
	f->partitions = partitions;
	buf_init(&f->in, 4 * LIMIT_FRAME_BYTES);
	assert_int_equal(stream_listen(loop, &at, NULL, fake_relay_accept, f, &f->listener), 0);
}

void fake_relay_hang_up(struct fake_relay *f)
{
	if (f->s != NULL)
		stream_close(f->s, false);
}

void fake_relay_stop(struct fake_relay *f)
{
	fake_relay_hang_up(f);
	if (f->listener != NULL)
		stream_listener_close(f->listener);
	f->listener = NULL;
	buf_release(&f->in);
}
