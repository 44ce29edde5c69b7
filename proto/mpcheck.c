// SPDX-License-Identifier: Apache-2.0
/*
 * A cursor over the bytes and a stack of the arrays it is in, each with the rule of its next
 * element and how many are left: the schema drives the walk, so bytes can neither choose a depth
 * nor a type. Every element is a token (type and number, or type and size) that is read first and
 * judged after.
 */
#include "proto/mpcheck.h"

#include "proto/err.h"

#include <assert.h>
#include <errno.h>

/* What the first bytes of an element say. */
struct mpcheck_token {
	enum mpcheck_type type; /* LIST for any array: the rule decides which */
	bool negative;          /* INT: value is the two's complement of a number below 0 */
	uint64_t value;         /* INT: the number; TEXT, BYTES: bytes; LIST: elements */
};

/* An array being walked. */
struct mpcheck_level {
	const struct mpcheck_rule *rule; /* of the next element */
	uint64_t left;
	bool tuple;
};

struct mpcheck_cursor {
	const uint8_t *at;
	const uint8_t *end;
};

static size_t mpcheck_left(const struct mpcheck_cursor *c)
{
	return (size_t)(c->end - c->at);
}

/* A big-endian number of 1, 2, 4 or 8 bytes. */
static int mpcheck_number(struct mpcheck_cursor *c, size_t size, uint64_t *value)
{
	uint64_t sum = 0;

	if (size > mpcheck_left(c))
		return ERR_TRUNCATED;
	for (size_t i = 0; i < size; i++)
		sum = sum << 8 | c->at[i];
	c->at += size;
	*value = sum;
	return 0;
}

/* 0xd0..0xd3: the sign bit of the width is spread over 64 bits. */
static int mpcheck_signed(struct mpcheck_cursor *c, size_t size, struct mpcheck_token *token)
{
	unsigned width = 8 * (unsigned)size;
	int err = mpcheck_number(c, size, &token->value);

	if (err != 0)
		return err;
	token->type = MPCHECK_INT;
	token->negative = token->value >> (width - 1) & 1;
	if (token->negative && width < 64)
		token->value |= UINT64_MAX << width;
	return 0;
}

/* The forms that have a byte of their own: 0xc0 and above. */
static int mpcheck_wide(struct mpcheck_cursor *c, uint8_t lead, struct mpcheck_token *token)
{
	switch (lead) {
	case 0xc0:
		token->type = MPCHECK_NIL;
		return 0;
	case 0xc2:
	case 0xc3:
		token->type = MPCHECK_BOOL;
		return 0;
	case 0xc4:
	case 0xc5:
	case 0xc6:
		token->type = MPCHECK_BYTES;
		return mpcheck_number(c, (size_t)1 << (lead - 0xc4), &token->value);
	case 0xcc:
	case 0xcd:
	case 0xce:
	case 0xcf:
		token->type = MPCHECK_INT;
		return mpcheck_number(c, (size_t)1 << (lead - 0xcc), &token->value);
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return mpcheck_signed(c, (size_t)1 << (lead - 0xd0), token);
	case 0xd9:
	case 0xda:
	case 0xdb:
		token->type = MPCHECK_TEXT;
		return mpcheck_number(c, (size_t)1 << (lead - 0xd9), &token->value);
	case 0xdc:
	case 0xdd:
		token->type = MPCHECK_LIST;
		return mpcheck_number(c, (size_t)2 << (lead - 0xdc), &token->value);
	default: /* maps, floats, exts, and 0xc1, which is nothing */
		return ERR_MALFORMED;
	}
}

/* Reads an element's header; the body of a text or of bytes is still to come. */
static int mpcheck_token(struct mpcheck_cursor *c, struct mpcheck_token *token)
{
	uint8_t lead;

	if (c->at == c->end)
		return ERR_TRUNCATED;
	lead = *c->at++;
	*token = (struct mpcheck_token){ .type = MPCHECK_INT, .value = lead };
	if (lead < 0x80)
		return 0;
	if (lead >= 0xe0) {
		token->negative = true;
		token->value |= UINT64_MAX << 8;
		return 0;
	}
	if (lead >= 0xc0)
		return mpcheck_wide(c, lead, token);
	if (lead < 0x90)
		return ERR_MALFORMED; /* a map */
	token->type = lead < 0xa0 ? MPCHECK_LIST : MPCHECK_TEXT;
	token->value = lead & (lead < 0xa0 ? 0x0f : 0x1f);
	return 0;
}

static int mpcheck_int(const struct mpcheck_token *token, const struct mpcheck_rule *rule)
{
	bool fits;

	if (token->negative)
		fits = (int64_t)token->value >= rule->min;
	else
		fits = token->value <= rule->max &&
		       (rule->min <= 0 || token->value >= (uint64_t)rule->min);
	return fits ? 0 : ERR_OUT_OF_RANGE;
}

