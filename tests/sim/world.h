/*
 * world.h - agents, relays, a Redis and the network between them, in one thread.
 *
 *     agent_node --- conn (bytes, two ways) --- relay_node --- redis_link --- model
 *      outbox          delay, cut, late           session_fsm    delay, lost    tests/lib
 *      spool           bytes, half-open           committers     replies
 *      route, peer_fsm                            image, compactor
 *
 * The cores are the daemons' own; what is here stands in for their shells: sockets, clocks,
 * chance, process death. Time is virtual and jumps from event to event. All that is random comes from
 * one generator, and nothing depends on an address, so a seed is a run.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "agent/outbox.h"
#include "agent/peer_fsm.h"
#include "agent/route.h"
#include "agent/spool_disk.h"
#include "proto/rkey.h"
#include "relay/session_fsm.h"
#include "relay/compactor.h"
#include "tests/lib/model_store.h"
#include "tests/sim/arena.h"
#include "tests/sim/book.h"
#include "tests/sim/queue.h"
#include "tests/sim/rng.h"
#include "tests/sim/rules.h"
#include "tests/sim/trace.h"
#include "tests/sim/vdisk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_AGENTS     3
#define WORLD_RELAYS     3
#define WORLD_OLD_LINKS  16
#define WORLD_HOUR_MS    INT64_C(1795003200000) /* an hour begins about when a run does */
#define WORLD_NAME_SIZE  24

/* X(name, most often in 10,000 beats): each seed draws a share of it, or none. */
#define FAULTS(X)                                                                              \
	X(RELAY_KILL, 40)                                                                      \
	X(RELAY_PAUSE, 50)                                                                     \
	X(RELAY_DRAIN, 15)                                                                     \
	X(AGENT_KILL, 30)                                                                      \
	X(AGENT_PAUSE, 40)                                                                     \
	X(POWER, 30)                                                                           \
	X(DISK, 60)                                                                            \
	X(LINK_CUT, 60)                                                                        \
	X(RESET, 60)                                                                           \
	X(VIEW, 60)                                                                            \
	X(BUSY, 40)                                                                            \
	X(STORE_RESTART, 60)                                                                   \
	X(STORE_LINK, 60)                                                                      \
	X(STORE_TROUBLE, 40)                                                                   \
	X(STORE_SWEEP, 800)                                                                    \
	X(UNSTABLE, 20)                                                                        \
	X(AGENT_CLOCK, 60)                                                                     \
	X(STORE_CLOCK, 40)                                                                     \
	X(EVICT, 300)

enum fault {
#define FAULT_ENUM(name, rate) FAULT_##name,
	FAULTS(FAULT_ENUM)
#undef FAULT_ENUM
	FAULT_COUNT,
};

enum compactors {
	COMPACTORS_NONE,
	COMPACTORS_ONE, /* a partition */
	COMPACTORS_ALL, /* of them at once */
};

/* What a seed decides before it begins. */
struct plan {
	uint32_t agents, relays, partitions;
	int64_t delay_ms;       /* at most, one way */
	int64_t store_delay_ms; /* the same, to Redis */
	int64_t seal_ms, commit_ms, confirm_ms, beat_ms, grace_ms;
	int64_t seal_end_ms, fault_end_ms;
	enum compactors compactors;
	int64_t compact_ms;       /* between two passes */
	int64_t compact_ahead_ms; /* compactors think that it is so much later */
	bool compact_polite;      /* they leave alone what their own relay writes */
	bool disk;       /* agents have one */
	int64_t sync_ms;
	bool cluster; /* partitions forget unevenly */
	uint32_t rates[FAULT_COUNT];
};

struct world;

/* One TCP connection. Each end knows for itself whether it is still there. */
struct conn {
	struct world *world;
	uint32_t agent, relay;
	bool agent_open;    /* the agent holds its end */
	bool relay_open;    /* the relay holds its end: a session is there */
	bool relay_gone;    /* the relay's end was closed or never came */
	int64_t to_agent_ms, to_relay_ms; /* when the last bytes arrive */
	struct buf in;                    /* the agent's: a frame in parts */
	struct session session;
};

struct agent_peer {
	struct peer_fsm fsm;
	struct conn *conn;
	uint64_t session;
};

struct agent_node {
	struct world *world;
	uint32_t index;
	bool alive;
	int64_t paused_until_ms;
	int64_t back_ms; /* dead: until */
	int64_t skew_ms; /* its monotonic clock less the world's */
	int64_t wall_ms; /* its time of day less the true one; it jumps */
	uint64_t incarnation;
	struct stream_id stream;
	struct vdisk disk; /* outlives the process */
	struct spool *spool;
	uint64_t life;            /* of the process: which */
	struct spool_sync *sync;  /* under way */
	uint64_t sync_failed;     /* syncs that had failed when it began */
	size_t sync_sealed;       /* batches of the book that were sealed before it */
	bool sync_whole;          /* all of them had been written */
	size_t durable;           /* batches before this one of the book survive a crash */
	int64_t sync_at_ms, disk_until_ms;
	struct outbox outbox;
	struct route route;
	struct agent_peer peers[WORLD_RELAYS];
	int64_t seal_at_ms, beat_at_ms, wake_ms;
};

