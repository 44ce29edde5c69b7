// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.h"
#include "agent/config.h"
#include "agent/explain.h"

#include <malloc.h>
#include <stdio.h>

/* Memory of a burst must go back when it is over: chunks of the arena are mapped singly, and
 * two threads need no more than two heaps. glibc would raise the first by itself. */
static void main_tame_malloc(void)
{
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	mallopt(M_ARENA_MAX, 2);
}

static int main_explain(const struct config *config)
{
	struct series_tag tags[CONFIG_TAGS];
	struct line_options options =
		config_line_options(config, tags, config_tags(config->add_tags, tags));

	return explain_run(stdin, stdout, config->datagram, &options) < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct config config;
	int status;

	main_tame_malloc();
	switch (conf_parse(config_spec(), argc, argv, &config)) {
	case CONF_DONE:
		return 0;
	case CONF_REFUSED:
		return 2;
	case CONF_RUN:
		break;
	}
	status = config.explain ? main_explain(&config) : agent_run(&config, argc, argv);
	conf_release(config_spec(), &config);
	return status;
}
