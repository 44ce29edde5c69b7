// SPDX-License-Identifier: Apache-2.0
/*
 * gen.c - a paced generator of statsd lines that knows what it sent.
 *
 *     gen --to 127.0.0.1:8125 --count 1000000 --rate 100000 --senders 10 --keys 1000 ...
 *
 * Each sender is a thread with a connected UDP socket of its own. Values are whole numbers
 * 0..values-1 from a seeded generator, so the exact count, sum, min, max and median a key follow
 * from a table of counts, which --report prints as JSON when all is sent. A sender also notes
 * every failed send and the longest that had to wait: a pipeline must never disturb its senders.
 */
#include "proto/buf.h"
#include "proto/json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GEN_MAX_SENDERS  64
#define GEN_MAX_PAYLOAD  65000
#define GEN_LINE_BYTES   128
#define GEN_SLEEP_NS     500000 /* shorter waits are spun: a timer costs some 60 us here */
#define GEN_SLOW_SEND_NS 10000000

struct gen_options {
	struct sockaddr_in to;
	uint64_t count;  /* lines in all; 0: until seconds have passed */
	double seconds;
	double rate;     /* lines a second in all; 0: as fast as it goes */
	uint32_t senders, keys, values;
	size_t payload;  /* bytes a datagram; 0: one line each */
	const char *prefix, *type;
	uint64_t seed;
	bool report;
};

struct gen_sender {
	const struct gen_options *options;
	uint32_t index;
	uint64_t state;      /* of the random generator */
	uint64_t lines, datagrams, errors, slow;
	uint64_t slowest_ns;
	uint32_t *counts;    /* [key][value]; NULL without --report */
	pthread_t thread;
};

static uint64_t gen_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* SplitMix64 (Steele, Lea & Flood 2014): any seed is a good one. */
static uint64_t gen_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Decimal digits of a small number; snprintf would cost more than the send. */
static size_t gen_put_number(char *at, uint32_t value, size_t width)
{
	char digits[10];
	size_t size = 0;

	do
		digits[size++] = (char)('0' + value % 10);
	while ((value /= 10) != 0);
	while (size < width)
		digits[size++] = '0';
	for (size_t i = 0; i < size; i++)
		at[i] = digits[size - 1 - i];
	return size;
}

static size_t gen_put_line(struct gen_sender *s, char *at)
{
	const struct gen_options *o = s->options;
	uint64_t r = gen_random(&s->state);
	uint32_t key = (uint32_t)((r >> 32) % o->keys);
	uint32_t value = (uint32_t)((r & 0xffffffffu) % o->values);
	size_t prefix = strlen(o->prefix), type = strlen(o->type), size = 0;

	memcpy(at, o->prefix, prefix);
	size = prefix + gen_put_number(at + prefix, key, 6);
	at[size++] = ':';
	size += gen_put_number(at + size, value, 1);
	at[size++] = '|';
	memcpy(at + size, o->type, type);
	size += type;
	if (s->counts != NULL)
		s->counts[(size_t)key * o->values + value]++;
	return size;
}

