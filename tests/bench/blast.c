// SPDX-License-Identifier: Apache-2.0
/*
 * blast.c - a generator that costs next to nothing a line.
 *
 *     blast --to 127.0.0.1:8125 --seconds 10 [--rate LINES_A_SECOND] [--count LINES] [--keys 100] [--payload 1432]
 *           [--type ms] [--plain]
 *
 * gen.c makes every line as it is sent, and so cannot fill a fast receiver from one core. Here all
 * datagrams are made before the clock starts, every key once a pass in a random order, values
 * uniform 0..999 in three digits, 32 bytes a line; then they are sent round and round, up to 64 datagrams a
 * call: the kernel cuts them apart (UDP_SEGMENT, Linux 4.18), and the receiver gets them one by
 * one, as from anyone. --plain makes each of them by a send of its own (sendmmsg). A rate is kept
 * evenly: after a pause (the system lets no real-time thread have all of a core, and takes 50 ms of a
 * second back) it catches up at a tenth above the rate, for a burst at full speed would measure the
 * receiver's buffer and not the receiver.
 * Prints JSON: lines, datagrams, seconds, errors.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define BLAST_LINE       32 /* with its newline, as in the figures of others */
#define BLAST_VALUES     1000
#define BLAST_MIN_LINES  65536
#define BLAST_PASSES     2
#define BLAST_SEGMENTS   64    /* of one UDP_SEGMENT call */
#define BLAST_CALL_BYTES 65000 /* likewise: what one datagram may be */
#define BLAST_SLEEP_NS   50000
#define BLAST_HURRY      1.1     /* of the rate, to catch up */
#define BLAST_BURST_NS   1000000 /* what the rate has for so long may be sent at once */

struct blast {
	struct sockaddr_in to;
	double seconds, rate;
	uint64_t count; /* lines to stop after; 0: only the time counts */
	uint32_t keys;
	size_t payload;
	const char *type;
	bool plain;
	int fd;
	uint8_t *bytes; /* `datagrams` of `size` bytes each, of `lines` lines each */
	size_t size, lines, datagrams;
	size_t at; /* the next one to send */
	uint64_t sent, errors;
};

static uint64_t blast_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* SplitMix64, below a bound. */
static uint32_t blast_below(uint64_t *state, uint32_t bound)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) % bound);
}

static void blast_die(const char *what)
{
	fprintf(stderr, "blast: %s\n", what);
	exit(1);
}

/* `bench.service.key.000012:345|ms` or so, 31 bytes whatever the type. */
static void blast_line(const struct blast *b, uint32_t key, uint32_t value, uint8_t *out)
{
	char line[2 * BLAST_LINE];
	int name = BLAST_LINE - (int)strlen("000000:000|\n") - (int)strlen(b->type);

	snprintf(line, sizeof(line), "%.*s%06u:%03u|%s\n", name, "bench.service.key...", key, value, b->type);
	memcpy(out, line, BLAST_LINE);
}

/* Every key once, in a random order. */
static void blast_shuffle(uint32_t *order, uint32_t count, uint64_t *state)
{
	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	for (uint32_t i = count; i > 1; i--) {
		uint32_t other = blast_below(state, i), kept = order[i - 1];

		order[i - 1] = order[other];
		order[other] = kept;
	}
}

static void blast_prepare(struct blast *b)
{
	size_t wanted = (size_t)BLAST_PASSES * b->keys > BLAST_MIN_LINES ? (size_t)BLAST_PASSES * b->keys
									 : BLAST_MIN_LINES;
	uint32_t *order = malloc(b->keys * sizeof(*order));
	uint8_t line[BLAST_LINE];
	uint64_t state = 1;

	b->lines = b->payload > BLAST_LINE ? (b->payload + 1) / BLAST_LINE : 1;
	b->size = b->lines * BLAST_LINE - 1;
	b->datagrams = (wanted + b->lines - 1) / b->lines;
	b->bytes = malloc(b->datagrams * b->size + 1);
	if (b->bytes == NULL || order == NULL)
		blast_die("no memory");
	for (size_t i = 0; i < b->datagrams * b->lines; i++) {
		uint8_t *to = b->bytes + i / b->lines * b->size + i % b->lines * BLAST_LINE;

		if (i % b->keys == 0)
			blast_shuffle(order, b->keys, &state);
		blast_line(b, order[i % b->keys], blast_below(&state, BLAST_VALUES), line);
		/* The last line of a datagram has no newline. */
		memcpy(to, line, i % b->lines == b->lines - 1 ? BLAST_LINE - 1 : BLAST_LINE);
	}
	free(order);
}

