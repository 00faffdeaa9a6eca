/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	sim [-n GUESTS] [-q]	a table for each class of guests, then the assertions
 *	    [-c CLASS] [-p PART-OF-NAME] [-f FIRST] [-e]	only these; a line for each run
 *	sim --fit FILE...	sets the model against runs of the lab, see fit.c
 *
 * Assertions are lines "ok - " and "not ok - ".
 */
#include "sim.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned int passed, failed;

void sim_verdict(bool ok, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%s - ", ok ? "ok" : "not ok");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	passed += ok;
	failed += !ok;
}

static struct sim_choice choose(int argc, char **argv)
{
	struct sim_choice choice = { .guests = 40, .table = true };
	int option;

	while ((option = getopt(argc, argv, "n:f:c:p:eq")) > 0) {
		switch (option) {
		case 'n':
			choice.guests = strtoul(optarg, NULL, 10);
			break;
		case 'f':
			choice.first = strtoul(optarg, NULL, 10);
			break;
		case 'c':
			choice.class = optarg;
			break;
		case 'p':
			choice.policy = optarg;
			break;
		case 'e':
			choice.each = true;
			break;
		case 'q':
			choice.table = false;
			break;
		default:
			exit(2);
		}
	}
	return choice;
}

int main(int argc, char **argv)
{
	struct sim_choice choice;

	if (argc > 2 && strcmp(argv[1], "--fit") == 0)
		return sim_fit(argv + 2);
	choice = choose(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0); /* a class at a time, in a file too */
	sim_table(&choice);
	if (!choice.class && !choice.policy) {
		sim_light();
		sim_cells(choice.table);
		sim_toy(choice.table);
	}
	printf("%u passed, %u failed, 0 skipped\n", passed, failed);
	return failed != 0;
}
