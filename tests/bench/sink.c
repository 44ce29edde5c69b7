// SPDX-License-Identifier: Apache-2.0
/*
 * sink.c - a relay that acknowledges everything and stores nothing.
 *
 *     sink        prints `listening PORT`; until SIGTERM serves one agent after the other
 *
 * So the agent's own cost is measured, with a relay that takes next to none of the machine. Speaks the
 * real protocol (HELLO, OPEN, BATCH, CONFIRM, PING) over one blocking connection; of a batch it
 * reads the header and the chain's hash alone.
 */
#include "proto/batch.h"
#include "proto/frame.h"
#include "proto/limits.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SINK_PARTITIONS 32
#define SINK_READ_BYTES ((size_t)1 << 18)

struct sink {
	int fd;
	struct buf in, out;
	struct frame_stream streams[SINK_PARTITIONS]; /* the last of each partition */
};

static void sink_encode(struct sink *s, const struct frame *frame)
{
	frame_encode(&s->out, frame);
}

static void sink_welcome(struct sink *s)
{
	struct frame out = { .type = FRAME_WELCOME };

	out.welcome = (struct frame_welcome){ .version = 1, .cfg = hash_cfg(SINK_PARTITIONS),
					      .partitions = SINK_PARTITIONS,
					      .clock_ms = (int64_t)time(NULL) * 1000,
					      .name = slice_text("sink"), .grace_ms = 1000 };
	sink_encode(s, &out);
}

/* Answers a list of streams with what they stand at; those that are new get a nonce. */
static void sink_streams(struct sink *s, const struct frame *in, enum frame_type type)
{
	struct frame out = { .type = type, .streams = in->streams };

	for (size_t i = 0; i < in->streams.count; i++) {
		struct frame_stream *one = &in->streams.list[i];
		const struct frame_stream *kept = &s->streams[one->partition % SINK_PARTITIONS];
		bool same = memcmp(&kept->id, &one->id, sizeof(one->id)) == 0;

		one->state = kept->state;
		if (!same)
			one->state = (struct stream_state){ .known = true, .nonce = true, .value = 1,
							    .seq = one->base_seq };
	}
	out.streams.cause = FRAME_OPENED;
	out.streams.stable = true;
	sink_encode(s, &out);
}

static void sink_batch(struct sink *s, const struct frame *in)
{
	struct frame out = { .type = FRAME_COMMITTED };
	struct batch_header header;
	struct frame_stream *one;

	if (batch_peek(in->batch.bytes, &header) < 0 || header.partition >= SINK_PARTITIONS)
		return;
	one = &s->streams[header.partition];
	*one = (struct frame_stream){ .id = in->batch.id, .partition = header.partition };
	one->state = (struct stream_state){ .known = true, .seq = header.seq,
					    .value = hash_chain_next(header.chain_before,
								     in->batch.bytes) };
	out.streams = (struct frame_streams){ .list = one, .count = 1 };
	sink_encode(s, &out);
}

static void sink_take(struct sink *s, struct frame *in)
{
	switch (in->type) {
	case FRAME_HELLO:
		sink_welcome(s);
		break;
	case FRAME_OPEN:
		sink_streams(s, in, FRAME_STATE);
		break;
	case FRAME_CONFIRM:
		sink_streams(s, in, FRAME_CONFIRMED);
		break;
	case FRAME_BATCH:
		sink_batch(s, in);
		break;
	case FRAME_PING:
		in->type = FRAME_PONG;
		sink_encode(s, in);
		break;
	default:
		break;
	}
}

static bool sink_flush(struct sink *s)
{
	for (size_t sent = 0; sent < s->out.size;) {
		ssize_t n = write(s->fd, s->out.data + sent, s->out.size - sent);

		if (n <= 0)
			return false;
		sent += (size_t)n;
	}
	buf_reset(&s->out);
	return true;
}

/* Reads what is there and answers every whole frame. False at the end. */
static bool sink_turn(struct sink *s)
{
	static uint8_t bytes[SINK_READ_BYTES];
	ssize_t n = read(s->fd, bytes, sizeof(bytes));
	struct frame_header header;
	struct slice left, payload;
	struct frame frame;

	if (n <= 0)
		return false;
	buf_put(&s->in, bytes, (size_t)n);
	left = buf_view(&s->in);
	while (frame_next(&left, &header, &payload) == 1) {
		if (frame_decode(&header, payload, &frame) < 0)
			return false;
		sink_take(s, &frame);
		frame_release(&frame);
	}
	memmove(s->in.data, left.ptr, left.size);
	buf_truncate(&s->in, left.size);
	return sink_flush(s);
}

int main(void)
{
	static struct sink s;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	/* An agent may leave in the middle of an answer; another one comes. */
	signal(SIGPIPE, SIG_IGN);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, size) < 0 || listen(fd, 4) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &size) < 0) {
		perror("sink: listen");
		return 1;
	}
	printf("listening %u\n", ntohs(at.sin_port));
	fflush(stdout);
	while ((s.fd = accept(fd, NULL, NULL)) >= 0) {
		buf_init(&s.in, 4 * LIMIT_FRAME_BYTES);
		buf_init(&s.out, 4 * LIMIT_FRAME_BYTES);
		while (sink_turn(&s))
			;
		buf_release(&s.in);
		buf_release(&s.out);
		close(s.fd);
	}
	return 0;
}
