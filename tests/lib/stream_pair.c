// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/stream_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void end_connected(void *arg)
{
	struct stream_end *e = arg;

	e->connected++;
	if (e->greeting != NULL)
		assert_int_equal(stream_write(e->s, slice_text(e->greeting)), 0);
	if (e->close_on_connected)
		stream_close(e->s, e->flush);
}

static void end_data(void *arg, struct slice bytes)
{
	struct stream_end *e = arg;

	e->data_calls++;
	e->data_after_closed += e->closed;
	for (size_t i = 0; i < bytes.size; i++)
		e->sum += bytes.ptr[i] * (uint64_t)(e->received + i + 1);
	e->received += bytes.size;
	if (e->echo)
		assert_int_equal(stream_write(e->s, bytes), 0);
	if (e->pause_on_data)
		stream_pause(e->s);
	if (e->close_on_data) {
		stream_close(e->s, e->flush);
		stream_close(e->s, e->flush);
	}
}

static void end_drained(void *arg)
{
	struct stream_end *e = arg;

	e->drained++;
	assert_int_equal(stream_queued(e->s), 0);
	if (e->close_on_drained)
		stream_close(e->s, e->flush);
}

static void end_closed(void *arg, int reason)
{
	struct stream_end *e = arg;

	e->closed++;
	e->reason = reason;
	stream_close(e->s, false);
	e->s = NULL;
}

const struct stream_events stream_end_events = {
	.connected = end_connected,
	.data = end_data,
	.drained = end_drained,
	.closed = end_closed,
};

bool stream_pair_accept(void *arg, struct stream *s, struct stream_events *events,
			void **stream_arg)
{
	struct stream_pair *f = arg;

	f->accepted++;
	if (f->refuse)
		return false;
	f->server.s = s;
	*events = stream_end_events;
	*stream_arg = &f->server;
	return true;
}

struct addr stream_address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(slice_text(text), &a), 0);
	return a;
}

struct addr stream_pair_listen(struct stream_pair *f, const char *text)
{
	struct addr at = stream_address(text);

	test_loop_init(&f->t);
	assert_int_equal(stream_listen(&f->t.loop, &at, &f->options, stream_pair_accept, f,
				       &f->listener), 0);
	return stream_address(stream_listener_address(f->listener));
}

void stream_pair_dial(struct stream_pair *f, const struct addr *to)
{
	assert_int_equal(stream_connect(&f->t.loop, to, &f->options, &stream_end_events, &f->client,
					&f->client.s), 0);
}

void stream_pair_finish(struct stream_pair *f)
{
	if (f->listener != NULL)
		stream_listener_close(f->listener);
	if (f->client.s != NULL)
		stream_close(f->client.s, false);
	if (f->server.s != NULL)
		stream_close(f->server.s, false);
	test_loop_finish(&f->t);
	assert_int_equal(f->client.data_after_closed, 0);
	assert_int_equal(f->server.data_after_closed, 0);
	assert_true(f->client.closed <= 1 && f->server.closed <= 1);
}

void stream_pair_open(struct stream_pair *f)
{
	struct addr to = stream_pair_listen(f, "127.0.0.1:0");

	stream_pair_dial(f, &to);
	test_loop_until_count(&f->t, &f->client.connected, 1);
	test_loop_until_count(&f->t, &f->accepted, 1);
}

void stream_pair_until(struct stream_pair *f, const struct stream_end *e, size_t size)
{
	while (e->received < size)
		uv_run(&f->t.loop, UV_RUN_ONCE);
}
