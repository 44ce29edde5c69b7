// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis_cluster.h"

#include "proto/err.h"

#include <errno.h>
#include <stdlib.h>

#define REDIRECTS_MAX 5
#define PARKED_MAX    10000
#define PARK_MS       1000

/* A command that keeps its bytes: a node that redirects it has not applied it. */
struct cluster_call {
	struct redis_cluster *cluster;
	struct cluster_call *next; /* parked */
	struct addr at;            /* where it was, or will be, sent */
	uint16_t number;           /* of that node */
	bool asking;
	unsigned redirects;
	uint64_t deadline_ms; /* parked */
	redis_reply_fn reply;
	void *arg;
	size_t size;
	uint8_t resp[];
};

static void on_reply(void *arg, int status, const redisReply *reply);

static void finish(struct cluster_call *call, int status, const redisReply *reply)
{
	if (call->reply)
		call->reply(call->arg, status, reply);
	free(call);
}

static int send_to(struct cluster_call *call, struct redis_link *link)
{
	const struct slice asking[] = { slice_text("ASKING") };
	int status = 0;

	if (call->asking)
		status = redis_link_command(link, 1, asking, NULL, NULL);
	if (status == 0)
		status = redis_link_command_raw(link, slice_of(call->resp, call->size), on_reply,
						call);
	return status;
}

/* Waits for the link of a node that we have not met yet. */
static bool park(struct cluster_call *call, struct cluster_peer *peer)
{
	struct redis_cluster *c = call->cluster;
	struct cluster_call **end = &c->parked;

	if (c->parked_count == PARKED_MAX)
		return false;
	while (*end)
		end = &(*end)->next;
	call->deadline_ms = uv_now(c->redis->loop) + PARK_MS;
	call->next = NULL;
	*end = call;
	c->parked_count++;
	peer->parked++;
	return true;
}

/* False when the reply is its caller's. */
static bool follow(struct cluster_call *call, const redisReply *reply)
{
	struct slice text = slice_of(reply->str, reply->len);
	struct cluster_redirect said = cluster_read_redirect(text, &call->at);
	struct cluster_peer *peer;

	if (said.word == CLUSTER_OTHER || call->redirects == REDIRECTS_MAX)
		return false;
	peer = cluster_peer_of(call->cluster, &said.to);
	if (!peer)
		return false;
	call->redirects++;
	call->asking = said.word == CLUSTER_ASK;
	call->at = said.to;
	call->number = peer->number;
	if (redis_link_is_up(peer->link))
		return send_to(call, peer->link) == 0;
	return park(call, peer);
}

static void on_reply(void *arg, int status, const redisReply *reply)
{
	struct cluster_call *call = arg;

	if (status == 0 && reply->type == REDIS_REPLY_ERROR && !call->cluster->redis->closing &&
	    follow(call, reply))
		return;
	finish(call, status, reply);
}

int cluster_calls_send(struct redis *r, uint16_t slot, struct slice resp, redis_reply_fn reply,
		       void *arg)
{
	struct redis_link *link = r->ops->link(r, slot);
	struct cluster_call *call;
	int status;

	if (!link)
		return ERR_STORE_DOWN;
	call = malloc(sizeof(*call) + resp.size);
	if (!call)
		return -ENOMEM;
	*call = (struct cluster_call){ .cluster = r->shell, .at = *redis_link_address(link),
				       .reply = reply, .arg = arg, .size = resp.size };
	memcpy(call->resp, resp.ptr, resp.size);
	status = send_to(call, link);
	if (status < 0)
		free(call);
	return status;
}

/* ---- the parked ---- */

/* Takes the first out that waits for a node, or, when node is CLUSTER_NO_NODE, until now_ms. */
static struct cluster_call *take_parked(struct redis_cluster *c, uint16_t node, uint64_t now_ms)
{
	struct cluster_call **at, *call;

	for (at = &c->parked; *at; at = &(*at)->next) {
		call = *at;
		if (node == CLUSTER_NO_NODE ? call->deadline_ms > now_ms : call->number != node)
			continue;
		*at = call->next;
		c->parked_count--;
		if (c->peers[call->number])
			c->peers[call->number]->parked--;
		return call;
	}
	return NULL;
}

void cluster_calls_unpark(struct cluster_peer *peer)
{
	struct cluster_call *call;

	while (redis_link_is_up(peer->link) &&
	       (call = take_parked(peer->cluster, peer->number, 0)) != NULL)
		if (send_to(call, peer->link) < 0)
			finish(call, ERR_STORE_DOWN, NULL);
}

void cluster_calls_expire(struct redis_cluster *c)
{
	struct cluster_call *call;
	uint64_t now_ms = uv_now(c->redis->loop);

	while ((call = take_parked(c, CLUSTER_NO_NODE, now_ms)) != NULL)
		finish(call, ERR_STORE_DOWN, NULL);
}

void cluster_calls_fail(struct redis_cluster *c)
{
	struct cluster_call *call;

	while ((call = take_parked(c, CLUSTER_NO_NODE, UINT64_MAX)) != NULL)
		finish(call, ERR_STORE_DOWN, NULL);
}
