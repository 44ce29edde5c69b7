/*
 * script.h - the Lua scripts of the contract, by name.
 *
 * The texts are proto/store/scripts/<name>.lua, compiled in. EVALSHA first; the caller
 * answers NOSCRIPT by script_load and the same call again. What each takes and returns
 * is written at the top of its file and in KEYS.md.
 */
#ifndef PROTO_STORE_SCRIPT_H
#define PROTO_STORE_SCRIPT_H

#include "proto/slice.h"

enum script {
	SCRIPT_INIT,    /* a partition's cfg and floor, if it is new */
	SCRIPT_OPEN,    /* stored states; a nonce where there is none */
	SCRIPT_COMMIT,  /* stream states and partials together, compared before written */
	SCRIPT_CONFIRM, /* stored states, from a master that can still write */
	SCRIPT_COUNT,
};

/* The script's text. Static. */
struct slice script_text(enum script s);

/* Its SHA-1 in 40 hex digits, as EVALSHA wants it. Static. */
const char *script_sha(enum script s);

#endif
