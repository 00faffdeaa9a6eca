/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of the verbs that show what is known: [VM] or VM HOST, --json, --help, and one option of
 * the verb's own. */
#ifndef OM_VM_ARGS_H
#define OM_VM_ARGS_H

#include <getopt.h>
#include <stdbool.h>

struct om_vm_args {
	const char *vm; /* NULL: all */
	const char *host;
	bool json;
	const char
		*own; /* value of the verb's own option, "" where it takes none; NULL: not given */
};

/* argv[0] is the verb. False: it ends with *exit_status, and what there was to say was said. */
bool om_vm_args(struct om_vm_args *args, int argc, char **argv, const char *usage,
		const struct option *own, int *exit_status);
/* The same, where a VM and a host have to be named. */
bool om_vm_host_args(struct om_vm_args *args, int argc, char **argv, const char *usage,
		     const struct option *own, int *exit_status);

#endif
