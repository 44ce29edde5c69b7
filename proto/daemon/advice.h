/*
 * advice.h - what a person can do about a start that failed.
 *
 * An error's name says what the kernel minded; whoever reads the log wants to know what to
 * change. These are the sentences, in one place, for what every daemon meets: an address
 * that cannot be listened on, a folder that cannot be used, a Redis that does not let us in, a
 * relay that cannot be reached.
 */
#ifndef PROTO_DAEMON_ADVICE_H
#define PROTO_DAEMON_ADVICE_H

/* Logs `listen_failed` with the address as it was configured (host:port, or a path), the
 * negative errno and what to do about it. */
void advice_listen(const char *address, int status);

/* What to do about a folder that failed with a negative errno; "" when there is nothing to
 * say beyond the error's name. Static. */
const char *advice_folder(int status);

/* What to do about a Redis that cannot be used: what it said when it refused us ("" if it said
 * nothing), or else the negative errno or libuv error. "" as above. Static. */
const char *advice_redis(const char *said, int status);

/* What to do about a relay that a negative errno or libuv error keeps an agent from. "" as above. Static. */
const char *advice_relay(int status);

#endif
