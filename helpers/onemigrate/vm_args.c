/* SPDX-License-Identifier: Apache-2.0 */
#include "vm_args.h"

#include "om_state.h"

#include <stdio.h>

#define EXIT_USAGE 2

enum { HELP = 256, JSON, STATE_DIR, OWN };

/* False: that is all. */
static bool take_option(struct om_vm_args *args, int option, const char *usage, int *exit_status)
{
	switch (option) {
	case JSON:
		args->json = true;
		return true;
	case OWN:
		args->own = optarg ? optarg : "";
		return true;
	case STATE_DIR:
		om_state_dir_override(optarg);
		return true;
	case HELP:
		fputs(usage, stdout);
		*exit_status = 0;
		return false;
	default: /* getopt has said what is wrong */
		return false;
	}
}

static bool take_options(struct om_vm_args *args, int argc, char **argv, const char *usage,
			 const struct option *own, int *exit_status)
{
	const struct option options[] = {
		{ "help", no_argument, NULL, HELP },
		{ "json", no_argument, NULL, JSON },
		{ "state-dir", required_argument, NULL, STATE_DIR }, /* for tests */
		{ own->name, own->has_arg, NULL, OWN },
		{ 0 },
	};
	int option;

	*args = (struct om_vm_args){ 0 };
	*exit_status = EXIT_USAGE;
	optind = 0; /* begin anew, whoever used getopt before */
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_option(args, option, usage, exit_status))
			return false;
	return true;
}

bool om_vm_args(struct om_vm_args *args, int argc, char **argv, const char *usage,
		const struct option *own, int *exit_status)
{
	if (!take_options(args, argc, argv, usage, own, exit_status))
		return false;
	args->vm = optind < argc ? argv[optind++] : NULL;
	if (optind < argc)
		fprintf(stderr, "onemigrate: %s takes one VM; see onemigrate %s --help\n", argv[0],
			argv[0]);
	return optind >= argc;
}

bool om_vm_host_args(struct om_vm_args *args, int argc, char **argv, const char *usage,
		     const struct option *own, int *exit_status)
{
	if (!take_options(args, argc, argv, usage, own, exit_status))
		return false;
	if (argc - optind != 2) {
		fprintf(stderr, "onemigrate: %s takes a VM and a host; see onemigrate %s --help\n",
			argv[0], argv[0]);
		return false;
	}
	args->vm = argv[optind];
	args->host = argv[optind + 1];
	return true;
}
