/*
 * keeper.h - the spool on the loop: where it is, what a start finds in it, when it is synced.
 *
 *     state_dir:  spool_disk in state_dir/spool, synced every 500 ms by a thread of libuv's pool
 *     none:       spool_memory, which dies with the process
 *
 * Also keeps the counters (counters.h), and says at a start how many samples the one before had
 * taken and not sealed. A disk that fails is an alarm, and no more than that: see spool_disk.h.
 * The loop's thread.
 */
#ifndef AGENT_KEEPER_H
#define AGENT_KEEPER_H

#include "agent/config.h"
#include "agent/counters.h"
#include "agent/ledger.h"
#include "agent/spool_disk.h"

#include <stdbool.h>
#include <uv.h>

struct keeper;

/* Opens the spool and hands out what is in it (spool_disk.h). config and ledger are borrowed.
 * stream: what will be written. *out: keeper_close. 0, a negative errno: logged. */
int keeper_new(uv_loop_t *loop, const struct config *config, struct ledger *ledger,
	       const struct stream_id *stream, spool_restore_fn restore, void *arg,
	       struct keeper **out) __attribute__((warn_unused_result));

/* Syncs what is to be synced, frees the spool and ends; memory goes when the loop comes round. NULL
 * is allowed. */
void keeper_close(struct keeper *k);

struct spool *keeper_spool(const struct keeper *k); /* borrowed */
struct counters *keeper_counters(struct keeper *k);  /* borrowed */

/* What the process before had written last, and how many samples it had sealed. */
uint64_t keeper_before(const struct keeper *k, struct stream_id *stream);

/* What is appended from now on is one whole, or no longer: if we are killed meanwhile, the next
 * start takes nothing of it. Nothing of it may be sent before its end. */
void keeper_mark_unfinished(struct keeper *k, bool unfinished);

/* All batches of a seal have been appended: with spool_fsync = always they are on disk now. */
void keeper_sealed(struct keeper *k);

/* Whether the next start will find what is in the spool. */
bool keeper_is_durable(const struct keeper *k);

/* Brings the ledger's figures of the spool up to date. */
void keeper_count(struct keeper *k);

#endif
