// SPDX-License-Identifier: Apache-2.0
#include "relay/config.h"
#include "relay/relay.h"

int main(int argc, char **argv)
{
	struct config config;
	int status;

	switch (conf_parse(config_spec(), argc, argv, &config)) {
	case CONF_DONE:
		return 0;
	case CONF_REFUSED:
		return 2;
	case CONF_RUN:
		break;
	}
	status = relay_run(&config, argc, argv);
	conf_release(config_spec(), &config);
	return status;
}
