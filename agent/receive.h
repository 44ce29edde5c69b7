/*
 * receive.h - the receiver: datagrams from sockets into the intake.
 *
 * One thread waits for all datagram sockets (udp://, unixgram://), takes up to 64 datagrams a
 * recvmmsg(2), and holds the intake's mutex once for all of them while it parses and adds their
 * lines. Nothing on this path allocates but the table's chunks. It sleeps in poll(2) when
 * there is nothing, and is woken for its end by an eventfd: shutting a socket down would reach
 * those to whom systemd hands it next.
 *
 * Sockets passed by systemd (sd_listen_fds) are used instead of `listen`: they outlive a killed
 * agent, so senders see no error and the kernel keeps what they send. What the kernel drops is
 * counted at the seal (drops.h): exact at any moment, also when no later datagram comes to bring
 * an SO_RXQ_OVFL message along.
 */
#ifndef AGENT_RECEIVE_H
#define AGENT_RECEIVE_H

#include "agent/intake.h"
#include "agent/ledger.h"
#include "proto/line.h"

#include <stddef.h>
#include <stdint.h>

#define RECEIVE_SOCKETS   16
#define RECEIVE_TEXT_SIZE 1024

struct receiver;

struct receive_options {
	const char *listen;  /* addresses, comma-separated */
	size_t buffer_bytes; /* SO_RCVBUF to ask for */
	struct line_options lines;
	int64_t max_age_s;   /* |T older than this is refused, whatever the relays say */
	const char *state_dir; /* drops.h's, borrowed; NULL or "" for none */
};

/* Whether a `listen` can be used; NULL when it can, else what is expected (conf.h's check). */
const char *receive_check(const char *listen);

/* Binds the sockets, or takes systemd's. intake and ledger are borrowed. *out: receive_close. 0, a
 * negative errno (logged). */
int receive_open(const struct receive_options *options, struct intake *intake,
		 struct ledger *ledger, struct receiver **out)
	__attribute__((warn_unused_result));

/* What is put into the open table is also counted here (borrowed). Before receive_start. */
void receive_set_taken(struct receiver *r, tally_count *taken);

/* Starts the thread. 0, a negative errno. */
int receive_start(struct receiver *r) __attribute__((warn_unused_result));

/* Reads what is in the sockets and ends the thread. May be called twice. */
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

/* `udp://127.0.0.1:8125,...`: where it really listens. Returns out. */
const char *receive_addresses(const struct receiver *r, char out[RECEIVE_TEXT_SIZE]);

#endif