/* A size or count: over the limit, below it, and only then against the bytes left. */
static int mpcheck_size(const struct mpcheck_cursor *c, const struct mpcheck_token *token,
			const struct mpcheck_rule *rule)
{
	if (token->value > rule->max)
		return ERR_TOO_LARGE;
	if (token->value < (uint64_t)rule->min)
		return ERR_MALFORMED;
	return token->value <= mpcheck_left(c) ? 0 : ERR_TRUNCATED;
}

/* Judges a container; the caller walks into it. */
static int mpcheck_container(const struct mpcheck_cursor *c, const struct mpcheck_token *token,
			     const struct mpcheck_rule *rule, struct mpcheck_level *level)
{
	bool tuple = rule->types & MPCHECK_TUPLE;
	int err;

	if (!(rule->types & (MPCHECK_TUPLE | MPCHECK_LIST)))
		return ERR_TOO_DEEP;
	err = mpcheck_size(c, token, rule);
	if (err != 0)
		return err;
	if (tuple && token->value != rule->max)
		return ERR_MALFORMED;
	*level = (struct mpcheck_level){ .rule = rule->of, .left = token->value, .tuple = tuple };
	return 0;
}

/* Judges everything that is not a container, and steps over its body. */
static int mpcheck_scalar(struct mpcheck_cursor *c, const struct mpcheck_token *token,
			  const struct mpcheck_rule *rule)
{
	int err;

	if (!(rule->types & token->type))
		return ERR_MALFORMED;
	if (token->type == MPCHECK_INT)
		return mpcheck_int(token, rule);
	if (token->type != MPCHECK_TEXT && token->type != MPCHECK_BYTES)
		return 0;
	err = mpcheck_size(c, token, rule);
	if (err == 0)
		c->at += token->value;
	return err;
}

/* Finds the rule of the next element, leaving what is complete. NULL at the end. */
static const struct mpcheck_rule *mpcheck_next(struct mpcheck_level *levels, size_t *depth)
{
	while (*depth > 0) {
		struct mpcheck_level *level = &levels[*depth - 1];

		if (level->left > 0) {
			level->left--;
			return level->tuple ? level->rule++ : level->rule;
		}
		(*depth)--;
	}
	return NULL;
}

int mpcheck_walk(struct slice bytes, const struct mpcheck_rule *rule)
{
	struct mpcheck_level levels[LIMIT_MSGPACK_DEPTH];
	struct mpcheck_cursor c;
	struct mpcheck_token token;
	size_t depth = 0;
	int err;

	if (bytes.size == 0)
		return ERR_TRUNCATED;
	c = (struct mpcheck_cursor){ .at = bytes.ptr, .end = bytes.ptr + bytes.size };
	for (uint32_t elements = 0; rule != NULL; rule = mpcheck_next(levels, &depth)) {
		if (++elements > MPCHECK_ELEMENTS)
			return ERR_TOO_LARGE;
		err = mpcheck_token(&c, &token);
		if (err == 0 && token.type == MPCHECK_LIST) {
			/* A schema deeper than the limit would be our bug. */
			assert(depth < LIMIT_MSGPACK_DEPTH);
			err = mpcheck_container(&c, &token, rule, &levels[depth]);
			depth += err == 0;
		} else if (err == 0) {
			err = mpcheck_scalar(&c, &token, rule);
		}
		if (err != 0)
			return err;
	}
	return c.at == c.end ? 0 : ERR_TRAILING;
}

int mpcheck_unpack(struct slice bytes, const struct mpcheck_rule *rule, msgpack_unpacked *out)
{
	msgpack_unpacked unpacked;
	msgpack_unpack_return result;
	size_t offset = 0;
	int err = mpcheck_walk(bytes, rule);

	if (err != 0)
		return err;
	msgpack_unpacked_init(&unpacked);
	result = msgpack_unpack_next(&unpacked, (const char *)bytes.ptr, bytes.size, &offset);
	if (result != MSGPACK_UNPACK_SUCCESS) {
		/* The bytes are sound, so only memory can have failed: msgpack-c reports that as
		 * a parse error too, and a good batch must not be refused for it. */
		msgpack_unpacked_destroy(&unpacked);
		return -ENOMEM;
	}
	assert(offset == bytes.size);
	*out = unpacked;
	return 0;
}

struct slice mpcheck_slice(const msgpack_object *element)
{
	if (element->type == MSGPACK_OBJECT_STR)
		return slice_of(element->via.str.ptr, element->via.str.size);
	assert(element->type == MSGPACK_OBJECT_BIN);
	return slice_of(element->via.bin.ptr, element->via.bin.size);
}
