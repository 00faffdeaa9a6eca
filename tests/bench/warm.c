/* SPDX-License-Identifier: Apache-2.0 */
/* warm MIB: takes so much memory into use, in the large pages that QEMU asks for, and gives it back. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	size_t size = argc == 2 ? strtoul(argv[1], NULL, 10) << 20 : 0;
	volatile char *memory;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	madvise((void *)memory, size, MADV_HUGEPAGE);
	for (size_t i = 0; i < size; i += 4096)
		memory[i] = 1;
	return 0;
}
