// SPDX-License-Identifier: Apache-2.0
/*
 * agents.c - many agents in one process, without their ears.
 *
 *     agents COUNT KEYS SECONDS [option of hourglass-agent]...
 *
 * Each is the agent's own delivery (outbox, peers, real sockets) with a spool in memory; in the place
 * of a receiver it seals one value a key each interval, as rarely as relays ask for, all with
 * the same names. After SECONDS, or at SIGTERM, they seal no more, and when all is committed
 * (or after a minute) it prints JSON: what was sealed and left, and how old the oldest sample of a
 * batch was when it was committed, since the start or the last SIGUSR1. At SIGUSR2 it prints `connects N`: the
 * most connections that any one agent has made to relays since the last SIGUSR2. A line `ready` is printed when every agent is at a relay.
 */
#include "agent/config.h"
#include "agent/delivery.h"
#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/group.h"
#include "proto/json.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define AGENTS_TICK_MS   10
#define AGENTS_DRAIN_MS  60000
#define AGENTS_KEY_BYTES 32
#define AGENTS_PENDING   64 /* seals of one agent that wait for their commit */

struct agents_seal {
	uint64_t until;   /* samples sealed by this agent, with this seal */
	int64_t since_ms; /* the seal before: its oldest sample came right after it */
};

struct light {
	struct identity identity;
	struct ledger ledger;
	struct delivery *delivery;
	int64_t seal_ms, sealed_ms, next_ms;
	uint64_t sealed;
	uint64_t connects; /* made by the last SIGUSR2 */
	bool settled; /* something has come of a relay */
	struct agents_seal pending[AGENTS_PENDING];
	size_t pending_count;
	struct agents *all;
};

/* A key of all agents, and what a seal says of it. */
struct agents_key {
	char name[AGENTS_KEY_BYTES];
	uint32_t partition; /* in order of these */
	struct buf group;
};

struct agents {
	uv_loop_t loop;
	uv_timer_t timer;
	struct config config;
	struct light *light;
	size_t count, keys;
	struct agents_key *key;
	uint32_t partitions; /* that keys are in order of; 0: none yet */
	struct batch_writer writer;
	uint64_t *ages; /* of 10 ms: how many seals were committed at that age */
	size_t ages_count;
	uint64_t seals, dropped;
	int64_t end_ms;
	bool ready, closing;
};

static volatile sig_atomic_t agents_stop, agents_anew, agents_ask;

static void agents_die(const char *what)
{
	fprintf(stderr, "agents: %s\n", what);
	exit(1);
}

/* ---- one agent ---- */

static void light_on_floor(void *arg, int64_t floor_second)
{
	(void)arg;
	(void)floor_second;
}

static void light_on_pace(void *arg, int64_t seal_ms)
{
	struct light *l = arg;

	l->seal_ms = seal_ms > l->all->config.seal_ms ? seal_ms : l->all->config.seal_ms;
}

/* Its series are the same ever. */
static void light_on_full(void *arg, bool full)
{
	(void)arg;
	(void)full;
}

static void light_on_settled(void *arg)
{
	((struct light *)arg)->settled = true;
}

static const struct delivery_events light_events = {
	.floor = light_on_floor,
	.pace = light_on_pace,
	.full = light_on_full,
	.settled = light_on_settled,
};

static int agents_by_partition(const void *left, const void *right)
{
	uint32_t a = ((const struct agents_key *)left)->partition;
	uint32_t b = ((const struct agents_key *)right)->partition;

	return (a > b) - (a < b);
}

/* The fleet's number of partitions is known. */
static void agents_sort(struct agents *a, uint32_t partitions)
{
	a->partitions = partitions;
	for (size_t k = 0; k < a->keys; k++)
		a->key[k].partition = hash_partition(slice_text(a->key[k].name), partitions);
	qsort(a->key, a->keys, sizeof(*a->key), agents_by_partition);
}

/* Seals the keys of one partition, from `first` on. Returns the first of the next. */
static size_t light_append(struct light *l, size_t first, int64_t unix_ms)
{
	struct agents *a = l->all;
	uint32_t partition = a->key[first].partition;
	size_t k = first;

	batch_writer_reset(&a->writer, unix_ms / 1000);
	for (; k < a->keys && a->key[k].partition == partition; k++) {
		struct batch_group group = { .kind = KIND_DISTRIBUTION,
					     .series = slice_text(a->key[k].name),
					     .second = unix_ms / 1000,
					     .bytes = buf_view(&a->key[k].group) };

		batch_writer_add(&a->writer, &group, 1);
	}
	if (delivery_append(l->delivery, partition, &a->writer, k - first, unix_ms) < 0)
		agents_die("a spool is full");
	l->sealed += k - first;
	return k;
}

