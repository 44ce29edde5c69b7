// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/capture.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

void capture_start(struct capture *c, int fd)
{
	fflush(NULL);
	c->fd = fd;
	c->saved = dup(fd);
	c->file = memfd_create("capture", MFD_CLOEXEC);
	assert(c->saved >= 0 && c->file >= 0);
	assert(dup2(c->file, fd) == fd);
}

const char *capture_stop(struct capture *c, char *text, size_t room)
{
	ssize_t size;

	fflush(NULL);
	assert(dup2(c->saved, c->fd) == c->fd);
	size = pread(c->file, text, room - 1, 0);
	assert(size >= 0);
	text[size] = '\0';
	close(c->saved);
	close(c->file);
	return text;
}
