// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis_cluster.h"

#include "proto/daemon/log.h"
#include "proto/err.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/*
 * A link a master, and one (the seed) to any node of the Cluster while no master can be asked where
 * the slots are. That is asked every two seconds, which finds a master that hangs; at once when a
 * node says MOVED or a link is lost; and several times a second until all slots have
 * masters that answer.
 */
#define TICK_MS         100
#define ASK_CALM_MS     2000
#define ASK_ANXIOUS_MS  300
#define ASK_STALE_MS    50
#define ASK_PATIENCE_MS 1000 /* then another node is asked */
#define FIRST_WAIT_MS   1000 /* for all masters, before some will do */
#define IDLE_MS         30000
#define SEED_TIMEOUT_MS 2000

static void ask(struct redis_cluster *c);

static uint64_t now_of(const struct redis_cluster *c)
{
	return uv_now(c->redis->loop);
}

static void on_part_closed(void *arg)
{
	struct redis_cluster *c = arg;
	struct redis *r = c->redis;

	if (--c->open > 0)
		return;
	free(c);
	redis_closed(r);
}

/* ---- being up ---- */

static bool has_slots(const struct cluster_peer *peer)
{
	return peer && peer->cluster->map.nodes[peer->number].slots > 0;
}

/* How many masters there are, and how many of them can be used. */
static size_t count_masters(const struct redis_cluster *c, size_t *up)
{
	size_t i, count = 0;

	*up = 0;
	for (i = 0; i < CLUSTER_NODES_MAX; i++) {
		if (c->map.nodes[i].slots == 0)
			continue;
		count++;
		*up += c->peers[i] && redis_link_is_up(c->peers[i]->link);
	}
	return count;
}

static bool is_whole(const struct redis_cluster *c)
{
	size_t up, masters = count_masters(c, &up);

	return up == masters && c->map.covered == RKEY_SLOTS;
}

static void tell(struct redis_cluster *c, int reason)
{
	size_t up, i;

	(void)count_masters(c, &up);
	if (up == 0)
		redis_tell_down(c->redis, reason);
	else if (!c->redis->up && c->known &&
		 (is_whole(c) || now_of(c) >= c->known_at_ms + FIRST_WAIT_MS))
		for (i = 0; i < CLUSTER_NODES_MAX && !c->redis->up && !c->redis->closing; i++)
			if (has_slots(c->peers[i]) && redis_link_is_up(c->peers[i]->link))
				redis_tell_up(c->redis, redis_link_info(c->peers[i]->link));
}

/* Tells what can be used now, and that it is another master than before: one that came up, or that
 * was given slots while it was. A master that was deposed and is one again within seconds
 * never lost its link, and has forgotten what its successor took. */
static void tell_masters(struct redis_cluster *c)
{
	struct redis *r = c->redis;
	bool was_up = r->up, changed = false;
	size_t i;

	for (i = 0; i < CLUSTER_NODES_MAX; i++) {
		struct cluster_peer *peer = c->peers[i];
		bool serves = has_slots(peer) && redis_link_is_up(peer->link);
		if (!peer)
			continue;
		changed |= serves && !peer->serves;
		peer->serves = serves;
	}
	tell(c, 0);
	if (changed && was_up && r->up && r->events.changed && !r->closing)
		r->events.changed(r->arg);
}

/* ---- masters ---- */

static void on_node_timeout(void *arg, int status, const redisReply *reply)
{
	struct redis_cluster *c = arg;
	int64_t value_ms;

	if (status < 0 || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[1]->type != REDIS_REPLY_STRING)
		return;
	value_ms = strtoll(reply->element[1]->str, NULL, 10);
	if (value_ms > c->redis->detection_ms && value_ms < INT32_MAX)
		c->redis->detection_ms = value_ms;
}

static void on_peer_up(void *arg)
{
	const struct slice argv[] = { slice_text("CONFIG"), slice_text("GET"),
				      slice_text("cluster-node-timeout") };
	struct cluster_peer *peer = arg;
	struct redis_cluster *c = peer->cluster;

	(void)!redis_link_command(peer->link, 3, argv, on_node_timeout, c);
	cluster_calls_unpark(peer);
	tell_masters(c);
}

static void on_peer_down(void *arg, int reason)
{
	struct cluster_peer *peer = arg;
	struct redis_cluster *c = peer->cluster;

	peer->serves = false;
	c->stale = true;
	ask(c);
	tell(c, reason);
}

static void on_peer_closed(void *arg)
{
	struct cluster_peer *peer = arg;
	struct redis_cluster *c = peer->cluster;

	if (c->peers[peer->number] == peer)
		c->peers[peer->number] = NULL;
	free(peer);
	on_part_closed(c);
}

