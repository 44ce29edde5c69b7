/*
 * gate.h - a session before it is OPEN: who may come in (auth.h).
 *
 *     HELLO judged: version, cfg --no secret--------------------> WELCOME
 *                                `--secret--> CHALLENGE, PROOF --^
 *
 * Between CHALLENGE and PROOF what the HELLO said and the nonces are held in one small
 * allocation: an agent that is not yet known costs no more. Part of session_fsm.h, which calls
 * it in the states HELLO and PROOF; as pure as that.
 */
#ifndef RELAY_GATE_H
#define RELAY_GATE_H

#include "proto/frame.h"
#include "relay/session_fsm.h"

#include <stdint.h>

/* Judges a HELLO; welcomes or challenges. 0; ERR_VERSION, ERR_FOREIGN_CONFIG, ERR_BAD_AUTH (no
 * offer that we know), -ENOMEM: the session must be refused. */
int gate_hello(struct session *s, const struct frame_hello *hello, int64_t now_ms)
	__attribute__((warn_unused_result));

/* Judges the PROOF that follows our CHALLENGE, and welcomes. 0; ERR_BAD_AUTH. */
int gate_proof(struct session *s, struct slice proof, int64_t now_ms)
	__attribute__((warn_unused_result));

/* Forgets what is held of an agent that proved nothing. May be called twice. */
void gate_release(struct session *s);

#endif
