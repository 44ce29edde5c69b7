/*
 * queryd.h - the query daemon, wired.
 *
 * One thread, one loop: HTTP in, one Redis connection out, a timer for the caches (fleet, agents,
 * names) and for deadlines. A request that needs Redis waits at most `read_timeout`. The
 * drawing is in README.md.
 */
#ifndef QUERYD_QUERYD_H
#define QUERYD_QUERYD_H

#include "queryd/config.h"

#define QUERYD_DRAIN_MS    5000

/* Runs until a signal ends it. argc and argv are for reloading. 0, or a negative error that was
 * logged. */
int queryd_run(struct config *config, int argc, char **argv) __attribute__((warn_unused_result));

#endif