/* How often this thread has given up the processor of its own will: a send that waits does. */
static long gen_waits(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

/* A slow send is one that *waited*: on a busy machine the scheduler takes the processor from any
 * thread for longer than 10 ms, and that is nobody's fault here. */
static void gen_send(struct gen_sender *s, int fd, const char *bytes, size_t size)
{
	long waits = gen_waits();
	uint64_t began = gen_now_ns(), took;

	while (send(fd, bytes, size, 0) < 0) {
		if (errno == EINTR)
			continue;
		s->errors++;
		break;
	}
	took = gen_now_ns() - began;
	s->datagrams++;
	if (gen_waits() == waits)
		return;
	s->slow += took > GEN_SLOW_SEND_NS;
	if (took > s->slowest_ns)
		s->slowest_ns = took;
}

/* Waits until the sender may have sent `lines`; never sends a burst to catch up more than
 * the time that was really lost. */
static void gen_pace(const struct gen_options *o, uint64_t began_ns, uint64_t lines)
{
	double share = o->rate / o->senders;
	uint64_t due = began_ns + (uint64_t)((double)lines / share * 1e9);

	for (;;) {
		uint64_t now = gen_now_ns();
		struct timespec wait = { .tv_nsec = GEN_SLEEP_NS };

		if (now >= due)
			return;
		if (due - now < GEN_SLEEP_NS)
			wait.tv_nsec = (long)(due - now);
		nanosleep(&wait, NULL);
	}
}

static void *gen_run(void *arg)
{
	struct gen_sender *s = arg;
	const struct gen_options *o = s->options;
	uint64_t quota = o->count / o->senders + (s->index < o->count % o->senders);
	uint64_t began = gen_now_ns(), end = began + (uint64_t)(o->seconds * 1e9);
	char *bytes = malloc(GEN_MAX_PAYLOAD + GEN_LINE_BYTES);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (bytes == NULL || fd < 0 || connect(fd, (const struct sockaddr *)&o->to, sizeof(o->to)) < 0) {
		perror("gen: socket");
		exit(1);
	}
	while (o->count ? s->lines < quota : gen_now_ns() < end) {
		size_t size = 0;

		do {
			if (size > 0)
				bytes[size++] = '\n';
			size += gen_put_line(s, bytes + size);
			s->lines++;
		} while (size + GEN_LINE_BYTES / 2 < o->payload && (!o->count || s->lines < quota));
		gen_send(s, fd, bytes, size);
		if (o->rate > 0)
			gen_pace(o, began, s->lines);
	}
	close(fd);
	free(bytes);
	return NULL;
}

/* The middle of a key's sorted values, the mean of the two middle ones if even. */
static double gen_median(const uint32_t *counts, uint32_t values, uint64_t total)
{
	uint64_t low = (total - 1) / 2, high = total / 2, seen = 0;
	uint32_t at_low = 0, value = 0;

	for (bool found_low = false; value < values; value++) {
		seen += counts[value];
		if (!found_low && seen > low) {
			at_low = value;
			found_low = true;
		}
		if (seen > high)
			break;
	}
	return ((double)at_low + value) / 2;
}

static void gen_report_key(struct json *j, const struct gen_options *o, uint32_t key,
			   const uint32_t *counts)
{
	uint64_t total = 0, sum = 0;
	uint32_t min = UINT32_MAX, max = 0;
	char name[GEN_LINE_BYTES];

	for (uint32_t v = 0; v < o->values; v++) {
		total += counts[v];
		sum += (uint64_t)v * counts[v];
		if (counts[v] && min == UINT32_MAX)
			min = v;
		if (counts[v])
			max = v;
	}
	if (total == 0)
		return;
	snprintf(name, sizeof(name), "%s%06u", o->prefix, key);
	json_key(j, name);
	json_object_open(j);
	json_key(j, "count");
	json_u64(j, total);
	json_key(j, "sum");
	json_u64(j, sum);
	json_key(j, "min");
	json_u64(j, min);
	json_key(j, "max");
	json_u64(j, max);
	json_key(j, "median");
	json_number(j, gen_median(counts, o->values, total));
	json_object_close(j);
}

/* Adds the senders up and prints one JSON object. */
static void gen_report(const struct gen_options *o, struct gen_sender *senders, double seconds)
{
	struct gen_sender all = { 0 };
	size_t cells = (size_t)o->keys * o->values;
	struct buf out;
	struct json j;

	buf_init(&out, (size_t)1 << 30);
	j = json_begin(&out);
	for (uint32_t i = 0; i < o->senders; i++) {
		all.lines += senders[i].lines;
		all.datagrams += senders[i].datagrams;
		all.errors += senders[i].errors;
		all.slow += senders[i].slow;
		if (senders[i].slowest_ns > all.slowest_ns)
			all.slowest_ns = senders[i].slowest_ns;
		for (size_t c = 0; i > 0 && o->report && c < cells; c++)
			senders[0].counts[c] += senders[i].counts[c];
	}
	json_object_open(&j);
	json_key(&j, "lines");
	json_u64(&j, all.lines);
	json_key(&j, "datagrams");
	json_u64(&j, all.datagrams);
	json_key(&j, "send_errors");
	json_u64(&j, all.errors);
	json_key(&j, "slow_sends");
	json_u64(&j, all.slow);
	json_key(&j, "longest_wait_ms");
	json_number(&j, (double)all.slowest_ns / 1e6);
	json_key(&j, "seconds");
	json_number(&j, seconds);
	json_key(&j, "keys");
	json_object_open(&j);
	for (uint32_t k = 0; o->report && k < o->keys; k++)
		gen_report_key(&j, o, k, senders[0].counts + (size_t)k * o->values);
	json_object_close(&j);
	json_object_close(&j);
	if (buf_status(&out) == 0)
		printf("%.*s\n", (int)out.size, (const char *)out.data);
	buf_release(&out);
}

static const struct option gen_long_options[] = {
	{ "to", required_argument, NULL, 't' },      { "count", required_argument, NULL, 'c' },
	{ "seconds", required_argument, NULL, 's' }, { "rate", required_argument, NULL, 'r' },
	{ "senders", required_argument, NULL, 'n' }, { "keys", required_argument, NULL, 'k' },
	{ "values", required_argument, NULL, 'v' },  { "payload", required_argument, NULL, 'p' },
	{ "prefix", required_argument, NULL, 'x' },  { "type", required_argument, NULL, 'y' },
	{ "seed", required_argument, NULL, 'S' },    { "report", no_argument, NULL, 'R' },
	{ NULL, 0, NULL, 0 },
};

static void gen_parse_to(struct gen_options *o, const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[64];

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host)) {
		fprintf(stderr, "gen: --to wants an IPv4 address and a port, 127.0.0.1:8125\n");
		exit(2);
	}
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	o->to.sin_family = AF_INET;
	o->to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, host, &o->to.sin_addr) != 1) {
		fprintf(stderr, "gen: %s is not an IPv4 address\n", host);
		exit(2);
	}
}

