/*
 * le.h - whole numbers as little-endian bytes, which is how all formats of ours have them.
 *
 * On any machine, at any address; a load or a store each where the machine is little-endian.
 */
#ifndef PROTO_LE_H
#define PROTO_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* Writes 4 or 8 bytes and returns what follows them. */
static inline uint8_t *le_put_u32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

static inline uint8_t *le_put_u64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

/* Reads 8 bytes. */
static inline uint64_t le_get_u64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

#endif
