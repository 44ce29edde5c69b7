/*
 * nap.h - how long a receiver leaves the kernel's buffers alone.
 *
 * To be woken for each datagram costs ten times what it takes to read it. So when they come one
 * soon after the other the receiver naps before it looks again, and one system call takes what came
 * meanwhile:
 *
 *     blocked --a datagram--> read --soon after it blocked--> nap --found something--> nap ...
 *        ^                      |                              |
 *        +------ later ---------+----- found nothing ----------+
 *
 * A nap is as long as 1.6 GB/s need to fill the smallest buffer, and never longer than NAP_MOST_NS:
 * a flood that begins in it finds room. That is more than a receiver can read, so who sends faster
 * loses some in any case; one core sends 0.4 GB/s in single lines, 0.9 in full datagrams. Where a
 * buffer is too small for a nap of NAP_LEAST_NS there is none. Where many come it is shorter, as
 * long as NAP_DATAGRAMS take: more of them save nothing, and a short queue is still in the
 * processor's caches when it is read. While sockets do not run dry nobody naps. Pure: what was
 * found and the time go in, the wait comes out.
 */
#ifndef AGENT_NAP_H
#define AGENT_NAP_H

#include <stdbool.h>
#include <stdint.h>

#define NAP_MOST_NS  INT64_C(20000000)
#define NAP_LEAST_NS INT64_C(1000000)
#define NAP_SHORT_NS INT64_C(100000) /* as short as it gets where many come */

#define NAP_DATAGRAMS 512

/* Nanoseconds in which 1.6 GB/s fill so many bytes of the kernel's buffer, as it counts them, if
 * that is worth a nap; or 0. At most NAP_MOST_NS. */
int64_t nap_of_buffer(int64_t buffer_bytes);

struct nap {
	/* private */
	int64_t most_ns;  /* 0: never */
	int64_t since_ns; /* when it last began to nap, or to wait for a datagram */
	bool napped;      /* which of both */
};

/* Naps of so many nanoseconds, or none (0). It begins by waiting for a datagram. */
void nap_init(struct nap *n, int64_t most_ns);

/* All sockets are empty; found: how many datagrams have come since this was asked last. The
 * nanoseconds to leave them alone, or 0: it is to wait for the next datagram. */
int64_t nap_next(struct nap *n, uint64_t found, int64_t now_ns);

#endif
