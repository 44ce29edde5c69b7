/*
 * secret.h - a secret that a configuration names.
 *
 *     fleet_secret = correct-horse-battery-staple     the text itself
 *     fleet_secret = file:/etc/hourglass/secret       what the file holds
 *     fleet_secret = credential:fleet_secret          systemd's LoadCredential=
 *
 * A file's blanks and newlines at the end do not count: editors put them there. A secret is
 * SECRET_MIN to SECRET_MAX bytes. --dump shows where a secret is read from, never the secret.
 */
#ifndef PROTO_DAEMON_SECRET_H
#define PROTO_DAEMON_SECRET_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_MIN 16
#define SECRET_MAX 1024

struct secret {
	size_t size; /* 0: none */
	uint8_t bytes[SECRET_MAX];
};

/* Reads what the text names; "" is none. 0; -EINVAL (too short or too long), -ENOENT and other
 * negative errnos of the file. *out is written only on success. */
int secret_read(const char *text, struct secret *out) __attribute__((warn_unused_result));

/* For a row of a configuration: NULL when secret_read would succeed, else what is expected. */
const char *secret_check(const char *text);

/* Whether the text says where the secret is, and so is none itself. */
bool secret_is_reference(const char *text);

/* Borrowed from the secret. */
struct slice secret_view(const struct secret *s);

#endif
