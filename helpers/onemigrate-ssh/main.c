/* SPDX-License-Identifier: Apache-2.0 */
#include "ssh.h"

#include "om_util.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#ifndef OM_VERSION
#define OM_VERSION "unknown"
#endif

static const char help[] =
	"usage: onemigrate-ssh [OPTION...] run HOST < SCRIPT\n"
	"       onemigrate-ssh [OPTION...] put HOST SRC... DST\n"
	"       onemigrate-ssh [OPTION...] batch HOST\n"
	"       onemigrate-ssh serve\n"
	"\n"
	"One ssh connection for what a migration does on another host. Its ssh_config, known_hosts and keys\n"
	"are those of ssh(1).\n"
	"\n"
	"  run      runs a script by bash there; stdout, stderr and exit status are the script's\n"
	"  put      copies files, links and trees, sparse, verified; DST is the new name, or with a slash behind\n"
	"           it or several SRC the directory that they go into\n"
	"  batch    the same for a program: requests on stdin\n"
	"  serve    the other end of put\n"
	"\n"
	"  --address ADDRESS       connect to this address; the host's key is checked under the name of HOST\n"
	"  --strict                no connection to ADDRESS is an error, instead of one to HOST\n"
	"  --replace               files that exist there may be replaced\n"
	"  --compression WHEN      auto (where the link is slow and the data shrinks), always, never\n"
	"  --bandwidth MIBPS       at most so many MiB/s\n"
	"  --connect-timeout MS    for each attempt to connect\n"
	"  --remotes-dir DIR       onemigrate's tree there (/var/tmp/one)\n"
	"  --remote-path FILE      the program there, instead of that of the tree\n"
	"  --ssh-config FILE       as ssh -F\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0; 1 it failed there; 2 wrong usage; 69 only ssh(1) can do this, nothing was touched;\n"
	"77 the host's key is not accepted; 255 no connection, or it was lost; of run: the script's.\n";

enum { ADDRESS = 256, STRICT, REPLACE, COMPRESSION, BANDWIDTH, CONNECT, REMOTES, REMOTE, CONFIG };

static const struct option long_options[] = {
	{ "address", required_argument, NULL, ADDRESS },
	{ "strict", no_argument, NULL, STRICT },
	{ "replace", no_argument, NULL, REPLACE },
	{ "compression", required_argument, NULL, COMPRESSION },
	{ "bandwidth", required_argument, NULL, BANDWIDTH },
	{ "connect-timeout", required_argument, NULL, CONNECT },
	{ "remotes-dir", required_argument, NULL, REMOTES },
	{ "remote-path", required_argument, NULL, REMOTE },
	{ "ssh-config", required_argument, NULL, CONFIG },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int wrong(const char *what)
{
	fprintf(stderr, "onemigrate-ssh: %s (see --help)\n", what);
	return OM_SSH_EXIT_USAGE;
}

static bool number(const char *text, uint64_t max, uint32_t *out)
{
	uint64_t value;

	if (!om_parse_u64(text, 0, max, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

static bool compression(const char *text, enum squeeze *out)
{
	static const char *const names[SQUEEZE_COUNT] = { "auto", "always", "never" };

	for (int i = 0; i < SQUEEZE_COUNT; i++)
		if (strcmp(text, names[i]) == 0) {
			*out = (enum squeeze)i;
			return true;
		}
	return false;
}

static bool take_option(struct options *o, int option)
{
	switch (option) {
	case ADDRESS:
		o->address = optarg;
		return true;
	case STRICT:
		return o->strict = true;
	case REPLACE:
		return o->replace = true;
	case COMPRESSION:
		return compression(optarg, &o->squeeze);
	case BANDWIDTH:
		return number(optarg, 1 << 20, &o->limit_mibps);
	case CONNECT:
		return number(optarg, 3600000, &o->connect_ms);
	case REMOTES:
		o->remotes_dir = optarg;
		return true;
	case REMOTE:
		o->remote_path = optarg;
		return true;
	case CONFIG:
		o->config = optarg;
		return true;
	default:
		return false;
	}
}

static int dispatch(struct options *o, char **words, int count)
{
	const char *verb = count ? words[0] : "";

	if (strcmp(verb, "serve") == 0 && count == 1)
		return verb_serve();
	o->host = count > 1 ? words[1] : NULL;
	if (o->host && (o->host[0] == '-' || !o->host[0]))
		return wrong("no name of a host");
	if (strcmp(verb, "run") == 0 && count == 2)
		return verb_run(o);
	if (strcmp(verb, "batch") == 0 && count == 2)
		return verb_batch(o);
	if (strcmp(verb, "put") == 0 && count >= 4)
		return verb_put(o, words + 2, (size_t)(count - 2));
	return wrong("wrong usage");
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	int option;

	signal(SIGPIPE, SIG_IGN);
	while ((option = getopt_long(argc, argv, "+hV", long_options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			if (option == 'h')
				fputs(help, stdout);
			else
				printf("onemigrate-ssh %s (libssh2 %s)\n", OM_VERSION,
				       libssh2_version(0));
			return 0;
		}
		if (option == '?' || !take_option(&o, option))
			return option == '?' ? OM_SSH_EXIT_USAGE
					     : wrong("a value that is not understood");
	}
	return dispatch(&o, argv + optind, argc - optind);
}
