// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/redis_server.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES  2000
#define START_NAP_NS 5000000

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &size) < 0)
		fail("free port");
	close(fd);
	return ntohs(at.sin_port);
}

static void path_of_socket(const struct redis_server *s, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/s", s->folder);
}

static void run_server(const struct redis_server *s)
{
	char path[108], port[8];

	path_of_socket(s, path, sizeof(path));
	(void)snprintf(port, sizeof(port), "%u", s->port);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1",
		     "--unixsocket", path, "--dir", s->folder, "--save", "", "--appendonly", "no",
		     "--logfile", "log", "--requirepass", s->password, (char *)NULL);
	_exit(127);
}

static bool answers(const struct redis_server *s)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool good;

	path_of_socket(s, at.sun_path, sizeof(at.sun_path));
	good = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
	if (fd >= 0)
		close(fd);
	return good;
}

void redis_server_restart(struct redis_server *s)
{
	const struct timespec nap = { .tv_nsec = START_NAP_NS };
	int tries;

	s->pid = fork();
	if (s->pid < 0)
		fail("fork");
	if (s->pid == 0)
		run_server(s);
	for (tries = 0; !answers(s); tries++) {
		if (tries == START_TRIES || waitpid(s->pid, NULL, WNOHANG) != 0) {
			(void)fprintf(stderr, "redis-server does not start in %s\n", s->folder);
			exit(1);
		}
		(void)nanosleep(&nap, NULL);
	}
}

void redis_server_start(struct redis_server *s, const char *password)
{
	memset(s, 0, sizeof(*s));
	(void)strcpy(s->folder, "/tmp/hourglass-redis-XXXXXX");
	if (!mkdtemp(s->folder))
		fail("mkdtemp");
	if (password)
		(void)snprintf(s->password, sizeof(s->password), "%s", password);
	s->port = free_port();
	(void)snprintf(s->unix_url, sizeof(s->unix_url), "unix://%s/s", s->folder);
	if (password)
		(void)snprintf(s->tcp_url, sizeof(s->tcp_url), "redis://:%s@127.0.0.1:%u", password,
			       s->port);
	else
		(void)snprintf(s->tcp_url, sizeof(s->tcp_url), "redis://127.0.0.1:%u", s->port);
	redis_server_restart(s);
}

void redis_server_kill(struct redis_server *s)
{
	char path[108];

	if (s->pid == 0)
		return;
	(void)kill(s->pid, SIGCONT);
	(void)kill(s->pid, SIGKILL);
	(void)waitpid(s->pid, NULL, 0);
	s->pid = 0;
	path_of_socket(s, path, sizeof(path));
	(void)unlink(path);
}

void redis_server_stop(struct redis_server *s)
{
	char path[108];

	redis_server_kill(s);
	(void)snprintf(path, sizeof(path), "%s/log", s->folder);
	(void)unlink(path);
	(void)rmdir(s->folder);
}
