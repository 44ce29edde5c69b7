// SPDX-License-Identifier: Apache-2.0
#include "queryd/config.h"
#include "queryd/queryd.h"

int main(int argc, char **argv)
{
	struct config config;
	enum conf_verdict verdict = conf_parse(config_spec(), argc, argv, &config);
	int status;

	if (verdict == CONF_DONE)
		return 0;
	if (verdict == CONF_REFUSED)
		return 2;
	config_apply(&config);
	status = queryd_run(&config, argc, argv);
	conf_release(config_spec(), &config);
	return status < 0 ? 1 : 0;
}
