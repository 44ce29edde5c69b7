/*
 * list.h - intrusive doubly linked lists.
 *
 * A node lives inside what it lists; a list is a node that is a ring with itself when
 * empty. Everything is O(1), nothing allocates, and a node that is on no list can be removed
 * again without harm. A zeroed node is on no list; a head wants list_init.
 */
#ifndef RELAY_LIST_H
#define RELAY_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev;
	struct list *next;
};

/* The struct of the given type whose member `field` is the node. */
#define LIST_ENTRY(node, type, field) ((type *)(void *)((char *)(node) - offsetof(type, field)))

/* Makes a head, empty. */
static inline void list_init(struct list *head)
{
	head->prev = head->next = head;
}

/* Whether nothing is listed. */
static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* Whether the node is on some list. */
static inline bool list_linked(const struct list *node)
{
	return node->next != NULL;
}

/* Puts a node that is on no list at the end. */
static inline void list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/* Takes a node off whatever list it is on, if any. */
static inline void list_remove(struct list *node)
{
	if (!list_linked(node))
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->prev = node->next = NULL;
}

/* Moves the node to the end of a list, from wherever it was. */
static inline void list_move(struct list *head, struct list *node)
{
	list_remove(node);
	list_append(head, node);
}

#endif
