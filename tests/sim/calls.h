/*
 * calls.h - the scripts of the contract, run on the model store.
 *
 * Takes the very bytes that a relay sends (an EVALSHA in RESP), runs what
 * proto/store/scripts/<name>.lua says, checks first and writes after, and answers its words.
 * Bytes that do not parse or do not add up end the simulator: they are the relay's bug.
 */
#ifndef TESTS_SIM_CALLS_H
#define TESTS_SIM_CALLS_H

#include "proto/slice.h"
#include "proto/store/script.h"
#include "tests/sim/model.h"
#include "tests/sim/rules.h"

#include <stddef.h>
#include <stdint.h>

/* Who calls, and what the simulator knows beside the bytes. */
struct call_origin {
	int64_t now_ms;
	enum rule without;
	struct slice writer; /* RULE_WRITER: the version that relay's last OK wrote */
};

struct call_reply {
	struct slice *words; /* of the arena */
	size_t count;
};

/* Runs a command on a partition. Words of the reply are in the model's arena. */
struct call_reply calls_run(struct model *m, uint32_t partition, struct slice resp,
			    const struct call_origin *origin);

/* The script that a command names. */
enum script calls_script(struct slice resp);

/* The new version that a commit writes. */
struct slice calls_version(struct slice resp);

#endif
