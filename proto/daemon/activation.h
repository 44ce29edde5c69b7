/*
 * activation.h - sockets that systemd opened before the daemon started.
 *
 * A .socket unit names its descriptors (FileDescriptorName=, sd_listen_fds_with_names(3));
 * a daemon asks for one by name and binds by itself when there is none. The descriptor is
 * the caller's from then on; asking twice gives the same one.
 */
#ifndef PROTO_DAEMON_ACTIVATION_H
#define PROTO_DAEMON_ACTIVATION_H

/* Finds the first passed socket of that name. 0 with *fd; -ENOENT (also when name is NULL). */
int activation_find(const char *name, int *fd) __attribute__((warn_unused_result));

#endif
