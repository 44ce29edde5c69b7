// SPDX-License-Identifier: Apache-2.0
/*
 * feed.c - an agent that does nothing but send: what a relay can take.
 *
 *     feed HOST PORT SECONDS KEYS VALUES_PER_GROUP [WINDOW]
 *
 * Speaks the real protocol (HELLO, OPEN, BATCH, waits for COMMITTED) over one blocking
 * connection, with one stream over all partitions. The samples are sealed into batches before the clock
 * starts, as far as chains allow: only header and chain are made while sending. Prints
 * JSON: samples and groups committed, seconds. `make bench` reads the relay's own CPU time beside it.
 */
#include "proto/batch.h"
#include "proto/frame.h"
#include "proto/group.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FEED_WINDOW      64 /* batches in flight a partition, if nothing else is said */
#define FEED_NAME_BYTES  32

struct feed_lane {
	struct batch_writer writer; /* the same groups again and again */
	uint64_t seq, chain, committed;
	struct stream_state opened; /* the nonce the first batch builds on */
};

struct feed {
	int fd;
	struct stream_id stream;
	uint32_t partitions;
	uint64_t cfg, window;
	struct feed_lane *lanes;
	struct buf in, out;
};

static double feed_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void feed_die(const char *what)
{
	fprintf(stderr, "feed: %s\n", what);
	exit(1);
}

static void feed_connect(struct feed *f, const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		feed_die("cannot resolve the relay");
	f->fd = socket(found->ai_family, SOCK_STREAM, 0);
	if (f->fd < 0 || connect(f->fd, found->ai_addr, found->ai_addrlen) < 0)
		feed_die("cannot connect to the relay");
	freeaddrinfo(found);
}

static void feed_flush(struct feed *f)
{
	size_t sent = 0;

	if (buf_status(&f->out) < 0)
		feed_die("no memory");
	while (sent < f->out.size) {
		ssize_t n = write(f->fd, f->out.data + sent, f->out.size - sent);

		if (n <= 0)
			feed_die("the relay closed the connection");
		sent += (size_t)n;
	}
	buf_reset(&f->out);
}

static void feed_on_streams(struct feed *f, const struct frame *frame)
{
	for (size_t i = 0; i < frame->streams.count; i++) {
		const struct frame_stream *s = &frame->streams.list[i];
		struct feed_lane *lane = &f->lanes[s->partition];

		if (frame->type == FRAME_STATE && frame->streams.cause == FRAME_RESET)
			feed_die("the relay reset a stream: is another one writing?");
		if (frame->type == FRAME_STATE)
			lane->opened = s->state;
		else
			lane->committed = s->state.seq;
	}
}

/* Reads what is there (waiting for at least something) and handles every whole frame. */
static void feed_read(struct feed *f)
{
	uint8_t bytes[65536];
	ssize_t n = read(f->fd, bytes, sizeof(bytes));
	struct frame_header header;
	struct slice left, payload;
	struct frame frame;

	if (n <= 0)
		feed_die("the relay closed the connection");
	buf_put(&f->in, bytes, (size_t)n);
	left = buf_view(&f->in);
	while (frame_next(&left, &header, &payload) == 1) {
		if (frame_decode(&header, payload, &frame) < 0)
			feed_die("a frame cannot be read");
		if (frame.type == FRAME_REFUSED)
			feed_die("the relay refused us");
		if (frame.type == FRAME_WELCOME) {
			f->partitions = frame.welcome.partitions;
			f->cfg = frame.welcome.cfg;
		}
		if (frame.type == FRAME_PING) {
			frame.type = FRAME_PONG;
			frame_encode(&f->out, &frame);
		}
		if (frame.type == FRAME_STATE || frame.type == FRAME_COMMITTED)
			feed_on_streams(f, &frame);
		frame_release(&frame);
	}
	memmove(f->in.data, left.ptr, left.size);
	buf_truncate(&f->in, left.size);
}

static void feed_hello(struct feed *f)
{
	struct frame hello = { .type = FRAME_HELLO,
			       .hello = { .version_min = FRAME_VERSION_MIN,
					  .version_max = FRAME_VERSION_MAX,
					  .clock_ms = (int64_t)time(NULL) * 1000,
					  .host = slice_text("feed") } };

	for (size_t i = 0; i < STREAM_ID_BYTES; i++)
		f->stream.bytes[i] = (uint8_t)((uint64_t)getpid() >> (i % 4 * 8));
	f->stream.bytes[0] = (uint8_t)time(NULL);
	memcpy(hello.hello.agent_id, f->stream.bytes, FRAME_AGENT_BYTES);
	for (size_t i = 0; i < 8; i++)
		hello.hello.incarnation |= (uint64_t)f->stream.bytes[FRAME_AGENT_BYTES + i] << (8 * i);
	frame_encode(&f->out, &hello);
	feed_flush(f);
	while (f->partitions == 0)
		feed_read(f);
}

