// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/secret.h"

#include "proto/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char secret_file[] = "file:";
static const char secret_credential[] = "credential:";

/* What follows the prefix, or NULL. */
static const char *secret_after(const char *text, const char *prefix)
{
	size_t size = strlen(prefix);

	return strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

bool secret_is_reference(const char *text)
{
	return secret_after(text, secret_file) != NULL ||
	       secret_after(text, secret_credential) != NULL;
}

/* Blanks and newlines at the end are an editor's. */
static size_t secret_trim(const char *bytes, size_t size)
{
	while (size > 0 && strchr(" \t\r\n", bytes[size - 1]) != NULL && bytes[size - 1] != '\0')
		size--;
	return size;
}

static int secret_take(const char *bytes, size_t size, struct secret *out)
{
	size = secret_trim(bytes, size);
	if (size < SECRET_MIN || size > SECRET_MAX)
		return -EINVAL;
	out->size = size;
	memcpy(out->bytes, bytes, size);
	return 0;
}

/* Reads up to a size from a file; how many, or a negative errno. */
static ssize_t secret_load(const char *path, char *bytes, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t have = 0;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	while (have < size && got > 0) {
		got = read(fd, bytes + have, size - have);
		have += got > 0 ? (size_t)got : 0;
	}
	if (got < 0)
		got = -errno;
	close(fd);
	return got < 0 ? got : (ssize_t)have;
}

/* Room for a newline or two beyond the longest secret. */
#define SECRET_FILE_BYTES (SECRET_MAX + 16)

static int secret_from_file(const char *path, struct secret *out)
{
	char bytes[SECRET_FILE_BYTES];
	ssize_t size = secret_load(path, bytes, sizeof(bytes));
	int status = size < 0 ? (int)size : secret_take(bytes, (size_t)size, out);

	auth_wipe(bytes, sizeof(bytes));
	return status;
}

static int secret_from_credential(const char *name, struct secret *out)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[4096];

	if (folder == NULL || *name == '\0' || strchr(name, '/') != NULL)
		return -ENOENT;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
		return -ENAMETOOLONG;
	return secret_from_file(path, out);
}

int secret_read(const char *text, struct secret *out)
{
	const char *path = secret_after(text, secret_file);
	const char *name = secret_after(text, secret_credential);

	if (path != NULL)
		return secret_from_file(path, out);
	if (name != NULL)
		return secret_from_credential(name, out);
	if (*text != '\0')
		return secret_take(text, strlen(text), out);
	out->size = 0;
	return 0;
}

const char *secret_check(const char *text)
{
	struct secret secret;
	int status = secret_read(text, &secret);

	auth_wipe(&secret, sizeof(secret));
	if (status == 0)
		return NULL;
	if (status == -EINVAL)
		return "a secret of 16 to 1,024 bytes, or file:/path or credential:name of one";
	if (secret_after(text, secret_credential) != NULL)
		return "a credential that systemd passes (LoadCredential=) and this user may read";
	return "a file that exists and this user may read";
}

struct slice secret_view(const struct secret *s)
{
	return slice_of(s->bytes, s->size);
}
