// SPDX-License-Identifier: Apache-2.0
/*
 * route.c - slots for names, and two rings over them.
 *
 * A ring is made of names, not of slots, so every agent that knows the same names has the same
 * order. Both rings are made anew at each change, since a slot that was freed may have another name
 * a moment later.
 */
#include "agent/route.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void route_init(struct route *r)
{
	*r = (struct route){ 0 };
}

void route_release(struct route *r)
{
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		free(r->relays[slot].name);
	ring_free(r->first.ring);
	ring_free(r->last.ring);
	route_init(r);
}

static size_t route_find(const struct route *r, struct slice name)
{
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		if (r->relays[slot].name != NULL &&
		    slice_equal(slice_text(r->relays[slot].name), name))
			return slot;
	return ROUTE_NONE;
}

/* The slot of a name, a new one if need be; ROUTE_NONE without memory or slots. */
static size_t route_add(struct route *r, struct slice name)
{
	size_t slot = route_find(r, name);

	if (slot != ROUTE_NONE)
		return slot;
	for (slot = 0; slot < ROUTE_SLOTS && r->relays[slot].name != NULL; slot++)
		;
	if (slot == ROUTE_SLOTS)
		return ROUTE_NONE;
	r->relays[slot].name = strndup((const char *)name.ptr, name.size);
	return r->relays[slot].name ? slot : ROUTE_NONE;
}

static void route_forget_unused(struct route *r)
{
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++) {
		if (r->relays[slot].configured || r->relays[slot].live)
			continue;
		free(r->relays[slot].name);
		r->relays[slot].name = NULL;
	}
}

bool route_is_last_resort(const struct route *r, size_t slot)
{
	return r->has_live && r->relays[slot].configured && !r->relays[slot].live;
}

/* Builds one of the two rings anew; on failure the old one stays. */
static int route_build(struct route *r, bool last, struct route_ring *ring)
{
	struct route_ring built = { .ring = NULL };
	const char *names[ROUTE_SLOTS];
	int status = 0;

	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++) {
		if (r->relays[slot].name == NULL || route_is_last_resort(r, slot) != last)
			continue;
		names[built.count] = r->relays[slot].name;
		built.slots[built.count++] = slot;
	}
	if (r->partitions > 0)
		status = ring_new(names, built.count, r->partitions, &built.ring);
	if (status < 0)
		return status;
	ring_free(ring->ring);
	*ring = built;
	return 0;
}

/* A ring names slots, so both are emptied first: without memory nobody is chosen, which is
 * safe, and the next list tries again. */
static int route_rebuild(struct route *r)
{
	int status;

	ring_free(r->first.ring);
	ring_free(r->last.ring);
	r->first = (struct route_ring){ .ring = NULL };
	r->last = (struct route_ring){ .ring = NULL };
	status = route_build(r, false, &r->first);
	return status < 0 ? status : route_build(r, true, &r->last);
}

static bool route_names(const struct slice *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal(slice_text(name), names[i]))
			return true;
	return false;
}

static size_t route_configured_count(size_t count)
{
	return count < ROUTE_CONFIGURED ? count : ROUTE_CONFIGURED;
}

int route_set_configured(struct route *r, const struct slice *names, size_t count)
{
	int status, failed = 0;

	count = route_configured_count(count);
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		r->relays[slot].configured = r->relays[slot].name != NULL &&
					     route_names(names, count, r->relays[slot].name);
	route_forget_unused(r);
	for (size_t i = 0; i < count; i++) {
		size_t slot = route_add(r, names[i]);

		if (slot != ROUTE_NONE)
			r->relays[slot].configured = true;
		else
			failed = -ENOMEM;
	}
	status = route_rebuild(r);
	return failed ? failed : status;
}

int route_set_live(struct route *r, const struct slice *names, size_t count)
{
	int status, failed = 0;

	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		r->relays[slot].live = false;
	for (size_t i = 0; i < count; i++) {
		size_t slot = route_find(r, names[i]);

		if (slot != ROUTE_NONE)
			r->relays[slot].live = true;
	}
	route_forget_unused(r);
	for (size_t i = 0; i < count; i++) {
		size_t slot = route_add(r, names[i]);

		if (slot != ROUTE_NONE)
			r->relays[slot].live = true;
		else
			failed = -ENOMEM;
	}
	r->has_live = count > 0;
	status = route_rebuild(r);
	return failed ? failed : status;
}

int route_set_partitions(struct route *r, uint32_t partitions)
{
	assert(partitions > 0);
	r->partitions = partitions;
	return route_rebuild(r);
}

static size_t route_choose_in(const struct route_ring *ring, uint32_t partition,
			      route_healthy_fn healthy, void *arg)
{
	for (size_t place = 0; ring->ring != NULL && place < ring->count; place++) {
		size_t slot = ring->slots[ring_at(ring->ring, partition, place)];

		if (healthy(arg, slot))
			return slot;
	}
	return ROUTE_NONE;
}

size_t route_choose(const struct route *r, uint32_t partition, route_healthy_fn healthy, void *arg)
{
	size_t slot = route_choose_in(&r->first, partition, healthy, arg);

	return slot != ROUTE_NONE ? slot : route_choose_in(&r->last, partition, healthy, arg);
}

const char *route_name(const struct route *r, size_t slot)
{
	return r->relays[slot].name;
}

bool route_would_keep(const struct route *r, size_t slot, const struct slice *names, size_t count)
{
	return r->relays[slot].name != NULL &&
	       (r->relays[slot].configured || route_names(names, count, r->relays[slot].name));
}

bool route_would_stay(const struct route *r, size_t slot, const struct slice *names, size_t count)
{
	return r->relays[slot].name != NULL &&
	       (r->relays[slot].live ||
		route_names(names, route_configured_count(count), r->relays[slot].name));
}