/* Gives each partition its share of the keys, each with one group of so many values. */
static void feed_fill(struct feed *f, uint32_t keys, size_t values)
{
	double *sample = malloc(values * sizeof(*sample));
	int64_t second = (int64_t)time(NULL);
	struct buf bytes;

	f->lanes = calloc(f->partitions, sizeof(*f->lanes));
	if (f->lanes == NULL || sample == NULL)
		feed_die("no memory");
	for (uint32_t p = 0; p < f->partitions; p++) {
		batch_writer_init(&f->lanes[p].writer, second);
		f->lanes[p].chain = hash_chain_start(&f->stream, p);
	}
	buf_init(&bytes, LIMIT_BATCH_BYTES);
	for (uint32_t k = 0; k < keys; k++) {
		char name[FEED_NAME_BYTES];
		struct batch_group group = { .kind = KIND_DISTRIBUTION, .second = second };
		struct batch_writer *w;

		snprintf(name, sizeof(name), "feed.key%06u", k);
		group.series = slice_text(name);
		for (size_t v = 0; v < values; v++)
			sample[v] = (double)((k * 7919u + v * 104729u) % 1000u);
		buf_reset(&bytes);
		group_put_values(&bytes, (struct group_sampling){ 1, 1 }, sample, values);
		group.bytes = buf_view(&bytes);
		w = &f->lanes[hash_partition(group.series, f->partitions)].writer;
		if (batch_writer_groups(w) < LIMIT_BATCH_SERIES &&
		    batch_writer_fits(w, group.series, group.bytes.size))
			batch_writer_add(w, &group, values);
	}
	buf_release(&bytes);
	free(sample);
}

static void feed_open(struct feed *f)
{
	struct frame_stream *list = calloc(f->partitions, sizeof(*list));
	struct frame open = { .type = FRAME_OPEN,
			      .streams = { .list = list, .count = f->partitions } };
	uint32_t opened;

	if (list == NULL)
		feed_die("no memory");
	for (uint32_t p = 0; p < f->partitions; p++)
		list[p] = (struct frame_stream){ .id = f->stream, .partition = p };
	frame_encode(&f->out, &open);
	feed_flush(f);
	do {
		feed_read(f);
		opened = 0;
		for (uint32_t p = 0; p < f->partitions; p++)
			opened += f->lanes[p].opened.known;
	} while (opened < f->partitions);
	free(list);
}

static void feed_send(struct feed *f, uint32_t partition)
{
	struct feed_lane *lane = &f->lanes[partition];
	struct batch_header header = { .cfg = f->cfg, .partition = partition,
				       .seq = lane->seq + 1, .chain_before = lane->chain };
	struct frame frame = { .type = FRAME_BATCH, .batch = { .id = f->stream } };
	struct buf bytes;

	buf_init(&bytes, LIMIT_BATCH_BYTES);
	if (batch_finish(&lane->writer, &header, &bytes) < 0)
		feed_die("a batch cannot be sealed");
	if (header.seq == 1) {
		frame.batch.has_predecessor = true;
		frame.batch.predecessor = lane->opened;
	}
	frame.batch.bytes = buf_view(&bytes);
	frame_encode(&f->out, &frame);
	lane->chain = hash_chain_next(lane->chain, frame.batch.bytes);
	lane->seq++;
	buf_release(&bytes);
}

/* Keeps every lane's window full until the time is up, then waits for the last COMMITTED. */
static double feed_run(struct feed *f, double seconds)
{
	double began = feed_now();
	bool open = true;

	for (;;) {
		uint64_t in_flight = 0;

		open = open && feed_now() - began < seconds;
		for (uint32_t p = 0; p < f->partitions; p++) {
			struct feed_lane *lane = &f->lanes[p];

			while (open && batch_writer_groups(&lane->writer) > 0 &&
			       lane->seq - lane->committed < f->window)
				feed_send(f, p);
			in_flight += lane->seq - lane->committed;
			feed_flush(f);
		}
		if (in_flight == 0)
			return feed_now() - began;
		feed_read(f);
	}
}

int main(int argc, char **argv)
{
	struct feed f = { .fd = -1, .window = FEED_WINDOW };
	uint64_t groups = 0, batches = 0;
	size_t values;
	double seconds;

	if (argc != 6 && argc != 7)
		feed_die("usage: feed HOST PORT SECONDS KEYS VALUES_PER_GROUP [WINDOW]");
	if (argc == 7)
		f.window = strtoul(argv[6], NULL, 10);
	values = strtoul(argv[5], NULL, 10);
	buf_init(&f.in, (size_t)8 << 20);
	buf_init(&f.out, (size_t)64 << 20);
	feed_connect(&f, argv[1], argv[2]);
	feed_hello(&f);
	feed_fill(&f, (uint32_t)strtoul(argv[4], NULL, 10), values);
	feed_open(&f);
	seconds = feed_run(&f, strtod(argv[3], NULL));
	for (uint32_t p = 0; p < f.partitions; p++) {
		groups += f.lanes[p].seq * batch_writer_groups(&f.lanes[p].writer);
		batches += f.lanes[p].seq;
		batch_writer_release(&f.lanes[p].writer);
	}
	printf("{\"samples\":%llu,\"groups\":%llu,\"batches\":%llu,\"seconds\":%.3f}\n",
	       (unsigned long long)(groups * values), (unsigned long long)groups,
	       (unsigned long long)batches, seconds);
	free(f.lanes);
	buf_release(&f.in);
	buf_release(&f.out);
	close(f.fd);
	return 0;
}
