/*
 * session_fsm.h - one agent's connection, as a state machine.
 *
 *     HELLO --hello, no secret----> OPEN --drain--> LEAVING
 *       |  \--hello--> PROOF --proof--^ |                |
 *       |                 |            |                |
 *       +-----------------+--refused, silent, malformed-+--> ENDED
 *
 * Bytes in, frames out, calls into the committers of the partitions that frames name. A frame that
 * does not follow the protocol is refused aloud with its reason and ends this connection only. The
 * buffer of a frame in parts grows only as its bytes arrive, to what was announced and at
 * most LIMIT_FRAME_BYTES, before OPEN at most SESSION_GREETING_BYTES: who has not proven itself
 * costs little. Streams a session are at most SESSION_STREAMS_MAX, and all are of the
 * agent that its HELLO named.
 *
 * Pure: time is an argument (it never jumps); effects leave through struct session_effects and must
 * not call back into the session. Owned by whoever owns the socket; committers know it by `peer`.
 */
#ifndef RELAY_SESSION_FSM_H
#define RELAY_SESSION_FSM_H

#include "proto/buf.h"
#include "proto/frame.h"
#include "proto/slice.h"
#include "relay/committer.h"
#include "relay/counters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SESSION_HELLO_MS    5000
#define SESSION_PING_MS     20000 /* silence after which we ask */
#define SESSION_IDLE_MS     60000 /* silence after which we go */
#define SESSION_STREAMS_MAX 65536

/* The largest HELLO: 9 elements with a full authentication field and a full host. */
#define SESSION_GREETING_BYTES 1024

#define SESSION_STATES(X)                                                                      \
	X(HELLO, "waits for HELLO")                                                            \
	X(PROOF, "has sent CHALLENGE and waits for PROOF")                                     \
	X(OPEN, "takes frames")                                                                \
	X(LEAVING, "we are stopping: GOAWAY was sent, the agent sends no more batches")        \
	X(ENDED, "the connection is being closed; nothing is read or sent any more")

enum session_state {
#define SESSION_ENUM(name, text) SESSION_##name,
	SESSION_STATES(SESSION_ENUM)
#undef SESSION_ENUM
};

struct session;

struct session_effects {
	/* Sends whole frames; bytes are borrowed. */
	void (*send)(void *arg, struct session *s, struct slice bytes);
	/* Ends the connection once what was sent is out; session_release follows later. */
	void (*close)(void *arg, struct session *s);
	/* What an agent has seen committed. */
	void (*watermark)(void *arg, const uint8_t agent_id[FRAME_AGENT_BYTES],
			  const struct frame_watermark *watermark);
	/* For the log: an agent said hello; its session was refused. */
	void (*greeted)(void *arg, struct session *s, const struct frame_hello *hello);
	void (*refused)(void *arg, struct session *s, int code, const char *text);
	/* Random bytes for a nonce; asked only where there is a secret. */
	void (*random)(void *arg, void *bytes, size_t size);
};

/* What all sessions of a relay have in common. Owned by the relay; members may change. */
struct session_hub {
	struct committer *committers; /* one a partition */
	uint32_t partitions;
	uint64_t cfg;
	const char *name;
	uint64_t grace_ms;
	struct slice secret; /* that agents must prove to know; empty: none */
	const int64_t *unix_offset_ms; /* as the committers' */
	bool stable;  /* this Redis may be trusted to keep what it took */
	bool busy;    /* agents are to wait */
	bool full;    /* Redis has little room: agents are to begin no new series */
	struct frame_relays relays; /* as last published */
	uint64_t sessions; /* so far: orders them by age */
	struct relay_counters *counters;
	const struct session_effects *effects;
	void *arg;
};

struct session {
	/* private */
	struct committer_peer peer;
	struct session_hub *hub;
	void *owner; /* the socket's; NULL in tests */
	enum session_state state;
	struct buf in;
	int64_t born_ms;
	int64_t heard_ms;
	int64_t pinged_ms;
	bool told_busy, told_full;
	bool knows_store;  /* by its HELLO's capabilities */
	bool quiet;        /* LEAVING: all that was sent before our GOAWAY was read is here */
	struct gate *gate; /* PROOF */
	uint8_t agent_id[FRAME_AGENT_BYTES];
};

/* A new connection. */
void session_init(struct session *s, struct session_hub *hub, void *owner, int64_t now_ms);

/* The connection is gone, or never again used: committers forget it. */
void session_release(struct session *s);

/* Bytes from the agent. */
void session_data(struct session *s, struct slice bytes, int64_t now_ms);

/* As if the agent had just been heard: its bytes may wait because we do not read them. */
void session_heard(struct session *s, int64_t now_ms);

/* Silence: pings, and ends what stays silent. Call it about once a second. */
void session_tick(struct session *s, int64_t now_ms);

/* Tells the agent whether hub->busy has changed since it was told. */
void session_tell_busy(struct session *s);

/* The same for hub->full, to an agent that understands STORE. */
void session_tell_store(struct session *s);

/* Sends hub->relays. */
void session_tell_relays(struct session *s);

/* We are about to stop: GOAWAY, and a PING after it. What was on its way is still taken. */
void session_leave(struct session *s);

/* Whether nothing of the agent is on its way any more: it has left, or has answered the PING after
 * our GOAWAY, and sends no batches since. */
bool session_quiet(const struct session *s);

/* Sends a frame; for gate.c. Nothing goes out any more once the session has ended. */
void session_send(struct session *s, const struct frame *f);

/* Ends the session with a reason (err.h) that the agent is told. */
void session_refuse(struct session *s, int code);

/* A committer's `state`: STATE to the session of a peer. */
void session_state(struct committer_peer *peer, enum frame_cause cause, struct frame_stream *list,
		   size_t count);

/* A committer's `committed`: COMMITTED. */
void session_committed(struct committer_peer *peer, struct frame_stream *list, size_t count);

/* A committer's `confirmed`: CONFIRMED, with what hub->stable says. */
void session_confirmed(struct committer_peer *peer, uint64_t token, struct frame_stream *list,
		       size_t count);

/* A committer's `refuse`: session_refuse. */
void session_refuse_peer(struct committer_peer *peer, int code);

/* `HELLO`... for logs. */
const char *session_state_name(enum session_state state);

#endif
