/*
 * grow.h - arrays that double.
 *
 * The ceiling of an array is its owner's business: it is checked before an element is added.
 */
#ifndef QUERYD_GROW_H
#define QUERYD_GROW_H

#include <stddef.h>
#include <stdlib.h>

/* Makes room for one more element behind `count` of them. The array, which may have moved; NULL
 * without memory, then the old one stays. */
static inline void *grow(void *list, size_t count, size_t *capacity, size_t element_size)
{
	size_t wanted = *capacity ? *capacity * 2 : 16;
	void *grown = list;

	if (count == *capacity) {
		grown = realloc(list, wanted * element_size);
		if (grown)
			*capacity = wanted;
	}
	return grown;
}

#endif
