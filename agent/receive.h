/*
 * receive.h - the receiver: datagrams from sockets into the intake.
 *
 * A thread waits for its datagram sockets (udp://, unixgram://), takes up to 64 datagrams a
 * recvmmsg(2), and holds its intake's mutex once for all of them while it parses and adds their
 * lines. Nothing on this path allocates but the table's chunks. It sleeps in poll(2) when
 * there is nothing, and is woken for its end by an eventfd: shutting a socket down would reach
 * those to whom systemd hands it next. When datagrams come one soon after the other it naps before
 * it looks again, up to 20 ms, for as long as buffers hold whatever may come meanwhile (nap.h); Unix
 * sockets and small buffers are read at once all the same.
 *
 * Usually one thread is enough. Several share each UDP address by SO_REUSEPORT: the kernel deals
 * the senders out, what one socket sends stays with one thread, and each thread fills an intake of
 * its own, so none waits for another.
 *
 * Sockets passed by systemd (listen.h) outlive a killed
 * agent, so senders see no error and the kernel keeps what they send. What the kernel drops is
 * counted at the seal (drops.h): exact at any moment, also when no later datagram comes to bring
 * an SO_RXQ_OVFL message along.
 */
#ifndef AGENT_RECEIVE_H
#define AGENT_RECEIVE_H

#include "agent/intake.h"
#include "agent/ledger.h"
#include "agent/listen.h"
#include "proto/line.h"

#include <stddef.h>
#include <stdint.h>

#define RECEIVE_SOCKETS 64
#define RECEIVE_THREADS 16

struct receiver;

struct receive_options {
	const char *listen;  /* listen.h's list; its datagram addresses are meant */
	size_t receivers;    /* threads, at most RECEIVE_THREADS; 0: one */
	size_t buffer_bytes; /* SO_RCVBUF to ask for */
	struct line_options lines;
	int64_t max_age_s;   /* |T older than this is refused, whatever the relays say */
	const char *state_dir; /* drops.h's, borrowed; NULL or "" for none */
};

/* Binds the sockets, or takes systemd's; there may be none. intakes (one a thread) and ledger (for
 * the kernel's drops) are borrowed. *out: receive_close. 0, a negative errno (logged). */
int receive_open(const struct receive_options *options, struct intake *intakes,
		 struct ledger *ledger, struct receiver **out)
	__attribute__((warn_unused_result));

/* What is put into the open table is also counted here (borrowed). Before receive_start. */
void receive_set_taken(struct receiver *r, tally_count *taken);

/* Starts the threads. 0, a negative errno. */
int receive_start(struct receiver *r) __attribute__((warn_unused_result));

/* Reads what is in the sockets and ends the threads. May be called twice. */
void receive_stop(struct receiver *r);

/* Stops it, closes the sockets, frees it. NULL is allowed. */
void receive_close(struct receiver *r);

/* Lines are read so from now on; what the options borrowed before may go after it. Any thread. */
void receive_set_lines(struct receiver *r, const struct line_options *lines);

/* Samples of earlier seconds are refused from now on. Any thread. */
void receive_set_floor(struct receiver *r, int64_t floor_second);

/* Adds what the kernel has dropped since the last call to the ledger. The loop's thread. */
void receive_count_drops(struct receiver *r);

/* All that was counted has been reported to the fleet: the next agent of these sockets goes on from
 * there. The loop's thread. */
void receive_drops_reported(struct receiver *r);

/* Appends where it really listens (listen_show). */
void receive_addresses(const struct receiver *r, char out[LISTEN_TEXT_SIZE]);

#endif
