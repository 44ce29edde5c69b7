// SPDX-License-Identifier: Apache-2.0
#include "proto/store/cluster.h"

#include "proto/err.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void cluster_map_init(struct cluster_map *m)
{
	size_t i;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < RKEY_SLOTS; i++)
		m->owner[i] = CLUSTER_NO_NODE;
}

uint16_t cluster_map_node(struct cluster_map *m, const struct addr *address)
{
	uint16_t i, room = CLUSTER_NO_NODE;

	for (i = 0; i < CLUSTER_NODES_MAX; i++) {
		const struct cluster_node *node = &m->nodes[i];
		if (node->used && node->address.port == address->port &&
		    strcmp(node->address.host, address->host) == 0)
			return i;
		if (!node->used && room == CLUSTER_NO_NODE)
			room = i;
	}
	if (room != CLUSTER_NO_NODE)
		m->nodes[room] = (struct cluster_node){ .used = true, .address = *address };
	return room;
}

void cluster_map_move(struct cluster_map *m, uint16_t slot, uint16_t node)
{
	uint16_t former = m->owner[slot];

	assert(slot < RKEY_SLOTS && (node == CLUSTER_NO_NODE || m->nodes[node].used));
	if (former != CLUSTER_NO_NODE) {
		m->nodes[former].slots--;
		m->covered--;
	}
	if (node != CLUSTER_NO_NODE) {
		m->nodes[node].slots++;
		m->covered++;
	}
	m->owner[slot] = node;
}

void cluster_map_remove(struct cluster_map *m, uint16_t node)
{
	assert(m->nodes[node].used && m->nodes[node].slots == 0);
	m->nodes[node].used = false;
}

/* ---- CLUSTER SLOTS ---- */

struct range {
	uint16_t first, last;
	struct addr address;
};

static bool read_slot(const redisReply *reply, uint16_t *out)
{
	*out = (uint16_t)reply->integer;
	return reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0 &&
	       reply->integer < RKEY_SLOTS;
}

/* A host that is not told, or `?`, is the one that was asked. */
static bool read_node(const redisReply *reply, const struct addr *asked, struct addr *out)
{
	const redisReply *host, *port;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
		return false;
	host = reply->element[0];
	port = reply->element[1];
	if (port->type != REDIS_REPLY_INTEGER || port->integer < 1 || port->integer > UINT16_MAX)
		return false;
	*out = *asked;
	out->scheme = ADDR_TCP;
	out->port = (uint16_t)port->integer;
	if (host->type == REDIS_REPLY_NIL)
		return true;
	if (host->type != REDIS_REPLY_STRING || host->len >= sizeof(out->host) ||
	    strlen(host->str) != host->len)
		return false;
	if (host->len > 0 && strcmp(host->str, "?") != 0)
		memcpy(out->host, host->str, host->len + 1);
	return true;
}

/* [first slot, last slot, master, replicas...] */
static bool read_range(const redisReply *reply, const struct addr *asked, struct range *out)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements >= 3 &&
	       read_slot(reply->element[0], &out->first) &&
	       read_slot(reply->element[1], &out->last) && out->first <= out->last &&
	       read_node(reply->element[2], asked, &out->address);
}

int cluster_map_take(struct cluster_map *m, const redisReply *reply, const struct addr *asked)
{
	struct range range;
	uint32_t slot;
	size_t i;

	if (reply->type != REDIS_REPLY_ARRAY)
		return ERR_MALFORMED;
	for (i = 0; i < reply->elements; i++) {
		if (!read_range(reply->element[i], asked, &range))
			return ERR_MALFORMED;
	}
	if (reply->elements == 0)
		return -ENOENT;
	for (slot = 0; slot < RKEY_SLOTS; slot++)
		cluster_map_move(m, (uint16_t)slot, CLUSTER_NO_NODE);
	for (i = 0; i < reply->elements; i++) {
		uint16_t node;
		(void)read_range(reply->element[i], asked, &range);
		node = cluster_map_node(m, &range.address);
		for (slot = range.first; slot <= range.last; slot++)
			cluster_map_move(m, (uint16_t)slot, node);
	}
	return 0;
}

/* ---- redirections ---- */

/* The next word of a text; empty at its end. */
static struct slice take_word(struct slice *text)
{
	const uint8_t *blank = text->size ? memchr(text->ptr, ' ', text->size) : NULL;
	size_t size = blank ? (size_t)(blank - text->ptr) : text->size;
	struct slice word = slice_of(text->ptr, size);

	size += blank != NULL;
	*text = slice_of(text->ptr + size, text->size - size);
	return word;
}

static bool read_decimal(struct slice text, uint32_t max, uint32_t *out)
{
	uint32_t value = 0;
	size_t i;

	if (text.size == 0 || text.size > 5)
		return false;
	for (i = 0; i < text.size; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = value * 10 + (uint32_t)(text.ptr[i] - '0');
	}
	*out = value;
	return value <= max;
}

/* `host:port`, where an IPv6 address stands without brackets and the host may be missing. */
static bool read_endpoint(struct slice text, const struct addr *from, struct addr *out)
{
	const uint8_t *colon = text.size ? memrchr(text.ptr, ':', text.size) : NULL;
	size_t size = colon ? (size_t)(colon - text.ptr) : 0;
	uint32_t port;

	if (!colon || size >= sizeof(out->host) ||
	    !read_decimal(slice_of(colon + 1, text.size - size - 1), UINT16_MAX, &port) ||
	    port == 0)
		return false;
	*out = *from;
	out->scheme = ADDR_TCP;
	out->port = (uint16_t)port;
	if (size == 0 || (size == 1 && text.ptr[0] == '?'))
		return true;
	memcpy(out->host, text.ptr, size);
	out->host[size] = '\0';
	return true;
}

struct cluster_redirect cluster_read_redirect(struct slice error, const struct addr *from)
{
	struct cluster_redirect out = { .word = CLUSTER_OTHER };
	struct slice word = take_word(&error);
	enum cluster_word said = CLUSTER_OTHER;
	uint32_t slot;

	if (slice_equal(word, slice_text("MOVED")))
		said = CLUSTER_MOVED;
	else if (slice_equal(word, slice_text("ASK")))
		said = CLUSTER_ASK;
	if (said == CLUSTER_OTHER || !read_decimal(take_word(&error), RKEY_SLOTS - 1, &slot) ||
	    !read_endpoint(take_word(&error), from, &out.to))
		return out;
	out.word = said;
	out.slot = (uint16_t)slot;
	return out;
}