/* The map is put right at once for this slot, and read anew for its neighbours. */
static void on_peer_error(void *arg, const redisReply *reply)
{
	struct cluster_peer *peer = arg;
	struct redis_cluster *c = peer->cluster;
	struct slice text = slice_of(reply->str, reply->len);
	struct cluster_redirect said = cluster_read_redirect(text, redis_link_address(peer->link));

	if (said.word == CLUSTER_MOVED) {
		struct cluster_peer *to = cluster_peer_of(c, &said.to);
		if (to)
			cluster_map_move(&c->map, said.slot, to->number);
		c->stale = true;
		ask(c);
	} else if (strncmp(reply->str, "CLUSTERDOWN", 11) == 0) {
		c->stale = true;
	}
}

static void open_peer(struct redis_cluster *c, uint16_t number)
{
	static const struct redis_link_events events = {
		.up = on_peer_up,
		.down = on_peer_down,
		.error = on_peer_error,
	};
	const struct redis_link_options options = redis_link_options(c->redis, "cluster");
	struct cluster_peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return;
	if (redis_link_open(c->redis->loop, &options, &events, peer, &peer->link) < 0) {
		free(peer);
		return;
	}
	peer->cluster = c;
	peer->number = number;
	peer->idle_since_ms = now_of(c);
	c->peers[number] = peer;
	c->open++;
	redis_link_connect(peer->link, &c->map.nodes[number].address);
}

struct cluster_peer *cluster_peer_of(struct redis_cluster *c, const struct addr *address)
{
	uint16_t number = cluster_map_node(&c->map, address);

	if (number == CLUSTER_NO_NODE)
		return NULL;
	if (!c->peers[number])
		open_peer(c, number);
	return c->peers[number];
}

/* A link for every master; none for a node that has had no slot for a while, or is down. */
static void match_peers(struct redis_cluster *c)
{
	uint16_t i;

	for (i = 0; i < CLUSTER_NODES_MAX; i++) {
		struct cluster_peer *peer = c->peers[i];
		if (c->map.nodes[i].slots > 0) {
			if (!peer)
				open_peer(c, i);
			else
				peer->idle_since_ms = now_of(c);
		} else if (peer && peer->parked == 0 &&
			   now_of(c) >= peer->idle_since_ms +
						(redis_link_is_up(peer->link) ? IDLE_MS : TICK_MS)) {
			c->peers[i] = NULL;
			cluster_map_remove(&c->map, i);
			redis_link_close(peer->link, on_peer_closed, peer);
		} else if (!peer && c->map.nodes[i].used) {
			cluster_map_remove(&c->map, i);
		}
	}
}

/* ---- where the slots are ---- */

struct question {
	struct redis_cluster *cluster;
	struct addr asked;
};

static void complain(struct redis_cluster *c, const redisReply *reply)
{
	char quoted[LOG_QUOTE_SIZE];
	struct slice text = slice_text("CLUSTER SLOTS names no slots");

	if (reply->type == REDIS_REPLY_ERROR)
		text = slice_of(reply->str, reply->len);
	if (log_allowed(&c->log_limit, (int64_t)now_of(c), NULL))
		log_error("cluster_unknown", "endpoint=%s reason=%s", c->redis->url.endpoint,
			  log_quote(text, quoted));
}

static void on_slots(void *arg, int status, const redisReply *reply)
{
	struct question *question = arg;
	struct redis_cluster *c = question->cluster;
	struct addr asked = question->asked;

	free(question);
	c->asking = false;
	if (status < 0 || c->redis->closing)
		return;
	if (cluster_map_take(&c->map, reply, &asked) < 0) {
		complain(c, reply);
		redis_link_drop(c->seed, 0); /* the next one may know */
		return;
	}
	if (!c->known)
		c->known_at_ms = now_of(c);
	c->known = true;
	c->stale = false;
	match_peers(c);
	tell_masters(c);
}

/* The masters in turn; the seed when none is up. */
static struct redis_link *choose_asked(struct redis_cluster *c)
{
	size_t i;

	for (i = 0; i < CLUSTER_NODES_MAX; i++) {
		const struct cluster_peer *peer;
		c->next_asked = (uint16_t)((c->next_asked + 1) % CLUSTER_NODES_MAX);
		peer = c->peers[c->next_asked];
		if (peer && redis_link_is_up(peer->link))
			return peer->link;
	}
	return redis_link_is_up(c->seed) ? c->seed : NULL;
}

