/*
 * trace.h - what happened in a run: a hash of all of it, and the last of it in words.
 *
 * An event is a kind, a time and up to four numbers. All are hashed, so that two runs of a seed can
 * be compared; the last TRACE_KEPT are kept for the report of a failure; with `loud` each is printed
 * as it happens.
 */
#ifndef TESTS_SIM_TRACE_H
#define TESTS_SIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_KEPT    60
#define TRACE_NUMBERS 4

/* X(name, text, labels of its numbers) */
#define TRACE_KINDS(X)                                                                         \
	X(SEAL, "seal", "agent", "partition", "seq", "batch")                                  \
	X(AGENT_UP, "agent up", "agent", "incarnation", NULL, NULL)                            \
	X(AGENT_KILL, "agent killed", "agent", "held", "its machine", NULL)                    \
	X(SPOOL_FOUND, "agent's spool has", "agent", "batches", "torn", "holes")               \
	X(SPOOL_SYNCED, "agent's disk synced", "agent", "safe before batch", "in memory", NULL) \
	X(DISK, "agent's disk fails", "agent", "how", "ms", NULL)                              \
	X(AGENT_PAUSE, "agent stopped", "agent", "ms", NULL, NULL)                             \
	X(AGENT_PEER, "agent's peer", "agent", "relay", "state", NULL)                         \
	X(AGENT_SENDS, "agent sends batch", "agent", "relay", "partition", "seq")              \
	X(AGENT_TOLD, "agent told", "agent", "relay", "frame", "streams")                      \
	X(AGENT_FOREIGN, "agent finds a foreign chain", "agent", "partition", NULL, NULL)      \
	X(STATE, "  of stream", "incarnation", "partition", "seq", "nonce")                    \
	X(RELAY_UP, "relay up", "relay", NULL, NULL, NULL)                                     \
	X(RELAY_KILL, "relay killed", "relay", NULL, NULL, NULL)                               \
	X(RELAY_PAUSE, "relay stopped", "relay", "ms", NULL, NULL)                             \
	X(RELAY_LEAVE, "relay drains", "relay", NULL, NULL, NULL)                              \
	X(RELAY_HEARS, "relay hears", "relay", "agent", "bytes", NULL)                         \
	X(RELAY_REFUSES, "relay refuses a session", "relay", "agent", "code", NULL)            \
	X(RELAY_DISCARDS, "relay discards", "relay", "partition", "reason", NULL)              \
	X(RELAY_EVICTS, "relay evicts", "relay", "partition", "hours", NULL)                   \
	X(RELAY_ANSWER, "relay gets answer", "relay", "partition", "script", "kind")           \
	X(COMPACTION, "compaction", "relay", "partition", "hour or day", "result")             \
	X(AGENT_CLOCK, "agent's clock", "agent", "off by ms", NULL, NULL)                      \
	X(STORE_CLOCK, "redis' clock", "off by ms", NULL, NULL, NULL)                          \
	X(LINK_CUT, "network cut", "agent", "relay", "ways", "ms")                             \
	X(RESET, "connection reset", "agent", "relay", NULL, NULL)                             \
	X(STORE_CALL, "redis runs", "relay", "partition", "script", "late")                    \
	X(STORE_SAYS, "redis says", "relay", "partition", "answer", NULL)                      \
	X(STORE_LINK, "redis link", "relay", "up", NULL, NULL)                                 \
	X(STORE_RESTART, "redis restarts", "forgets", "down ms", NULL, NULL)                   \
	X(STORE_TROUBLE, "redis refuses", "error", "ms", NULL, NULL)                           \
	X(STORE_SWEEP, "redis forgets stream", "partition", "incarnation", NULL, NULL)         \
	X(HEAL, "all heals", NULL, NULL, NULL, NULL)

enum trace_kind {
#define TRACE_ENUM(name, text, a, b, c, d) TRACE_##name,
	TRACE_KINDS(TRACE_ENUM)
#undef TRACE_ENUM
};

struct trace_event {
	int64_t at_ms;
	enum trace_kind kind;
	uint64_t numbers[TRACE_NUMBERS];
};

struct trace {
	bool loud;
	uint64_t hash;
	uint64_t count;
	struct trace_event kept[TRACE_KEPT];
};

/* Notes an event. */
void trace_note(struct trace *t, const struct trace_event *event);

/* Prints the events that were kept. */
void trace_print(const struct trace *t, FILE *out);

#endif