static void light_seal(struct light *l, int64_t now_ms)
{
	uint32_t partitions = delivery_partitions(l->delivery);
	int64_t unix_ms = life_wall_ms();

	l->next_ms += l->seal_ms;
	if (l->next_ms <= now_ms)
		l->next_ms = now_ms + l->seal_ms;
	if (partitions == 0 || l->pending_count == AGENTS_PENDING) {
		l->all->dropped += l->pending_count == AGENTS_PENDING;
		return;
	}
	if (l->all->partitions == 0)
		agents_sort(l->all, partitions);
	for (size_t k = 0; k < l->all->keys;)
		k = light_append(l, k, unix_ms);
	l->pending[l->pending_count++] =
		(struct agents_seal){ l->sealed, l->sealed_ms ? l->sealed_ms : now_ms };
	l->sealed_ms = now_ms;
	l->all->seals++;
	delivery_sealed_until(l->delivery, unix_ms);
}

/* Notes the age of what is committed by now. */
static void light_note(struct light *l, int64_t now_ms)
{
	uint64_t committed = l->sealed - delivery_undelivered(l->delivery);
	size_t done = 0;

	while (done < l->pending_count && l->pending[done].until <= committed) {
		size_t age = (size_t)(now_ms - l->pending[done++].since_ms) / AGENTS_TICK_MS;

		l->all->ages[age < l->all->ages_count ? age : l->all->ages_count - 1]++;
	}
	l->pending_count -= done;
	memmove(l->pending, l->pending + done, l->pending_count * sizeof(*l->pending));
}

static void light_run(struct light *l, int64_t now_ms)
{
	l->settled = false;
	delivery_judge(l->delivery, now_ms);
	delivery_run(l->delivery, now_ms);
	light_note(l, now_ms);
}

static void light_open(struct agents *a, struct light *l, size_t index)
{
	l->all = a;
	l->seal_ms = a->config.seal_ms;
	/* Hosts are not in step. */
	l->next_ms = life_monotonic_ms() + (int64_t)(index * (size_t)l->seal_ms / a->count);
	if (identity_open(&l->identity, "") < 0 ||
	    delivery_new(&a->loop, &a->config, &l->identity, &l->ledger, &light_events, l,
			 &l->delivery) < 0)
		agents_die("no memory for so many");
}

/* ---- all of them ---- */

static double agents_age(const struct agents *a, double share)
{
	uint64_t all = 0, wanted, seen = 0;
	size_t i;

	for (i = 0; i < a->ages_count; i++)
		all += a->ages[i];
	wanted = (uint64_t)(share * (double)all);
	for (i = 0; i < a->ages_count && seen + a->ages[i] <= wanted; i++)
		seen += a->ages[i];
	return (double)(i * AGENTS_TICK_MS) / 1000;
}

static void agents_report(const struct agents *a)
{
	uint64_t sealed = 0, left = 0;
	int64_t seal_ms = 0;
	struct buf out;
	struct json j;

	for (size_t i = 0; i < a->count; i++) {
		sealed += a->light[i].sealed;
		left += delivery_undelivered(a->light[i].delivery);
		seal_ms += a->light[i].seal_ms;
	}
	buf_init(&out, 4096);
	j = json_begin(&out);
	json_object_open(&j);
	json_key(&j, "sealed");
	json_u64(&j, sealed);
	json_key(&j, "undelivered");
	json_u64(&j, left);
	json_key(&j, "seals");
	json_u64(&j, a->seals);
	json_key(&j, "dropped_seals");
	json_u64(&j, a->dropped);
	json_key(&j, "seal_seconds");
	json_number(&j, (double)seal_ms / 1000 / (double)a->count);
	json_key(&j, "age_p50");
	json_number(&j, agents_age(a, 0.5));
	json_key(&j, "age_p99");
	json_number(&j, agents_age(a, 0.99));
	json_object_close(&j);
	printf("%.*s\n", (int)out.size, (const char *)out.data);
	buf_release(&out);
}

static void agents_on_signal(int number)
{
	if (number == SIGTERM)
		agents_stop = 1;
	else if (number == SIGUSR2)
		agents_ask = 1;
	else
		agents_anew = 1;
}

