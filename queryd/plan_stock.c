// SPDX-License-Identifier: Apache-2.0
#include "queryd/plan_private.h"

#include <stdlib.h>
#include <string.h>

struct plan *plan_stock_take(struct plan_stock *stock)
{
	struct plan *p = stock && stock->count > 0 ? stock->kept[--stock->count] : malloc(sizeof(*p));

	if (p)
		memset(p, 0, sizeof(*p));
	return p;
}

void plan_stock_give(struct plan_stock *stock, struct plan *p)
{
	if (stock && stock->count < PLAN_STOCK)
		stock->kept[stock->count++] = p;
	else
		free(p);
}

void plan_stock_release(struct plan_stock *stock)
{
	while (stock->count > 0)
		free(stock->kept[--stock->count]);
}
