/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs: each takes argv with argv[0] = the verb and returns the exit status. */
#ifndef OM_CMD_H
#define OM_CMD_H

/* Raised when the driver scripts and the helper could misunderstand each other. */
#define OM_INTERFACE 1

int om_cmd_migrate(int argc, char **argv);
int om_cmd_check(int argc, char **argv);
int om_cmd_plan(int argc, char **argv);
int om_cmd_status(int argc, char **argv);
int om_cmd_history(int argc, char **argv);
int om_cmd_control(int argc, char **argv); /* cancel, set, postcopy, pause */
int om_cmd_settings(int argc, char **argv);
int om_cmd_tm(int argc, char **argv);
int om_cmd_attend(int argc, char **argv);
int om_cmd_survey(int argc, char **argv);
int om_cmd_aftermath(int argc, char **argv);
int om_cmd_hooks(int argc, char **argv);

#endif