/* Says the most connections that one agent has made since this was asked last. */
static void agents_say_connects(struct agents *a)
{
	uint64_t most = 0;

	for (size_t i = 0; i < a->count; i++) {
		struct light *l = &a->light[i];
		uint64_t made = tally_get(&l->ledger.relay_connects);

		most = made - l->connects > most ? made - l->connects : most;
		l->connects = made;
	}
	printf("connects %llu\n", (unsigned long long)most);
	fflush(stdout);
}

/* Whether there is nothing more to wait for. */
static bool agents_done(const struct agents *a, int64_t now_ms)
{
	if (now_ms < a->end_ms)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (delivery_undelivered(a->light[i].delivery) > 0)
			return now_ms >= a->end_ms + AGENTS_DRAIN_MS;
	return true;
}

static void agents_close(struct agents *a)
{
	a->closing = true;
	agents_report(a);
	for (size_t i = 0; i < a->count; i++) {
		delivery_publish(a->light[i].delivery, true);
		delivery_close(a->light[i].delivery, true);
	}
	uv_close((uv_handle_t *)&a->timer, NULL);
}

static void agents_on_tick(uv_timer_t *timer)
{
	struct agents *a = timer->data;
	int64_t now_ms = life_monotonic_ms();
	bool ready = true;

	if (agents_stop && a->end_ms > now_ms)
		a->end_ms = now_ms;
	if (agents_anew)
		memset(a->ages, 0, a->ages_count * sizeof(*a->ages));
	agents_anew = 0;
	if (agents_ask)
		agents_say_connects(a);
	agents_ask = 0;
	for (size_t i = 0; i < a->count; i++) {
		struct light *l = &a->light[i];

		if (now_ms >= l->next_ms && now_ms < a->end_ms)
			light_seal(l, now_ms);
		if (l->settled || l->sealed_ms == now_ms || delivery_next_ms(l->delivery) <= now_ms)
			light_run(l, now_ms);
		ready = ready && delivery_ready(l->delivery);
	}
	if (ready && !a->ready) {
		a->ready = true;
		printf("ready\n");
		fflush(stdout);
	}
	if (agents_done(a, now_ms))
		agents_close(a);
}

static void agents_open(struct agents *a)
{
	struct rlimit files;

	/* As root past the limit, else up to it. */
	files = (struct rlimit){ .rlim_cur = 4 * a->count + 64, .rlim_max = 4 * a->count + 64 };
	if (setrlimit(RLIMIT_NOFILE, &files) < 0) {
		getrlimit(RLIMIT_NOFILE, &files);
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	a->light = calloc(a->count, sizeof(*a->light));
	a->key = calloc(a->keys, sizeof(*a->key));
	a->ages_count = 60 * 1000 / AGENTS_TICK_MS;
	a->ages = calloc(a->ages_count, sizeof(*a->ages));
	if (a->light == NULL || a->key == NULL || a->ages == NULL)
		agents_die("no memory for so many");
	for (size_t k = 0; k < a->keys; k++) {
		double value = (double)(k % 100);

		snprintf(a->key[k].name, AGENTS_KEY_BYTES, "fleet.key%05zu", k);
		buf_init(&a->key[k].group, 64);
		group_put_values(&a->key[k].group,
				 (struct group_sampling){ .rate = 1, .weight = 1 }, &value, 1);
	}
	batch_writer_init(&a->writer, 0);
	uv_loop_init(&a->loop);
	for (size_t i = 0; i < a->count; i++)
		light_open(a, &a->light[i], i);
	uv_timer_init(&a->loop, &a->timer);
	a->timer.data = a;
	uv_timer_start(&a->timer, agents_on_tick, 0, AGENTS_TICK_MS);
}

int main(int argc, char **argv)
{
	static struct agents a;

	if (argc < 4)
		agents_die("usage: agents COUNT KEYS SECONDS [option of hourglass-agent]...");
	a.count = strtoul(argv[1], NULL, 10);
	a.keys = strtoul(argv[2], NULL, 10);
	argv[3][strcspn(argv[3], ".")] = '\0';
	a.end_ms = life_monotonic_ms() + strtol(argv[3], NULL, 10) * 1000;
	argv[3] = argv[0];
	if (a.count == 0 || conf_parse(config_spec(), argc - 3, argv + 3, &a.config) != CONF_RUN)
		return 2;
	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, agents_on_signal);
	signal(SIGUSR1, agents_on_signal);
	signal(SIGUSR2, agents_on_signal);
	agents_open(&a);
	uv_run(&a.loop, UV_RUN_DEFAULT);
	conf_release(config_spec(), &a.config);
	return 0;
}
