/*
 * drops.h - what the kernel has dropped at our sockets, each drop reported by one agent.
 *
 * A socket counts its drops as long as it lives, and one that systemd keeps outlives agents. How
 * much of a socket's count has been reported is kept in `drops` of the state folder (a line a
 * socket: its cookie and its count, after the kernel's boot id), and the next agent goes on from
 * there; what was dropped while no agent ran is its to report. Without a state folder, and when the
 * agent died between reporting and writing that down, a count may be reported twice.
 *
 * The count is read from SO_MEMINFO: exact at any moment, without a control message a datagram.
 */
#ifndef AGENT_DROPS_H
#define AGENT_DROPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DROPS_SOCKETS 64

struct drops {
	/* private */
	const char *state_dir; /* borrowed; "" for none */
	struct {
		int fd;
		uint64_t cookie;
		uint32_t seen;
	} sockets[DROPS_SOCKETS];
	size_t count;
	bool changed; /* since it was last written down */
};

/* Watches no socket yet. state_dir: "" for none. */
void drops_init(struct drops *d, const char *state_dir);

/* Watches a socket too, from what an earlier agent has reported of it. At most DROPS_SOCKETS. */
void drops_watch(struct drops *d, int fd);

/* How many datagrams the kernel has dropped since the last call. */
uint64_t drops_take(struct drops *d);

/* Writes down that all that was taken has been reported. Does nothing when nothing is new. */
void drops_save(struct drops *d);

#endif
