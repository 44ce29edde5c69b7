/*
 * redis_server.h - a real redis-server for a test.
 *
 * Runs in a folder of its own under /tmp, on a Unix socket and a free TCP port of 127.0.0.1,
 * without persistence. It dies with the test, even if that crashes. Failures end the
 * test program: a test without its server proves nothing.
 */
#ifndef TESTS_LIB_REDIS_SERVER_H
#define TESTS_LIB_REDIS_SERVER_H

#include <stdint.h>
#include <sys/types.h>

struct redis_server {
	pid_t pid; /* 0: not running */
	uint16_t port;
	char folder[64];
	char unix_url[128]; /* unix:///tmp/.../s */
	char tcp_url[192];  /* redis://[:password@]127.0.0.1:port */
	char password[32];
};

/* Starts one and waits until it answers. password may be NULL. */
void redis_server_start(struct redis_server *s, const char *password);

/* Kills it (SIGKILL) and waits for its end; the addresses stay reserved in the struct. */
void redis_server_kill(struct redis_server *s);

/* Starts it again, empty, on the same addresses. */
void redis_server_restart(struct redis_server *s);

/* Kills it and removes its folder. */
void redis_server_stop(struct redis_server *s);

#endif
