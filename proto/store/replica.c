// SPDX-License-Identifier: Apache-2.0
#include "proto/store/replica.h"

#include <string.h>

/* ---- INFO ----------------------------------------------------------------------------------- */

/* Takes the text up to a byte, and that byte, off *text; all of it when there is none. */
static struct slice take_until(struct slice *text, char end)
{
	const uint8_t *at = memchr(text->ptr, end, text->size);
	size_t size = at ? (size_t)(at - text->ptr) : text->size;
	struct slice taken = slice_of(text->ptr, size);

	*text = slice_of(text->ptr + size + (at != NULL), text->size - size - (at != NULL));
	return taken;
}

static bool is_text(struct slice a, const char *text)
{
	return slice_equal(a, slice_text(text));
}

/* Digits only; -1 for anything else. */
static int64_t read_number(struct slice text)
{
	int64_t value = 0;
	size_t i;

	if (text.size == 0 || text.size > 18)
		return -1;
	for (i = 0; i < text.size; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return -1;
		value = value * 10 + (text.ptr[i] - '0');
	}
	return value;
}

static void copy_text(struct slice text, char *out, size_t room)
{
	if (text.size >= room)
		text.size = 0;
	memcpy(out, text.ptr, text.size);
	out[text.size] = '\0';
}

/* `ip=10.0.0.2,port=6379,state=online,offset=14,lag=0`; one that is not in step is left out. */
static void add_replica(struct replica_info *info, struct slice value)
{
	struct addr to = { .scheme = ADDR_TCP };
	bool online = false;

	while (value.size > 0) {
		struct slice field = take_until(&value, ',');
		struct slice name = take_until(&field, '=');
		int64_t port = is_text(name, "port") ? read_number(field) : 0;
		if (is_text(name, "ip"))
			copy_text(field, to.host, sizeof(to.host));
		else if (is_text(name, "state"))
			online = is_text(field, "online");
		else if (port > 0 && port <= UINT16_MAX)
			to.port = (uint16_t)port;
	}
	if (online && to.host[0] && to.port && info->replica_count < REPLICA_MAX)
		info->replicas[info->replica_count++] = to;
}

/* `slave` and a number. */
static bool names_replica(struct slice name)
{
	return name.size > 5 && memcmp(name.ptr, "slave", 5) == 0 &&
	       read_number(slice_of(name.ptr + 5, name.size - 5)) >= 0;
}

struct offsets {
	int64_t master, replica;
};

static void read_line(struct replica_info *info, struct offsets *offsets, struct slice line)
{
	struct slice name = take_until(&line, ':');

	if (is_text(name, "role"))
		info->master = is_text(line, "master");
	else if (is_text(name, "master_link_status"))
		info->linked = is_text(line, "up");
	else if (is_text(name, "master_last_io_seconds_ago"))
		info->heard_s = read_number(line);
	else if (is_text(name, "master_replid"))
		copy_text(line, info->history, sizeof(info->history));
	else if (is_text(name, "master_replid2"))
		copy_text(line, info->before, sizeof(info->before));
	else if (is_text(name, "second_repl_offset"))
		info->parted = read_number(line) - 1;
	else if (is_text(name, "master_repl_offset"))
		offsets->master = read_number(line);
	else if (is_text(name, "slave_repl_offset"))
		offsets->replica = read_number(line);
	else if (names_replica(name))
		add_replica(info, line);
}

bool replica_info_parse(struct slice text, struct replica_info *out)
{
	struct offsets offsets = { -1, -1 };

	*out = (struct replica_info){ .heard_s = -1 };
	while (text.size > 0) {
		struct slice line = take_until(&text, '\n');
		if (line.size > 0 && line.ptr[line.size - 1] == '\r')
			line.size--;
		read_line(out, &offsets, line);
	}
	out->offset = out->master ? offsets.master : offsets.replica;
	return out->history[0] && out->offset >= 0;
}

/* ---- marks ---------------------------------------------------------------------------------- */

static const struct replica_mark no_mark = { .at_ms = REPLICA_NO_MOMENT };

static bool is_set(const struct replica_mark *mark)
{
	return mark->at_ms != REPLICA_NO_MOMENT;
}

void replica_watch_init(struct replica_watch *w)
{
	*w = (struct replica_watch){ .latest = no_mark, .waiting = no_mark, .reached = no_mark };
}

/* Whether who was at an offset of a history is there still, or has only gone on from it. */
static bool goes_on(const struct replica_info *info, const char *history, int64_t offset)
{
	if (strcmp(info->history, history) == 0)
		return info->offset >= offset;
	return strcmp(info->before, history) == 0 && info->parted >= offset;
}

void replica_hear_master(struct replica_watch *w, int64_t asked_ms, const struct replica_info *info)
{
	bool same = strcmp(info->history, w->history) == 0;

	if (is_set(&w->reached) && !goes_on(info, w->history, w->reached.offset))
		w->reached = no_mark;
	w->latest = (struct replica_mark){ asked_ms, info->offset };
	if (!same || !is_set(&w->waiting))
		w->waiting = w->latest;
	memcpy(w->history, info->history, sizeof(w->history));
}

void replica_turn(struct replica_watch *w)
{
	w->own[0] = '\0';
}

bool replica_hear(struct replica_watch *w, const struct replica_info *info)
{
	bool kept = !w->own[0] || goes_on(info, w->own, w->own_offset);

	memcpy(w->own, info->history, sizeof(w->own));
	w->own_offset = info->offset;
	if (is_set(&w->reached) && !goes_on(info, w->history, w->reached.offset)) {
		w->reached = no_mark;
		w->waiting = w->latest;
	}
	if (!is_set(&w->waiting) || strcmp(info->history, w->history) != 0 ||
	    info->offset < w->waiting.offset)
		return kept;
	w->reached = w->waiting;
	w->waiting = w->latest;
	if (info->offset >= w->latest.offset) {
		w->reached = w->latest;
		w->waiting = no_mark;
	}
	return kept;
}

int64_t replica_fresh_ms(const struct replica_watch *w)
{
	return w->reached.at_ms;
}

int64_t replica_own_fresh_ms(const struct replica_info *info, int64_t now_ms, int64_t former)
{
	/* Whole seconds: one that is told as 0 may be almost 1. */
	int64_t heard_ms = now_ms - (info->heard_s + 1) * 1000;

	if (!info->linked || info->heard_s < 0 || heard_ms < former)
		return former;
	return heard_ms;
}