/* Sends `count` datagrams that lie one after the other, in one call. */
static void blast_send_joined(struct blast *b, size_t count)
{
	struct iovec vector = { b->bytes + b->at * b->size, count * b->size };
	union {
		char bytes[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	uint16_t size = (uint16_t)b->size;

	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
	if (sendmsg(b->fd, &message, 0) < 0)
		b->errors += count;
}

static void blast_send_plain(struct blast *b, size_t count)
{
	struct mmsghdr messages[BLAST_SEGMENTS] = { 0 };
	struct iovec vectors[BLAST_SEGMENTS];

	for (size_t i = 0; i < count; i++) {
		vectors[i] = (struct iovec){ b->bytes + (b->at + i) * b->size, b->size };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
	}
	for (size_t done = 0; done < count;) {
		int n = sendmmsg(b->fd, messages + done, (unsigned)(count - done), 0);

		if (n < 0)
			b->errors++;
		done += n > 0 ? (size_t)n : 1;
	}
}

static void blast_send(struct blast *b, size_t count)
{
	size_t most = b->plain ? BLAST_SEGMENTS : BLAST_CALL_BYTES / b->size;

	most = most > BLAST_SEGMENTS ? BLAST_SEGMENTS : most;
	count = count > most ? most : count;
	if (count > b->datagrams - b->at)
		count = b->datagrams - b->at;
	if (b->plain || count == 1)
		blast_send_plain(b, count);
	else
		blast_send_joined(b, count);
	b->at = (b->at + count) % b->datagrams;
	b->sent += count;
}

/* How many datagrams are due, `since_ns` after the first and `last_ns` after this was asked last.
 * *room: how many may be sent at once. */
static size_t blast_due(const struct blast *b, uint64_t since_ns, uint64_t last_ns, double *room)
{
	double a_ns = b->rate / (double)b->lines / 1e9;
	double behind = a_ns * (double)since_ns - (double)b->sent;
	double most = a_ns * BLAST_BURST_NS + 1;

	*room += a_ns * BLAST_HURRY * (double)last_ns;
	*room = *room < most ? *room : most;
	behind = behind < *room ? behind : *room;
	return behind > 0 ? (size_t)behind : 0;
}

/* Returns the seconds that it took. */
static double blast_run(struct blast *b)
{
	uint64_t began = blast_now_ns(), end = began + (uint64_t)(b->seconds * 1e9), now, last = began;
	const struct timespec rest = { .tv_nsec = BLAST_SLEEP_NS };
	double room = 0;

	while ((now = blast_now_ns()) < end && (b->count == 0 || b->sent * b->lines < b->count)) {
		uint64_t before = b->sent;
		size_t due = BLAST_SEGMENTS;

		if (b->rate > 0)
			due = blast_due(b, now - began, now - last, &room);
		last = now;
		if (due > 0)
			blast_send(b, due);
		else
			nanosleep(&rest, NULL);
		room -= (double)(b->sent - before);
	}
	return (double)(now - began) / 1e9;
}

static void blast_parse_to(struct blast *b, const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[64] = "";

	if (colon != NULL)
		snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	b->to.sin_family = AF_INET;
	b->to.sin_port = htons((uint16_t)strtoul(colon ? colon + 1 : "0", NULL, 10));
	if (inet_pton(AF_INET, host, &b->to.sin_addr) != 1)
		blast_die("--to wants an IPv4 address and a port, 127.0.0.1:8125");
}

static void blast_parse(struct blast *b, int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },      { "seconds", required_argument, NULL, 's' },
		{ "rate", required_argument, NULL, 'r' },    { "keys", required_argument, NULL, 'k' },
		{ "payload", required_argument, NULL, 'p' }, { "type", required_argument, NULL, 'y' },
		{ "count", required_argument, NULL, 'c' },   { "plain", no_argument, NULL, 'P' },
		{ NULL, 0, NULL, 0 },
	};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 't')
			blast_parse_to(b, optarg);
		else if (c == 's')
			b->seconds = strtod(optarg, NULL);
		else if (c == 'r')
			b->rate = strtod(optarg, NULL);
		else if (c == 'c')
			b->count = strtoull(optarg, NULL, 10);
		else if (c == 'k')
			b->keys = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'p')
			b->payload = strtoul(optarg, NULL, 10);
		else if (c == 'y')
			b->type = optarg;
		else if (c == 'P')
			b->plain = true;
		else
			exit(2);
	}
	if (b->to.sin_port == 0 || b->keys == 0 || b->keys > 999999 || b->payload > BLAST_CALL_BYTES / 2 ||
	    b->seconds <= 0 || strlen(b->type) > 2)
		blast_die("--to and --seconds are needed; see the head of blast.c");
}

int main(int argc, char **argv)
{
	struct blast b = { .keys = 100, .payload = 1432, .type = "ms", .seconds = 0 };
	int bytes = 4 << 20;
	double seconds;

	blast_parse(&b, argc, argv);
	blast_prepare(&b);
	prctl(PR_SET_TIMERSLACK, 1000); /* else every sleep is 50 us longer */
	b.fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (b.fd < 0 || connect(b.fd, (const struct sockaddr *)&b.to, sizeof(b.to)) < 0)
		blast_die("cannot open a socket");
	setsockopt(b.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	seconds = blast_run(&b);
	printf("{\"lines\":%llu,\"datagrams\":%llu,\"seconds\":%.6f,\"errors\":%llu}\n",
	       (unsigned long long)(b.sent * b.lines), (unsigned long long)b.sent, seconds,
	       (unsigned long long)b.errors);
	close(b.fd);
	free(b.bytes);
	return 0;
}
