// SPDX-License-Identifier: Apache-2.0
#include "agent/nap.h"

#define NAP_BYTES_A_US INT64_C(1600) /* of the kernel's buffer: 2,000,000 single lines a second */
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
	*n = (struct nap){ .most_ns = most_ns, .since_ns = -most_ns };
}

/* In which NAP_DATAGRAMS come, if they come as fast as these. */
static int64_t nap_length(const struct nap *n, uint64_t found, int64_t elapsed_ns)
{
	uint64_t ns = (uint64_t)elapsed_ns * NAP_DATAGRAMS / found;

	if (ns < NAP_SHORT_NS)
		return NAP_SHORT_NS;
	return ns < (uint64_t)n->most_ns ? (int64_t)ns : n->most_ns;
}

int64_t nap_next(struct nap *n, uint64_t found, int64_t now_ns)
{
	int64_t elapsed_ns = now_ns - n->since_ns;

	n->since_ns = now_ns;
	n->napped = n->most_ns > 0 && found > 0 && (n->napped || elapsed_ns < n->most_ns);
	return n->napped ? nap_length(n, found, elapsed_ns) : 0;
}
