/*
 * peer_fsm.h - the states of the connection to one relay.
 *
 *     CLOSED -start-> CONNECTING -connected-> HELLO_SENT -welcome-> READY -goaway-> DRAINING
 *                          \__________________ | _____________________|______________/
 *                                              v  closed, refused, silent
 *                                           BACKOFF -time-> CONNECTING
 *
 * Pure: an event, the time and a random number go in, a set of actions comes out, which the shell
 * (peer.c) carries out in the order of their bits.
 *
 * A relay owes an answer while something of ours is under way there, or a ping of ours; one from
 * which no byte has come for the timeout, since it owes one, is dead. Pings see to it that a
 * living one has something to say: often while something is under way, and every few seconds
 * otherwise, because each answer wakes an agent that has nothing to do. Death is judged twice: the
 * process may have stood still for longer than the timeout, and the answer lies in the socket. So
 * the first JUDGE only doubts, and what has been read until the next one decides.
 *
 * When a relay goes, all its agents lose it in the same millisecond, and it may be back a second
 * later with cold caches: they must not come together, then or ever after. So each waits any time
 * of a window, 100 ms to 2 s at first, and as long as it is not let in the window grows by a
 * second, to 10 s; from the second on a third of it is always waited. Of 1,000 agents no tenth of a
 * second sees more than a tenth, and 4 per cent when a relay is away for long; nobody comes a third
 * time within the first second. Who is REFUSED waits in the last window at once: only a person can
 * help.
 */
#ifndef AGENT_PEER_FSM_H
#define AGENT_PEER_FSM_H

#include <stdbool.h>
#include <stdint.h>

#define PEER_HELLO_MS        5000 /* for WELCOME, at least: nothing waits for it */
#define PEER_PING_MS         250  /* between pings while something is under way */
#define PEER_QUIET_PING_MS   5000 /* while nothing is, at least */
#define PEER_EARLY_MS        500  /* so much earlier at most, to go with what is done now */
#define PEER_DOUBT_MS        20   /* from the doubt to the end, at least */
#define PEER_BACKOFF_MIN_MS  100   /* the least to wait */
#define PEER_BACKOFF_MS      2000  /* the first window */
#define PEER_BACKOFF_STEP_MS 1000  /* the next is wider by */
#define PEER_BACKOFF_MAX_MS  10000 /* the last */

/* X(name, text, what it waits for) */
#define PEER_STATE_LIST(X)                                                                     \
	X(CLOSED, "closed", "to be started")                                                   \
	X(CONNECTING, "connecting", "the name and the connection")                             \
	X(HELLO_SENT, "hello_sent", "WELCOME")                                                 \
	X(READY, "ready", "work")                                                              \
	X(DRAINING, "draining", "the last answers, after GOAWAY")                              \
	X(BACKOFF, "backoff", "its time to connect again")

enum peer_state {
#define PEER_STATE_ENUM(name, text, waits_for) PEER_##name,
	PEER_STATE_LIST(PEER_STATE_ENUM)
#undef PEER_STATE_ENUM
};

enum peer_event {
	PEER_EVENT_START,     /* from now on it is wanted */
	PEER_EVENT_CONNECTED, /* the stream is there */
	PEER_EVENT_WELCOME,   /* a WELCOME that suits us */
	PEER_EVENT_REFUSED,   /* REFUSED, or a WELCOME that does not suit us */
	PEER_EVENT_GOAWAY,
	PEER_EVENT_BYTES,     /* anything came */
	PEER_EVENT_CLOSED,    /* the stream has ended */
	PEER_EVENT_STOP,      /* it is not wanted any more */
	PEER_EVENT_TICK,      /* time has passed */
	PEER_EVENT_JUDGE,     /* the same, and the loop has read what came since the last JUDGE */
};

/* Actions, in the order to be carried out. */
enum peer_action {
	PEER_DO_DOWN = 1 << 0,    /* tell the outbox that the session is over */
	PEER_DO_CLOSE = 1 << 1,   /* close the stream; its `closed` is not awaited */
	PEER_DO_CONNECT = 1 << 2,
	PEER_DO_HELLO = 1 << 3,
	PEER_DO_UP = 1 << 4,      /* tell the outbox that a session has begun */
	PEER_DO_LEAVING = 1 << 5, /* tell the outbox that nothing new may go there */
	PEER_DO_PING = 1 << 6,
};

struct peer_fsm {
	/* private, but for state */
	enum peer_state state;
	int64_t timeout_ms;
	int64_t heard_ms; /* when the last byte came */
	int64_t owes_ms;  /* since when it owes an answer, if it does */
	int64_t pinged_ms; /* when it was last asked, or came into this state */
	int64_t doubt_ms; /* when it was first found dead, if doubted */
	bool quiet;       /* nothing of ours is under way there */
	bool asked;       /* and no byte has come since */
	bool doubted;
	int64_t retry_ms; /* BACKOFF: until */
	int64_t window_ms; /* of the next back-off */
};

/* A closed one, dead after timeout_ms of silence. */
void peer_fsm_init(struct peer_fsm *f, int64_t timeout_ms);

/* One step. random: any 32 bits. Returns a set of peer_action. An event that does not fit the state
 * is a late one and changes nothing. */
unsigned peer_fsm_step(struct peer_fsm *f, enum peer_event event, int64_t now_ms,
		       uint32_t random);

/* Nothing is under way there, or something is. */
void peer_fsm_set_quiet(struct peer_fsm *f, bool quiet, int64_t now_ms);

/* Whether a JUDGE is worth it: the relay owes an answer, and has for the timeout. */
bool peer_fsm_is_late(const struct peer_fsm *f, int64_t now_ms);

/* Whether a TICK is worth it: it is due, or it soon will be and can be done with what is due now,
 * so that pings fall in step with what else the agent wakes for. */
bool peer_fsm_may_tick(const struct peer_fsm *f, int64_t now_ms);

/* When a TICK or a JUDGE is due; INT64_MAX: never. */
int64_t peer_fsm_next_ms(const struct peer_fsm *f);

/* `ready`... Static. */
const char *peer_state_name(enum peer_state state);

#endif
