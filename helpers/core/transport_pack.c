/* SPDX-License-Identifier: Apache-2.0 */
/* What compression would make of memory: an estimate that needs no library and takes about as long as
 * zstd's first level itself. */
#include "om_transport.h"

#include <math.h>
#include <string.h>

#define PAGE 4096u
#define HASH_BITS 12u
#define MATCH_LEAST 5u
#define FAR 65535u
/* A match costs about so many bits: where it is, how long it is, how many literals precede it. Where
 * it lies as far back as the one before, zstd says so in few. */
#define MATCH_BITS 22.0
#define AGAIN_BITS 7.0
#define LITERAL_LEAST_BITS 1.0
/* What zstd's first level takes for a byte: little for what is all matches or none at all, much between.
 * Measured over memory of programs, text and random bytes; ns. */
#define WORK_LEAST_NS 0.6
#define WORK_BETWEEN_NS 18.0

static uint64_t load64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint32_t hash_of(uint64_t value)
{
	return (uint32_t)(((value << 24) * UINT64_C(889523592379)) >> (64 - HASH_BITS));
}

static bool is_zero(const unsigned char *page)
{
	return !page[0] && memcmp(page, page + 1, PAGE - 1) == 0;
}

static size_t match_length(const unsigned char *a, const unsigned char *b, const unsigned char *end)
{
	const unsigned char *from = b;

	while (b < end && *a == *b) {
		a++;
		b++;
	}
	return (size_t)(b - from);
}

static double entropy_bits(const uint32_t counts[256], uint32_t n)
{
	double bits = 0;

	for (int i = 0; i < 256; i++)
		if (counts[i])
			bits += counts[i] * log2((double)n / counts[i]);
	return fmax(bits, n * LITERAL_LEAST_BITS);
}

/* The bits of one stretch, at most as many as it has. */
static double packed_bits(const unsigned char *memory, size_t size)
{
	uint32_t table[1u << HASH_BITS] = { 0 }, literals[256] = { 0 }, literal_count = 0;
	const unsigned char *end = memory + size;
	double bits = 0;
	size_t last = 0, missed = 0;

	for (size_t i = 0; i < size;) {
		uint32_t *slot = NULL;
		size_t from = 0, length = 0;

		if (i + 8 <= size) {
			slot = &table[hash_of(load64(memory + i))];
			from = *slot; /* a place plus one */
			*slot = (uint32_t)i + 1;
		}
		if (from && i + 1 - from <= FAR)
			length = match_length(memory + from - 1, memory + i, end);
		if (length < MATCH_LEAST) {
			/* As zstd: what has matched nothing for long is passed over in larger steps. */
			for (size_t step = 1 + (missed++ >> 8); step && i < size; step--, i++) {
				literals[memory[i]]++;
				literal_count++;
			}
			continue;
		}
		bits += i + 1 - from == last ? AGAIN_BITS : MATCH_BITS;
		bits += length > 64 ? log2((double)length / 64) * 2 : 0;
		last = i + 1 - from;
		i += length;
		missed = 0;
	}
	bits += entropy_bits(literals, literal_count);
	return fmin(bits, (double)size * 8);
}

static void add_stretch(struct om_sampled *sampled, const unsigned char *memory, size_t size)
{
	double packed = packed_bits(memory, size) / 8, part = packed / (double)size;

	sampled->packed_bytes += (uint64_t)packed;
	sampled->work_ns +=
		(uint64_t)((double)size * (WORK_LEAST_NS + WORK_BETWEEN_NS * part * (1 - part)));
}

void om_sampled_add(struct om_sampled *sampled, const void *memory, size_t size)
{
	const unsigned char *at = memory;
	uint64_t zero_bytes = sampled->zero_bytes;

	sampled->bytes += size;
	/* Pages of zeros end a stretch, since they are left out. */
	for (size_t begin = 0, i = 0; i <= size; i += PAGE) {
		bool zero = i < size && is_zero(at + i);

		if (i < size && !zero)
			continue;
		if (i > begin)
			add_stretch(sampled, at + begin, i - begin);
		if (zero)
			sampled->zero_bytes += PAGE;
		begin = i + PAGE;
	}
	sampled->used_places += sampled->zero_bytes - zero_bytes < size;
}

uint32_t om_sampled_permille(const struct om_sampled *sampled)
{
	uint64_t sent = sampled->bytes - sampled->zero_bytes;

	if (!sent || sampled->packed_bytes >= sent)
		return 1000;
	return (uint32_t)(sampled->packed_bytes * 1000 / sent);
}