/* A script call that a relay waits for: a committer's, or the compactor's. */
struct relay_call {
	struct relay_call *next;
	struct committer_call *call;
	struct committer *committer; /* NULL: the compactor's, with this serial */
	uint64_t serial;
	enum script script;
	uint32_t partition;
	struct slice version; /* of a commit */
};

/* What a relay's lost connection to Redis still does there. */
struct old_link {
	uint64_t epoch;
	int64_t late_until_ms; /* its last calls arrive so late */
	bool dropped;          /* or never */
};

struct relay_node {
	struct world *world;
	uint32_t index;
	bool alive;
	bool leaving;
	bool draining; /* leaving: nothing more is awaited from agents */
	int64_t paused_until_ms;
	int64_t back_ms;
	int64_t leave_until_ms;
	int64_t skew_ms;
	int64_t unix_offset_ms;    /* to Redis' time of day, as it was at the last tick */
	int64_t compact_offset_ms; /* what its compactor thinks */
	struct committer committers[BOOK_PARTITIONS];
	struct session_hub hub;
	struct compactor compactor;
	struct relay_counters counters;
	struct slice live[WORLD_RELAYS];
	int64_t session_tick_ms, wake_ms;

	bool link_up;
	uint64_t link_epoch;
	int64_t link_retry_ms;
	int64_t to_store_ms, from_store_ms;
	struct relay_call *calls, **calls_end;
	struct old_link old[WORLD_OLD_LINKS];
	uint64_t writer_name[BOOK_PARTITIONS];      /* RULE_WRITER */
	struct slice writer_version[BOOK_PARTITIONS];
};

struct world_stats {
	uint64_t seeds, batches, rolled_back, restarts, agent_kills, relay_kills, pauses;
	uint64_t resets, clock_jumps, compacted, days, compact_refused, discards;
	uint64_t crashes, restored, torn_files, degraded, excused;
	uint64_t sessions_refused, chains_broken, evictions, late_calls, swept, commits;
	uint64_t lost, twice, torn, wrong, stuck, declared;
};

struct world {
	uint64_t seed;
	enum rule without;
	struct rng rng;
	struct trace trace;
	struct arena arena;
	struct queue queue;
	struct plan plan;
	struct model_store stores[BOOK_PARTITIONS]; /* a partition each: they may forget unevenly */
	int64_t floor_hour;
	struct book book;
	struct rkey_tags tags;
	int64_t now_ms;
	int64_t unix_ms;        /* time of day at 0 ms */
	int64_t store_clock_ms; /* Redis' time of day less the true one; it jumps */
	bool healed;
	int64_t next_fault_ms;
	struct agent_node agents[WORLD_AGENTS];
	struct relay_node relays[WORLD_RELAYS];
	char names[WORLD_RELAYS][WORLD_NAME_SIZE];
	int64_t cut_until_ms[WORLD_AGENTS][WORLD_RELAYS][2]; /* to the relay, to the agent */
	struct conn **conns;
	size_t conn_count, conn_capacity;
	uint64_t store_generation; /* a restart loses what was on its way */
	int64_t store_down_until_ms;
	int64_t store_trouble_until_ms;
	const char *store_error;
	struct stream_id *dead; /* streams nobody will send any more */
	size_t dead_count, dead_capacity;
	struct world_stats stats;
	const char *stuck; /* why */
};

/* Runs a seed to its end. Counts are added to *stats. Returns the hash of all that happened;
 * *failed says whether the contract was broken, told on stderr if `tell`. */
struct world_verdict {
	bool failed;
	uint64_t hash;
};

struct world_options {
	uint64_t seed;
	enum rule without;
	bool loud; /* print every event */
	bool tell; /* say what is wrong, with the last events */
};

struct world_verdict world_run(const struct world_options *options, struct world_stats *stats);

/* Notes an event of a kind with its numbers. */
void world_note(struct world *w, enum trace_kind kind, uint64_t a, uint64_t b, uint64_t c,
		uint64_t d);

/* Puts an event on the queue. */
void world_later(struct world *w, int64_t at_ms, event_fn run, void *subject);

/* The true time of day. */
static inline int64_t world_unix_ms(const struct world *w)
{
	return w->unix_ms + w->now_ms;
}

/* Redis' time of day. */
static inline int64_t world_store_ms(const struct world *w)
{
	return world_unix_ms(w) + w->store_clock_ms;
}

#endif
