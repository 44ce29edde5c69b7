// SPDX-License-Identifier: Apache-2.0
/*
 * hostile.c - datagrams that mean harm, made of good ones, and the count of what they hold.
 *
 *     hostile 127.0.0.1:8125 FILE SEED
 *
 * Reads `malformed N` or `mutated N` a line from its input, sends N datagrams and answers with what
 * it has sent since its start: `datagrams D lines L refused R unsupported U samples S`. So who
 * drives it sets the pace, and can see to it that the kernel drops nothing.
 *
 * FILE holds the datagrams to begin with, each after its size in two bytes, the lower first. A
 * mutated datagram is some of them, joined and changed in a few places; a malformed one is one
 * line changed until the parser refuses it. Lines are counted by their rule (LINE.md: blank ones are none), what
 * becomes of them is asked of proto/line.h, whose judgement others test: here it is whether a
 * receiver counts all of it.
 */
#include "proto/err.h"
#include "proto/line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOSTILE_SEEDS    1024
#define HOSTILE_BYTES    1400 /* of a datagram */
#define HOSTILE_BURST    64
#define HOSTILE_CHANGES  6
#define HOSTILE_JOINED   4
#define HOSTILE_ATTEMPTS 32
/* As the agent's defaults (agent/config.c). */
#define HOSTILE_MAX_TAGS         32
#define HOSTILE_MAX_SERIES_BYTES 1024

struct hostile {
	int fd;
	uint64_t random;
	struct slice seeds[HOSTILE_SEEDS];
	size_t seed_count;
	struct line_parser parser;
	uint8_t bytes[HOSTILE_BURST][2 * HOSTILE_BYTES];
	size_t sizes[HOSTILE_BURST];
	uint64_t datagrams, lines, refused, unsupported, samples;
};

/* What tends to matter: separators, beginnings of things, numbers at their ends, bytes that are not
 * text. */
