/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `onemigrate-ssh [OPTION...] batch HOST`, what its caller says and hears. Lines, whose words have one blank
 * between them, and bytes of a length that a line has named before them, so that nothing in a name can be
 * taken for anything else.
 *
 * First it connects and says one of
 *	ready ADDRESS		requests may come
 *	cannot TEXT		exit status 69: only ssh(1) can make this connection; nothing was touched
 *	refused TEXT		exit status 77: the host's key is not accepted
 *	lost TEXT		exit status 255: no connection
 * Then each request on stdin is answered before the next one is read; the end of stdin ends it.
 *	run LENGTH TIMEOUT_MS	and LENGTH bytes, for `bash -s`; TIMEOUT_MS 0: none
 *		out LENGTH		and bytes of stdout; any number of these
 *		err LENGTH		likewise, of stderr
 *		exit STATUS		the end: it ran; 128 + n where signal n ended it
 *		failed TEXT		the end: it could not be run, or its time is over
 *	put COUNT		and COUNT times: file SRC_LENGTH DST_LENGTH REPLACE(0|1), then both names
 *		progress DONE TOTAL SENT	bytes of the files, and of the network; a few times a second
 *		placed INDEX		file number INDEX (from 0) is in its place
 *		done			the end: all are
 *		failed TEXT		the end: nothing of the first one that was not placed is left there
 *		unserved TEXT		the end: the other host lacks onemigrate-ssh; nothing was touched
 * Between all of these, where something was done other than wished for or is worth a line:
 *	warn TEXT, note TEXT
 * and, whenever the connection breaks: lost TEXT, exit status 255. TEXT is one line without control characters.
 */
#ifndef OM_SSH_H
#define OM_SSH_H

#include "om_err.h"
#include "om_ssh_conf.h"

#include <stddef.h>
#include <stdint.h>

enum om_ssh_exit {
	OM_SSH_EXIT_FAILED = 1,
	OM_SSH_EXIT_USAGE = 2,
	OM_SSH_EXIT_CANNOT = 69,
	OM_SSH_EXIT_REFUSED = 77,
	OM_SSH_EXIT_LOST = 255,
};

#define OM_SSH_SCRIPT_MAX ((size_t)1 << 20)
#define OM_SSH_NAME_MAX 4095
#define OM_SSH_FILES_MAX 65536

/* One head line of the batch, either direction, without its newline: a word, then numbers or a text. */
struct om_ssh_line {
	char word[16];
	uint64_t number[3];
	size_t numbers;	  /* how many there are, 0 where the rest is no list of numbers */
	const char *text; /* all behind the word, into the line */
};
/* False: no word, or one that is too long. Pure. */
bool om_ssh_line_parse(struct om_ssh_line *line, const char *text);

/* ---- edges ---- */

/* Asks `ssh -G`; `file` is its -F, or NULL. */
bool om_ssh_conf_read(struct om_ssh_conf *conf, const char *host, const char *file,
		      struct om_err *err) OM_MUST_CHECK;
/* Asks `ssh-keygen -F` of each file of known_hosts that is there. */
bool om_ssh_known_read(struct om_ssh_knowns *knowns, const struct om_ssh_conf *conf,
		       struct om_err *err) OM_MUST_CHECK;
/* "~" and "~/" at its beginning are the home of the user of this process. malloc'ed. */
char *om_ssh_home_path(const char *path);

/* A connected socket, -1 with the reason in err. Notices within 30 s that the other end is gone. */
int om_tcp_connect(const char *host, uint16_t port, int family, uint32_t timeout_ms,
		   struct om_err *err);

#endif
