// SPDX-License-Identifier: Apache-2.0
/*
 * count.c - the count-only receiver: what receiving alone costs on this machine.
 *
 *     count PORT [NAP_MS]   prints `listening`, counts newlines until SIGTERM, prints JSON
 *
 * The yardstick of `make bench`: the agent's receiver is stated as a ratio to this one in the
 * same run. Same system call (recvmmsg of 64, wait for one), same socket buffer, no parsing. With
 * NAP_MS it looks that rarely, so that a few datagrams a second do not wake it one by one.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define COUNT_BATCH    64
#define COUNT_DATAGRAM 65536
#define COUNT_STRIDE   (COUNT_DATAGRAM + 4096 + 64) /* first bytes do not compete for the caches */

static atomic_bool count_stopped;

static void count_stop(int signal_number)
{
	(void)signal_number;
	count_stopped = true;
}

static uint64_t count_lines(const char *bytes, size_t size)
{
	uint64_t lines = size > 0;

	for (const char *at = bytes, *end = bytes + size;
	     (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
		lines++;
	return lines;
}

static int count_socket(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	int bytes = 16 << 20, fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
		perror("count: bind");
		exit(1);
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	return fd;
}

int main(int argc, char **argv)
{
	static char bytes[COUNT_BATCH][COUNT_STRIDE];
	struct mmsghdr messages[COUNT_BATCH] = { 0 };
	struct iovec vectors[COUNT_BATCH];
	struct sigaction action = { .sa_handler = count_stop };
	uint64_t lines = 0, datagrams = 0;
	struct rusage usage;
	long nap_ms = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
	const struct timespec nap = { .tv_sec = nap_ms / 1000, .tv_nsec = nap_ms % 1000 * 1000000 };
	int flags = nap_ms > 0 ? MSG_DONTWAIT : MSG_WAITFORONE;
	int fd = count_socket(argc > 1 ? argv[1] : "0");

	sigaction(SIGTERM, &action, NULL);
	for (int i = 0; i < COUNT_BATCH; i++) {
		vectors[i] = (struct iovec){ bytes[i], COUNT_DATAGRAM };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
	}
	printf("listening\n");
	fflush(stdout);
	while (!count_stopped) {
		int got = recvmmsg(fd, messages, COUNT_BATCH, flags, NULL);

		for (int i = 0; i < got; i++)
			lines += count_lines(bytes[i], messages[i].msg_len);
		datagrams += got > 0 ? (uint64_t)got : 0;
		if (nap_ms > 0 && got < COUNT_BATCH)
			nanosleep(&nap, NULL);
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"lines\":%llu,\"datagrams\":%llu,\"cpu_seconds\":%.6f}\n", (unsigned long long)lines,
	       (unsigned long long)datagrams,
	       (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	return 0;
}
