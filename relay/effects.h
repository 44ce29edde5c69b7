/*
 * effects.h - what the pure cores' effects do in the daemon.
 *
 * The committers' script calls go to the store, their messages to the sessions, what they
 * and the sessions have to tell to the journal. No decisions here.
 */
#ifndef RELAY_EFFECTS_H
#define RELAY_EFFECTS_H

#include "relay/committer.h"
#include "relay/journal.h"
#include "relay/membership.h"
#include "relay/pace.h"
#include "relay/session_fsm.h"
#include "relay/store.h"

/* Where effects lead; the `arg` of both tables. All borrowed. */
struct effects {
	const struct rkey_tags *tags;
	const struct committer *committers;
	struct store *store;
	struct membership *membership;
	struct journal *journal;
	struct pace *pace;
};

/* For struct committer_options. */
extern const struct committer_effects effects_of_committers;

/* For struct session_hub. */
extern const struct session_effects effects_of_sessions;

#endif
