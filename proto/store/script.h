/*
 * script.h - the Lua scripts of the contract, by name.
 *
 * The texts are proto/store/scripts/<name>.lua, compiled in. Redis names a loaded script
 * by the SHA-1 of its text and says it in the reply to SCRIPT LOAD; that reply is where ours
 * come from, so nothing here computes a SHA-1. Whoever connects loads all scripts first
 * and hands the replies to script_set_sha(); from then on EVALSHA works, and NOSCRIPT (Redis
 * was restarted or flushed) is answered by loading again and the same call again: the name
 * of a text never changes. What each takes and returns is written at the top of its file and in
 * KEYS.md. One thread at a time.
 */
#ifndef PROTO_STORE_SCRIPT_H
#define PROTO_STORE_SCRIPT_H

#include "proto/slice.h"

#include <stdbool.h>

#define SCRIPT_SHA_HEX 40

enum script {
	SCRIPT_INIT,    /* a partition's meta, if it is new; its floor */
	SCRIPT_OPEN,    /* stored states; a nonce where there is none */
	SCRIPT_COMMIT,  /* stream states and partials together, compared before written */
	SCRIPT_CONFIRM, /* stored states, from a master that can still write */
	SCRIPT_CLOSE,   /* forgets streams that are done for good */
	SCRIPT_SURVEY,  /* what manifests list */
	SCRIPT_GATHER,  /* a piece of one partial, with what others have of its fields */
	SCRIPT_STAGE,   /* a piece of a new partial, under a temporary name */
	SCRIPT_SWAP,    /* the new partial in the place of several of an hour */
	SCRIPT_ROLL,    /* a day's cells, from its 24 hours */
	SCRIPT_SWEEP,   /* forgets idle streams and names without hours */
	SCRIPT_FORGET,  /* forgets agents not seen for long */
	SCRIPT_COUNT,
};

/* `commit`: the script's name. Static. */
const char *script_name(enum script s);

/* The script's text. Static. */
struct slice script_text(enum script s);

/* Keeps the name that SCRIPT LOAD replied for a script. False when it is not 40 lower-case hex
 * digits, or differs from one kept before. */
bool script_set_sha(enum script s, struct slice sha);

/* The name for EVALSHA, in 40 hex digits; "" before script_set_sha. Static. */
const char *script_sha(enum script s);

#endif
