/*
 * capture.h - what a function writes to standard output or standard error.
 *
 * The descriptor points to a file in memory between capture_start and capture_stop, so
 * write(2) is caught as well as stdio. cmocka's own output must wait until then: no
 * assertion in between.
 */
#ifndef TESTS_LIB_CAPTURE_H
#define TESTS_LIB_CAPTURE_H

#include <stddef.h>

struct capture {
	int fd;    /* the one captured */
	int saved; /* where it pointed */
	int file;
};

/* Redirects STDOUT_FILENO or STDERR_FILENO. */
void capture_start(struct capture *c, int fd);

/* Ends it; text holds what was written, terminated and cut at room. Returns text. */
const char *capture_stop(struct capture *c, char *text, size_t room);

#endif
