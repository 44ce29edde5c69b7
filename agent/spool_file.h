/*
 * spool_file.h - one file of the spool and the system calls under it.
 *
 * A file is preallocated, so that an append neither moves its end nor runs out of space halfway,
 * and is cut to what is in it when it is full. All that the spool asks of the system goes through
 * struct spool_io: tests put disks there that fail, the simulator one that forgets. Every call may
 * fail for the world's reasons; a failed append leaves the records before it as they were. Any
 * thread may sync a descriptor, all else is one thread's.
 */
#ifndef AGENT_SPOOL_FILE_H
#define AGENT_SPOOL_FILE_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Larger files are not ours. */
#define SPOOL_FILE_MAX_BYTES  ((size_t)64 * 1024 * 1024)
#define SPOOL_FILE_NAME_SIZE 24

/* Calls return what the system calls they are named after do: -1 and errno when they fail. */
struct spool_io {
	int (*folder)(const char *path); /* mkdir(2), if need be, and open(2): a descriptor */
	/* readdir(3): each name until one of the calls is negative. That, or 0. */
	int (*list)(int folder, int (*each)(void *arg, const char *name), void *arg);
	int (*open)(int folder, const char *name, int flags); /* openat(2) */
	int (*remove)(int folder, const char *name);          /* unlinkat(2) */
	int64_t (*size)(int fd); /* fstat(2): of a regular file, -1 of anything else */
	int (*truncate)(int fd, off_t size); /* ftruncate(2) */
	int (*copy)(int fd);                 /* dup(2) */
	int (*close)(int fd);
	ssize_t (*write)(int fd, const void *bytes, size_t size, off_t at); /* pwrite(2) */
	ssize_t (*read)(int fd, void *bytes, size_t size, off_t at);        /* pread(2) */
	int (*sync)(int fd);                                                /* fdatasync(2) */
	int (*allocate)(int fd, off_t from, off_t size); /* posix_fallocate(3): a positive errno */
};

/* The system's. */
extern const struct spool_io spool_io_system;

/* `0123456789abcdef.v1`: a file's name by its number. Returns out. */
const char *spool_file_name(uint64_t number, char out[SPOOL_FILE_NAME_SIZE]);

/* Reads a name. False for one that is not a spool file's. */
bool spool_file_number(const char *name, uint64_t *number);

/* Makes a file of size bytes that hold nothing. The descriptor, or a negative errno: then there
 * is no file. */
int spool_file_create(const struct spool_io *io, int folder, uint64_t number, size_t size)
	__attribute__((warn_unused_result));

/* Opens a file that is there. The descriptor, a negative errno. */
int spool_file_open(const struct spool_io *io, int folder, uint64_t number)
	__attribute__((warn_unused_result));

/* Writes all bytes at a place. 0; a negative errno: then the file was cut to `at`. */
int spool_file_write(const struct spool_io *io, int fd, struct slice bytes, size_t at)
	__attribute__((warn_unused_result));

/* Reads all bytes at a place. 0, a negative errno, -EIO when the file is shorter. */
int spool_file_read(const struct spool_io *io, int fd, void *bytes, size_t size, size_t at)
	__attribute__((warn_unused_result));

#endif