/* style: allow function-length - one switch over all options */
static void gen_parse(struct gen_options *o, int argc, char **argv)
{
	for (int c; (c = getopt_long(argc, argv, "", gen_long_options, NULL)) != -1;) {
		switch (c) {
		case 't':
			gen_parse_to(o, optarg);
			break;
		case 'c':
			o->count = strtoull(optarg, NULL, 10);
			break;
		case 's':
			o->seconds = strtod(optarg, NULL);
			break;
		case 'r':
			o->rate = strtod(optarg, NULL);
			break;
		case 'n':
			o->senders = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'k':
			o->keys = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'v':
			o->values = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'p':
			o->payload = strtoul(optarg, NULL, 10);
			break;
		case 'x':
			o->prefix = optarg;
			break;
		case 'y':
			o->type = optarg;
			break;
		case 'S':
			o->seed = strtoull(optarg, NULL, 10);
			break;
		case 'R':
			o->report = true;
			break;
		default:
			exit(2);
		}
	}
	if (o->to.sin_port == 0 || o->senders == 0 || o->senders > GEN_MAX_SENDERS || o->keys == 0 ||
	    o->values == 0 || o->payload > GEN_MAX_PAYLOAD || strlen(o->prefix) + 40 > GEN_LINE_BYTES / 2 + 30 ||
	    (o->count == 0 && o->seconds <= 0)) {
		fprintf(stderr, "gen: --to and --count or --seconds are needed; see the head of gen.c\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct gen_options o = { .senders = 1, .keys = 100, .values = 1000, .prefix = "gen.key",
				 .type = "ms", .seed = 1 };
	struct gen_sender senders[GEN_MAX_SENDERS] = { 0 };
	uint64_t began;

	gen_parse(&o, argc, argv);
	for (uint32_t i = 0; i < o.senders; i++) {
		senders[i] = (struct gen_sender){ .options = &o, .index = i,
						  .state = o.seed * 1000003u + i };
		if (o.report)
			senders[i].counts = calloc((size_t)o.keys * o.values, sizeof(uint32_t));
		if (o.report && senders[i].counts == NULL)
			return 1;
	}
	began = gen_now_ns();
	for (uint32_t i = 0; i < o.senders; i++)
		if (pthread_create(&senders[i].thread, NULL, gen_run, &senders[i]) != 0)
			return 1;
	for (uint32_t i = 0; i < o.senders; i++)
		pthread_join(senders[i].thread, NULL);
	gen_report(&o, senders, (double)(gen_now_ns() - began) / 1e9);
	for (uint32_t i = 0; i < o.senders; i++)
		free(senders[i].counts);
	return 0;
}
