/* SPDX-License-Identifier: Apache-2.0 */
/* XXH64, for contents that ssh has protected on their way: fast, and good at finding mistakes. */
#include "om_frame.h"

#include <string.h>

#define P1 0x9E3779B185EBCA87ULL
#define P2 0xC2B2AE3D27D4EB4FULL
#define P3 0x165667B19E3779F9ULL
#define P4 0x85EBCA77C2B2AE63ULL
#define P5 0x27D4EB2F165667C5ULL

static uint64_t rotate(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static uint64_t read_64(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

static uint64_t read_32(const char *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap32(x);
#endif
	return x;
}

static uint64_t mix(uint64_t lane, uint64_t input)
{
	return rotate(lane + input * P2, 31) * P1;
}

/* The stripes of 32 bytes; moves *p behind them. */
static uint64_t stripes(const char **p, const char *end, uint64_t seed)
{
	uint64_t lane[4] = { seed + P1 + P2, seed + P2, seed, seed - P1 }, hash;

	for (; end - *p >= 32; *p += 32)
		for (int i = 0; i < 4; i++)
			lane[i] = mix(lane[i], read_64(*p + 8 * i));
	hash = rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
	for (int i = 0; i < 4; i++)
		hash = (hash ^ mix(0, lane[i])) * P1 + P4;
	return hash;
}

uint64_t om_hash64(const char *bytes, size_t len, uint64_t seed)
{
	const char *p = bytes, *end = bytes + len;
	uint64_t hash = (len >= 32 ? stripes(&p, end, seed) : seed + P5) + len;

	for (; end - p >= 8; p += 8)
		hash = rotate(hash ^ mix(0, read_64(p)), 27) * P1 + P4;
	if (end - p >= 4) {
		hash = rotate(hash ^ read_32(p) * P1, 23) * P2 + P3;
		p += 4;
	}
	for (; p < end; p++)
		hash = rotate(hash ^ (unsigned char)*p * P5, 11) * P1;
	hash = (hash ^ hash >> 33) * P2;
	hash = (hash ^ hash >> 29) * P3;
	return hash ^ hash >> 32;
}

uint64_t om_frame_sum(uint64_t sum, uint64_t offset_bytes, const char *bytes, size_t len)
{
	return om_hash64(bytes, len, sum * P3 + offset_bytes + 1);
}
