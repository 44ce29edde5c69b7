// SPDX-License-Identifier: Apache-2.0
#include "agent/reading.h"

#include <stdlib.h>
#include <string.h>

struct reading *reading_new(const struct config *config)
{
	struct reading *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->add_tags = strdup(config->add_tags);
	if (r->add_tags == NULL) {
		free(r);
		return NULL;
	}
	r->options = config_line_options(config, r->tags, config_tags(r->add_tags, r->tags));
	r->options.max_tags = (size_t)config->max_tags;
	r->options.max_series_bytes = (size_t)config->max_series_bytes;
	return r;
}

void reading_free(struct reading *r)
{
	if (r != NULL)
		free(r->add_tags);
	free(r);
}