static void ask(struct redis_cluster *c)
{
	const struct slice argv[] = { slice_text("CLUSTER"), slice_text("SLOTS") };
	uint64_t since_ms = now_of(c) - c->asked_at_ms;
	struct redis_link *link;
	struct question *question;

	if (c->redis->closing || since_ms < (c->asking ? ASK_PATIENCE_MS : ASK_STALE_MS))
		return;
	link = choose_asked(c);
	question = link ? malloc(sizeof(*question)) : NULL;
	if (!question)
		return;
	*question = (struct question){ c, *redis_link_address(link) };
	c->asked_at_ms = now_of(c);
	c->asking = redis_link_command(link, 2, argv, on_slots, question) == 0;
	if (!c->asking)
		free(question);
}

/* ---- the seed ---- */

static bool a_master_is_up(const struct redis_cluster *c)
{
	size_t i;

	for (i = 0; i < CLUSTER_NODES_MAX; i++)
		if (c->peers[i] && redis_link_is_up(c->peers[i]->link))
			return true;
	return false;
}

/* The configured ones, then the nodes known; in turn. */
static const struct addr *next_seed(struct redis_cluster *c)
{
	const struct redis_url *url = &c->redis->url;
	size_t all = url->seed_count + CLUSTER_NODES_MAX;

	for (;;) {
		size_t i = c->next_seed++ % all;
		if (i < url->seed_count)
			return &url->seeds[i];
		if (c->map.nodes[i - url->seed_count].used)
			return &c->map.nodes[i - url->seed_count].address;
	}
}

static void use_seed(struct redis_cluster *c)
{
	bool needed = !a_master_is_up(c);

	if (needed && c->seed_wanted) {
		c->seed_wanted = false;
		redis_link_connect(c->seed, next_seed(c));
	} else if (!needed && redis_link_is_up(c->seed)) {
		redis_link_drop(c->seed, 0);
	}
}

static void on_seed_wanted(void *arg)
{
	((struct redis_cluster *)arg)->seed_wanted = true;
}

static void on_seed_up(void *arg)
{
	ask(arg);
}

/* ---- the kind ---- */

static void on_tick(uv_timer_t *timer)
{
	struct redis_cluster *c = timer->data;
	uint64_t pause_ms = is_whole(c) ? ASK_CALM_MS : ASK_ANXIOUS_MS;

	cluster_calls_expire(c);
	if (c->redis->closing)
		return;
	if (c->known)
		match_peers(c);
	use_seed(c);
	if (c->stale || now_of(c) >= c->asked_at_ms + pause_ms)
		ask(c);
	tell(c, 0);
}

static int cluster_open(struct redis *r)
{
	static const struct redis_link_events events = { .wanted = on_seed_wanted,
							 .up = on_seed_up };
	struct redis_link_options options = redis_link_options(r, "cluster");
	struct redis_cluster *c = calloc(1, sizeof(*c));
	int status;

	if (!c)
		return -ENOMEM;
	c->redis = r;
	cluster_map_init(&c->map);
	options.scripts = false;
	options.timeout_ms = SEED_TIMEOUT_MS;
	status = redis_link_open(r->loop, &options, &events, c, &c->seed);
	if (status < 0) {
		free(c);
		return status;
	}
	status = uv_timer_init(r->loop, &c->timer);
	assert(status == 0); /* it only links a handle into the loop */
	c->timer.data = c;
	uv_timer_start(&c->timer, on_tick, TICK_MS, TICK_MS);
	c->open = 2;
	c->seed_wanted = true;
	r->shell = c;
	use_seed(c);
	return 0;
}

static struct redis_link *cluster_link(struct redis *r, uint16_t slot)
{
	struct redis_cluster *c = r->shell;
	uint16_t number = c->map.owner[slot % RKEY_SLOTS];
	struct cluster_peer *peer = number == CLUSTER_NO_NODE ? NULL : c->peers[number];

	return r->up && peer && redis_link_is_up(peer->link) ? peer->link : NULL;
}

static struct redis_link *cluster_next(struct redis *r, size_t *cursor)
{
	struct redis_cluster *c = r->shell;

	while (*cursor < CLUSTER_NODES_MAX) {
		struct cluster_peer *peer = c->peers[(*cursor)++];
		if (has_slots(peer) && redis_link_is_up(peer->link))
			return peer->link;
	}
	return NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
	cluster_calls_fail(handle->data);
	on_part_closed(handle->data);
}

static void cluster_close(struct redis *r)
{
	struct redis_cluster *c = r->shell;
	size_t i;

	for (i = 0; i < CLUSTER_NODES_MAX; i++)
		if (c->peers[i])
			redis_link_close(c->peers[i]->link, on_peer_closed, c->peers[i]);
	redis_link_close(c->seed, on_part_closed, c);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

const struct redis_ops redis_cluster_ops = {
	.open = cluster_open,
	.link = cluster_link,
	.next = cluster_next,
	.command = cluster_calls_send,
	.close = cluster_close,
};