static const char *const hostile_tokens[] = {
	"|", ":", "|@", "|#", "|T", ",", ";", "=", "\\", "(", ")", "[", "]", " ", "\r", "_e{5,4}:", "_sc|",
	"|c", "|ms", "|g", "|s", "|h", "|d", "|m", "+", "-", "nan", "inf", "1e309", "-0", "0x1p3", ".", "1e-400",
	"99999999999999999999999999999999999999999", "0.00000000000000000000000000000000001", "\xff\xfe",
	"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xef\xbb\xbf", "\x7f", "\x01", "hourglass.", "@0", "@2",
	"T99999999999999999", "T1", "id:1", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

/* SplitMix64, below a bound. */
static size_t hostile_below(struct hostile *h, size_t bound)
{
	uint64_t z = h->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (size_t)((z ^ (z >> 31)) % bound);
}

/* Replaces `gone` bytes at a place by others, as far as there is room. */
static void hostile_splice(uint8_t *bytes, size_t *size, size_t at, size_t gone, struct slice by)
{
	if (*size - gone + by.size > HOSTILE_BYTES)
		return;
	memmove(bytes + at + by.size, bytes + at + gone, *size - at - gone);
	if (by.size > 0)
		memcpy(bytes + at, by.ptr, by.size);
	*size = *size - gone + by.size;
}

static void hostile_change(struct hostile *h, uint8_t *bytes, size_t *size)
{
	size_t at = hostile_below(h, *size + 1), left = *size - at, length;
	struct slice other = h->seeds[hostile_below(h, h->seed_count)];
	uint8_t copy[16], any = (uint8_t)hostile_below(h, 256);
	const char *token = hostile_tokens[hostile_below(h, sizeof(hostile_tokens) /
							    sizeof(*hostile_tokens))];

	switch (hostile_below(h, 6)) {
	case 0: /* a bit */
		if (left > 0)
			bytes[at] ^= (uint8_t)(1u << hostile_below(h, 8));
		break;
	case 1: /* another byte, or one more */
		hostile_splice(bytes, size, at, left > 0 ? any & 1 : 0, slice_of(&any, 1));
		break;
	case 2: /* some bytes less */
		hostile_splice(bytes, size, at, hostile_below(h, left + 1), slice_of(NULL, 0));
		break;
	case 3: /* some bytes twice */
		length = hostile_below(h, (left < sizeof(copy) ? left : sizeof(copy)) + 1);
		memcpy(copy, bytes + at, length);
		hostile_splice(bytes, size, at, 0, slice_of(copy, length));
		break;
	case 4: /* a piece of another */
		length = other.size ? hostile_below(h, other.size) : 0;
		hostile_splice(bytes, size, at, 0, slice_of(other.ptr, length));
		break;
	default:
		hostile_splice(bytes, size, at, 0, slice_text(token));
	}
}

static void hostile_mutate(struct hostile *h, uint8_t *bytes, size_t *size)
{
	size_t joined = 1 + hostile_below(h, HOSTILE_JOINED);
	size_t changes = 1 + hostile_below(h, HOSTILE_CHANGES);

	*size = 0;
	while (joined-- > 0) {
		if (*size > 0 && *size < HOSTILE_BYTES)
			bytes[(*size)++] = '\n';
		hostile_splice(bytes, size, *size, 0, h->seeds[hostile_below(h, h->seed_count)]);
	}
	while (changes-- > 0)
		hostile_change(h, bytes, size);
}

/* Notes whether a sample's name is one that the agent keeps to itself. */
static void hostile_sample(void *arg, const struct line_sample *sample)
{
	static const char reserved[] = "hourglass.";
	size_t size = sizeof(reserved) - 1;

	if (sample->series.size >= size && memcmp(sample->series.ptr, reserved, size) == 0)
		*(bool *)arg = true;
}

static int hostile_judge(struct hostile *h, struct slice line)
{
	bool reserved = false;
	int status = line_parse(&h->parser, line, hostile_sample, &reserved);

	return reserved ? ERR_RESERVED_NAME : status;
}

static bool hostile_blank(struct slice line)
{
	if (line.size > 0 && line.ptr[line.size - 1] == '\r')
		line.size--;
	while (line.size > 0 && (line.ptr[line.size - 1] == ' ' || line.ptr[line.size - 1] == '\t'))
		line.size--;
	return line.size == 0;
}

/* One line that is refused. */
static void hostile_spoil(struct hostile *h, uint8_t *bytes, size_t *size)
{
	struct slice all, line;

	for (int attempt = 0; attempt < HOSTILE_ATTEMPTS; attempt++) {
		hostile_mutate(h, bytes, size);
		all = slice_of(bytes, *size);
		if (!line_split(&all, &line) || line.size == 0)
			continue;
		*size = line.size;
		if (hostile_judge(h, line) < 0)
			return;
	}
	bytes[0] = 1; /* no name holds a control byte */
	*size = 1;
}

static void hostile_count(struct hostile *h, struct slice datagram)
{
	struct slice line;

	h->datagrams++;
	while (line_split(&datagram, &line)) {
		int status;

		if (hostile_blank(line))
			continue;
		h->lines++;
		status = hostile_judge(h, line);
		if (status == ERR_EVENT || status == ERR_SERVICE_CHECK)
			h->unsupported++;
		else if (status < 0)
			h->refused++;
		else
			h->samples += (uint64_t)status;
	}
}

static void hostile_send(struct hostile *h, unsigned count)
{
	struct mmsghdr messages[HOSTILE_BURST] = { 0 };
	struct iovec vectors[HOSTILE_BURST];
	unsigned sent = 0;

	for (unsigned i = 0; i < count; i++) {
		vectors[i] = (struct iovec){ h->bytes[i], h->sizes[i] };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
	}
	while (sent < count) {
		int more = sendmmsg(h->fd, messages + sent, count - sent, 0);

		if (more < 0 && errno != EINTR && errno != ENOBUFS) {
			perror("hostile: send");
			exit(1);
		}
		sent += more > 0 ? (unsigned)more : 0;
	}
}

static void hostile_run(struct hostile *h, bool malformed, uint64_t count)
{
	while (count > 0) {
		unsigned burst = count < HOSTILE_BURST ? (unsigned)count : HOSTILE_BURST;

		for (unsigned i = 0; i < burst; i++) {
			(malformed ? hostile_spoil : hostile_mutate)(h, h->bytes[i], &h->sizes[i]);
			hostile_count(h, slice_of(h->bytes[i], h->sizes[i]));
		}
		hostile_send(h, burst);
		count -= burst;
	}
	printf("datagrams %llu lines %llu refused %llu unsupported %llu samples %llu\n",
	       (unsigned long long)h->datagrams, (unsigned long long)h->lines,
	       (unsigned long long)h->refused, (unsigned long long)h->unsupported,
	       (unsigned long long)h->samples);
	fflush(stdout);
}

static void hostile_read_seeds(struct hostile *h, const char *path)
{
	static uint8_t all[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t size = file ? fread(all, 1, sizeof(all), file) : 0;

	for (size_t at = 0; at + 2 <= size && h->seed_count < HOSTILE_SEEDS;) {
		size_t length = (size_t)(all[at] | all[at + 1] << 8);

		at += 2;
		if (length > size - at)
			break;
		h->seeds[h->seed_count++] = slice_of(all + at, length);
		at += length;
	}
	if (file != NULL)
		fclose(file);
	if (h->seed_count == 0) {
		fprintf(stderr, "hostile: no datagrams in %s\n", path);
		exit(2);
	}
}

static int hostile_connect(const char *text)
{
	const char *colon = strrchr(text, ':');
	struct sockaddr_in to = { .sin_family = AF_INET };
	char host[64] = "";
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (colon != NULL)
		snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	to.sin_port = htons((uint16_t)strtoul(colon ? colon + 1 : "0", NULL, 10));
	if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || fd < 0 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		fprintf(stderr, "hostile: cannot send to %s\n", text);
		exit(2);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static struct hostile h;
	const struct line_options options = { .max_tags = HOSTILE_MAX_TAGS,
					      .max_series_bytes = HOSTILE_MAX_SERIES_BYTES };
	unsigned long long count;
	char word[16];

	if (argc != 4) {
		fprintf(stderr, "usage: hostile 127.0.0.1:PORT FILE SEED\n");
		return 2;
	}
	h.fd = hostile_connect(argv[1]);
	hostile_read_seeds(&h, argv[2]);
	h.random = strtoull(argv[3], NULL, 10);
	line_parser_init(&h.parser, &options);
	while (scanf("%15s %llu", word, &count) == 2)
		hostile_run(&h, strcmp(word, "malformed") == 0, count);
	close(h.fd);
	return 0;
}
