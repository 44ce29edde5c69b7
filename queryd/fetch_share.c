// SPDX-License-Identifier: Apache-2.0
/*
 * fetch_share.c - a small table of the reads of this turn.
 *
 * A read is open from its first asker to the end of the loop's turn, when the bytes leave:
 * whoever asks within that time is answered by what is read after both. Two keys that fall on
 * one place of the table are both read, and only the first can be joined, so nothing has to be
 * searched.
 */
#include "queryd/fetch_share.h"

#include "proto/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fetch_share {
	struct fetch_share **at;     /* in the table, while it is open */
	struct fetch_waiter *waiters; /* newest first */
	size_t key_size;
	uint8_t key[];
};

void fetch_shares_init(struct fetch_shares *s, fetch_share_send send, void *arg)
{
	*s = (struct fetch_shares){ .send = send, .arg = arg };
}

static void close_share(struct fetch_share *share)
{
	if (share->at)
		*share->at = NULL;
	share->at = NULL;
}

void fetch_shares_end_turn(struct fetch_shares *s)
{
	size_t i;

	for (i = 0; i < FETCH_SHARES; i++) {
		if (s->open[i])
			close_share(s->open[i]);
	}
}

/* A waiter may start other reads, but none of these joins this one any more. */
static void on_reply(void *arg, int status, const redisReply *reply)
{
	struct fetch_share *share = arg;
	struct fetch_waiter *waiter = share->waiters, *next;

	close_share(share);
	for (; waiter; waiter = next) {
		next = waiter->next;
		waiter->reply(waiter->arg, status, reply);
	}
	free(share);
}

static struct fetch_share *share_new(struct slice key, struct fetch_waiter *waiter)
{
	struct fetch_share *share = malloc(sizeof(*share) + key.size);

	if (!share)
		return NULL;
	*share = (struct fetch_share){ .waiters = waiter, .key_size = key.size };
	memcpy(share->key, key.ptr, key.size);
	waiter->next = NULL;
	return share;
}

int fetch_share_read(struct fetch_shares *s, struct slice key, struct fetch_waiter *waiter)
{
	struct fetch_share **at = &s->open[hash64(key) % FETCH_SHARES];
	struct fetch_share *share = *at;
	int status;

	if (share && slice_equal(slice_of(share->key, share->key_size), key)) {
		waiter->next = share->waiters;
		share->waiters = waiter;
		s->joined++;
		return 0;
	}
	share = share_new(key, waiter);
	if (!share)
		return -ENOMEM;
	status = s->send(s->arg, key, on_reply, share);
	if (status < 0) {
		free(share);
		return status;
	}
	if (!*at) {
		*at = share;
		share->at = at;
	}
	return 0;
}
