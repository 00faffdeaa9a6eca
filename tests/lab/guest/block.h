/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands on the disks of a lab's guest: the guest, which writes and reads it, and `blocks`, which
 * makes the images and looks at them from outside, agree here.
 *
 * A disk is blocks of 4 KiB. Each carries the disk, its own number and the number of the write that
 * put it there, and a body that follows from these; so a block that is lost, torn, of another place or
 * of another time is seen. A part of the disk, the region, is written to again and again, in units of
 * some blocks: write k goes to unit k * STRIDE mod units. Which write a block must have therefore
 * follows from how many there have been, and nothing has to be kept about it.
 *
 * Write 0 is what the image was made with. There the blocks go by chunks (clusters of qcow2) to the
 * layers of a chain in turn, and every fourth chunk of a layer is a hole, which reads as zeros.
 */
#ifndef LAB_BLOCK_H
#define LAB_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_MAGIC 0x6b636f6c62626c31ULL
enum { BLOCK_BYTES = 4096, CHUNK_BLOCKS = 16, STRIDE = 7919, BLOCK_WORDS = 508 };

struct block {
	uint64_t magic;
	uint32_t disk, layer;
	uint64_t number, write;
	uint64_t body[BLOCK_WORDS];
};

struct layout {
	uint32_t disk, layers;
	uint64_t blocks;
	uint64_t start;	     /* first block of the region */
	uint64_t units;	     /* of the region; 0 = never written to */
	uint64_t unit;	     /* blocks of one */
	uint64_t inverse;    /* of STRIDE, mod units */
	uint64_t rate_kibps; /* the guest's rate of writing */
};

/* DISK:BLOCKS:LAYERS:START:UNITS:UNIT:RATE_KIBPS */
static inline bool layout_parse(struct layout *l, const char *text)
{
	unsigned long long blocks, start, units, unit, rate;

	*l = (struct layout){ 0 };
	if (sscanf(text, "%u:%llu:%u:%llu:%llu:%llu:%llu", &l->disk, &blocks, &l->layers, &start,
		   &units, &unit, &rate) != 7)
		return false;
	l->blocks = blocks;
	l->start = start;
	l->units = units;
	l->unit = unit;
	l->rate_kibps = rate;
	for (uint64_t k = 1; k < units && !l->inverse; k++)
		if (k * STRIDE % units == 1)
			l->inverse = k;
	return blocks && l->layers && unit && start + units * unit <= blocks &&
	       (l->inverse || units <= 1);
}

static inline uint64_t unit_of_write(const struct layout *l, uint64_t k)
{
	return k % l->units * STRIDE % l->units;
}

/* The last of `written` writes that went to the block; 0 if none has. */
static inline uint64_t write_of_block(const struct layout *l, uint64_t number, uint64_t written)
{
	uint64_t first, unit;

	if (number < l->start || number >= l->start + l->units * l->unit)
		return 0;
	unit = (number - l->start) / l->unit;
	first = unit * l->inverse % l->units;
	if (written < first)
		return 0;
	return written - (written - first) % l->units;
}

static inline uint32_t block_layer(const struct layout *l, uint64_t number)
{
	return (uint32_t)(number / CHUNK_BLOCKS % l->layers);
}

static inline bool block_is_hole(const struct layout *l, uint64_t number, uint64_t write)
{
	return !write && number / CHUNK_BLOCKS / l->layers % 4 == 3;
}

static inline void block_make(struct block *b, const struct layout *l, uint64_t number,
			      uint64_t write)
{
	uint64_t x = (number + 1) * 0x9e3779b97f4a7c15ULL ^ (write << 20) ^ l->disk;

	if (block_is_hole(l, number, write)) {
		memset(b, 0, sizeof(*b));
		return;
	}
	b->magic = BLOCK_MAGIC;
	b->disk = l->disk;
	b->layer = write ? UINT32_MAX : block_layer(l, number);
	b->number = number;
	b->write = write;
	for (int i = 0; i < BLOCK_WORDS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		b->body[i] = x;
	}
}

/* NULL where the block is what that write has put there, else what is wrong. */
static inline const char *block_wrong(const struct block *b, const struct layout *l,
				      uint64_t number, uint64_t write)
{
	struct block want;

	block_make(&want, l, number, write);
	if (!memcmp(b, &want, sizeof(want)))
		return NULL;
	if (b->magic != BLOCK_MAGIC)
		return !b->magic ? "empty" : "foreign";
	if (b->disk != l->disk)
		return "disk";
	if (b->number != number)
		return "number";
	if (b->write != want.write)
		return b->write < want.write ? "old" : "new";
	return b->layer != want.layer ? "layer" : "body";
}

#endif
