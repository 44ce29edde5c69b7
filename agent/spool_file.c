// SPDX-License-Identifier: Apache-2.0
#include "agent/spool_file.h"

#include "proto/hex.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SUFFIX ".v1" /* the format (SPOOL.md) */

static int file_folder(const char *path)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int file_list(int folder, int (*each)(void *arg, const char *name), void *arg)
{
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	int status = 0;

	if (entries == NULL) {
		status = -errno;
		if (copy >= 0)
			close(copy);
		return status;
	}
	while (status >= 0 && (entry = readdir(entries)) != NULL)
		status = each(arg, entry->d_name);
	closedir(entries);
	return status < 0 ? status : 0;
}

static int file_open(int folder, const char *name, int flags)
{
	return openat(folder, name, flags | O_CLOEXEC, 0600);
}

static int file_remove(int folder, const char *name)
{
	return unlinkat(folder, name, 0);
}

static int64_t file_size(int fd)
{
	struct stat about;

	return fstat(fd, &about) == 0 && S_ISREG(about.st_mode) ? about.st_size : -1;
}

const struct spool_io spool_io_system = {
	.folder = file_folder,
	.list = file_list,
	.open = file_open,
	.remove = file_remove,
	.size = file_size,
	.truncate = ftruncate,
	.copy = dup,
	.close = close,
	.write = pwrite,
	.read = pread,
	.sync = fdatasync,
	.allocate = posix_fallocate,
};

const char *spool_file_name(uint64_t number, char out[SPOOL_FILE_NAME_SIZE])
{
	snprintf(out, SPOOL_FILE_NAME_SIZE, "%016" PRIx64 FILE_SUFFIX, number);
	return out;
}

bool spool_file_number(const char *name, uint64_t *number)
{
	return strlen(name) == HEX_U64_DIGITS + strlen(FILE_SUFFIX) &&
	       strcmp(name + HEX_U64_DIGITS, FILE_SUFFIX) == 0 &&
	       hex_read_u64(slice_of(name, HEX_U64_DIGITS), number) == 0;
}

int spool_file_create(const struct spool_io *io, int folder, uint64_t number, size_t size)
{
	char name[SPOOL_FILE_NAME_SIZE];
	int fd, status;

	spool_file_name(number, name);
	fd = io->open(folder, name, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return -errno;
	do {
		status = io->allocate(fd, 0, (off_t)size);
	} while (status == EINTR);
	if (status == 0)
		return fd;
	io->close(fd);
	io->remove(folder, name);
	return -status;
}

int spool_file_open(const struct spool_io *io, int folder, uint64_t number)
{
	char name[SPOOL_FILE_NAME_SIZE];
	int fd = io->open(folder, spool_file_name(number, name), O_RDWR | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

int spool_file_write(const struct spool_io *io, int fd, struct slice bytes, size_t at)
{
	size_t done = 0;
	int status = 0;

	while (done < bytes.size && status == 0) {
		ssize_t wrote = io->write(fd, bytes.ptr + done, bytes.size - done,
					  (off_t)(at + done));

		if (wrote > 0)
			done += (size_t)wrote;
		else if (wrote == 0)
			status = -ENOSPC;
		else if (errno != EINTR)
			status = -errno;
	}
	/* Should even this fail, a later start passes over the rest of the record. */
	if (status < 0 && io->truncate(fd, (off_t)at) < 0)
		return status;
	return status;
}

int spool_file_read(const struct spool_io *io, int fd, void *bytes, size_t size, size_t at)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = io->read(fd, (uint8_t *)bytes + done, size - done,
				       (off_t)(at + done));

		if (got == 0)
			return -EIO;
		if (got < 0 && errno != EINTR)
			return -errno;
		done += got > 0 ? (size_t)got : 0;
	}
	return 0;
}
