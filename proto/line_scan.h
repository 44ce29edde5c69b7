/*
 * line_scan.h - how far a name goes on that needs no thought.
 *
 * A byte of a name is usual when it is printable ASCII and none of `: | [ ] , # ; \`. Sixteen are
 * judged at a time where the processor has SSE2, which every x86-64 has; elsewhere one by one.
 * Reads nothing beyond the bytes given. For line.c alone.
 */
#ifndef PROTO_LINE_SCAN_H
#define PROTO_LINE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Whether a byte is usual. */
static inline bool line_scan_usual(uint8_t byte)
{
	return byte >= ' ' && byte < 0x7f && memchr(":|[],#;\\", byte, 8) == NULL;
}

#ifdef __SSE2__

/* A bit for each of sixteen bytes that is not usual. */
static inline unsigned line_scan_mask(const uint8_t *at)
{
	const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
	/* Signed, so that bytes from 0x80 on are below as well. */
	__m128i odd = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));
	/* `[`, `\` and `]` follow each other; `:` and `;` differ in the last bit. */
	const __m128i bracket = _mm_sub_epi8(bytes, _mm_set1_epi8('['));
	const __m128i even = _mm_and_si128(bytes, _mm_set1_epi8((char)0xfe));

	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(_mm_min_epu8(bracket, _mm_set1_epi8(2)), bracket));
	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(even, _mm_set1_epi8(':')));
	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('|')));
	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(',')));
	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')));
	return (unsigned)_mm_movemask_epi8(odd);
}

/* The first byte that is not usual; end when there is none. */
static inline const uint8_t *line_scan(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *start = at;
	unsigned mask;

	for (; end - at >= 16; at += 16) {
		mask = line_scan_mask(at);
		if (mask != 0)
			return at + __builtin_ctz(mask);
	}
	/* The rest as the end of sixteen bytes of which the first were judged before. */
	if (at < end && end - start >= 16) {
		mask = line_scan_mask(end - 16) >> (16 - (end - at));
		return mask != 0 ? at + __builtin_ctz(mask) : end;
	}
	while (at < end && line_scan_usual(*at))
		at++;
	return at;
}

#else

static inline const uint8_t *line_scan(const uint8_t *at, const uint8_t *end)
{
	while (at < end && line_scan_usual(*at))
		at++;
	return at;
}

#endif
#endif
