// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "queryd/config.h"
#include "queryd/queryd.h"
#include "queryd/tokens.h"

#include <malloc.h>
#include <sys/resource.h>

/* Descriptors beside connections: Redis, the loop's, libraries'. */
#define OTHER_FILES 64

/* Shells allow 1,024 files at first, fewer than connections. */
static void raise_files(int64_t connections)
{
	rlim_t wanted = (rlim_t)connections + OTHER_FILES;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= wanted)
		return;
	files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur < wanted)
		log_warn("few_files", "limit=%llu max_connections=%lld",
			 (unsigned long long)files.rlim_cur, (long long)connections);
}

static int make_token(void)
{
	uint8_t seed[TOKEN_SEED_BYTES];
	char token[TOKEN_SIZE], hash[TOKEN_HASH_SIZE];

	life_random(seed, sizeof(seed));
	tokens_make(seed, token, hash);
	printf("# For who asks; it is kept nowhere else:\n%s\n"
	       "# Below [tokens] in queryd.conf, with a name and the prefixes it may see (* for all):\n"
	       "NAME = %s PREFIX\n", token, hash);
	return 0;
}

/* Threads beside the loop free what others of them have allocated: with an arena each, as glibc has it, a
 * million names of 77 bytes took 250 MB while they came together, with one for all they take 100. */
static void share_memory(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
}

int main(int argc, char **argv)
{
	struct config config;
	enum conf_verdict verdict = conf_parse(config_spec(), argc, argv, &config);
	int status;

	if (verdict == CONF_DONE)
		return 0;
	if (verdict == CONF_REFUSED)
		return 2;
	if (config.make_token) {
		conf_release(config_spec(), &config);
		return make_token();
	}
	share_memory();
	config_apply(&config);
	raise_files(config.max_connections);
	if (config.get)
		log_set_level(LOG_LEVEL_ERROR);
	status = queryd_run(&config, argc, argv);
	conf_release(config_spec(), &config);
	return status == 0 ? 0 : 1;
}
