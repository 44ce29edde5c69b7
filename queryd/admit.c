// SPDX-License-Identifier: Apache-2.0
#include "queryd/queryd_private.h"

#include "queryd/access.h"

/* Probes know a daemon by whatever name they like. */
static bool needs_host(enum route route)
{
	return route != ROUTE_HEALTH && route != ROUTE_READY;
}

static int judge_token(struct queryd *q, struct http_request *request,
		       const struct scope **scope, struct route_refusal *why)
{
	const struct token *token = tokens_find(&q->tokens, http_header(request, "Authorization"));

	if (!token)
		return route_refuse(why, 401, "no_token",
				    "this needs a token: Authorization: Bearer TOKEN, or TOKEN as "
				    "the password of Basic");
	*scope = &token->scope;
	return 0;
}

int queryd_admit(struct queryd *q, struct http_request *request, const struct route_request *asked,
		 const struct scope **scope, struct route_refusal *why)
{
	const struct config *c = q->config;
	int status = 0;

	*scope = NULL;
	/* Who can run --get can read Redis as well. */
	if (c->get)
		return 0;
	if (needs_host(asked->route) &&
	    !access_knows_host(http_header(request, "Host"), c->listen, c->hosts))
		return route_refuse(why, 421, "bad_host",
				    "this daemon does not go by that name; its operator can add it to "
				    "`hosts`");
	if (tokens_any(&q->tokens) && !access_is_open(asked->route))
		status = judge_token(q, request, scope, why);
	return status < 0 ? status : access_judge(asked, *scope, why);
}
