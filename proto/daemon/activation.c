// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/activation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

int activation_find(const char *name, int *fd)
{
	char **names = NULL;
	int count = name ? sd_listen_fds_with_names(0, &names) : 0;
	int status = -ENOENT;

	for (int i = count - 1; i >= 0; i--) {
		if (strcmp(names[i], name) == 0) {
			*fd = SD_LISTEN_FDS_START + i;
			status = 0;
		}
		free(names[i]);
	}
	free(names);
	return status;
}
