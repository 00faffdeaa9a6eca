/* SPDX-License-Identifier: Apache-2.0 */
/* Asked by the front-end over ssh, on the source host; not for people. */
#include "cmd.h"
#include "om_host.h"

int om_cmd_attend(int argc, char **argv)
{
	(void)argv;
	return argc == 1 ? om_host_attend() : 2;
}
