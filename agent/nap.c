// SPDX-License-Identifier: Apache-2.0
#include "agent/nap.h"

#define NAP_BYTES_A_US INT64_C(3200) /* twice 1.6 GB/s, for half of a buffer */
#define NAP_NS_A_US    1000

int64_t nap_of_buffer(int64_t buffer_bytes)
{
	int64_t ns = buffer_bytes / NAP_BYTES_A_US * NAP_NS_A_US;

	if (ns < NAP_LEAST_NS)
		return 0;
	return ns < NAP_MOST_NS ? ns : NAP_MOST_NS;
}

void nap_init(struct nap *n, int64_t most_ns)
{
	/* As if it had waited long: what comes first is read at once. */
	*n = (struct nap){ .most_ns = most_ns, .blocked_ns = -most_ns };
}

int64_t nap_next(struct nap *n, bool found, int64_t now_ns)
{
	if (found && (n->napped || now_ns - n->blocked_ns < n->most_ns)) {
		n->napped = n->most_ns > 0;
		return n->most_ns;
	}
	n->napped = false;
	n->blocked_ns = now_ns;
	return 0;
}
