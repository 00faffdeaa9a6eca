/* SPDX-License-Identifier: Apache-2.0 */
/* What comes of another host or program: frames of the stream, what `ssh -G` and `ssh-keygen -F` print, lines of the
 * batch, a host's key. */
#include "om_frame.h"
#include "om_ssh.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool promise)
{
	if (!promise)
		abort();
}

static void check_name(const struct om_frame *f)
{
	bool node = f->type == OM_FRAME_ENTER || f->type == OM_FRAME_FILE ||
		    f->type == OM_FRAME_LINK;

	expect(!f->name_len || !memchr(f->name, '\0', f->name_len));
	if (!node)
		return;
	expect(f->name_len <= OM_FRAME_NAME_MAX && !memchr(f->name, '/', f->name_len));
	expect(!(f->name_len == 2 && memcmp(f->name, "..", 2) == 0));
}

static void check_frames(const char *bytes, size_t size)
{
	struct om_frame frame, again;
	struct om_buf copy = { 0 };
	long n;

	while ((n = om_frame_parse(&frame, bytes, size)) > 0) {
		expect((size_t)n <= size);
		check_name(&frame);
		expect(frame.data_len <= size && frame.raw_bytes <= OM_FRAME_CHUNK_BYTES);
		copy.len = 0;
		om_frame_add(&copy, &frame);
		expect(copy.len == (size_t)n && memcmp(copy.text, bytes, copy.len) == 0);
		expect(om_frame_parse(&again, copy.text, copy.len) == n);
		bytes += n;
		size -= (size_t)n;
	}
	free(copy.text);
}

static void check_conf(const char *text)
{
	OM_SSH_CONF conf = { 0 };
	OM_SSH_KNOWNS knowns = { 0 };
	struct om_err err;
	char name[300], list[64];

	om_ssh_knowns_add(&knowns, text);
	for (size_t i = 0; i < knowns.n; i++)
		expect(knowns.v[i].key && knowns.v[i].type[0]);
	if (!om_ssh_conf_parse(&conf, text, &err))
		return;
	expect(conf.hostname[0] && conf.user[0] && conf.port);
	om_ssh_conf_known_name(&conf, name, sizeof(name));
	expect(name[0] && !strpbrk(name, " \n\t"));
	om_ssh_conf_hostkey_methods(list, sizeof(list), "ssh-ed25519,rsa-sha2-512", conf.hostkeys,
				    &knowns);
	expect(strlen(list) < sizeof(list));
	if (!knowns.n)
		expect(om_ssh_conf_judge(&conf, &knowns, "t", "k") != OM_SSH_KEY_KNOWN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OM_AUTOFREE char *text = om_xstrndup((const char *)data, size), *key = NULL;
	struct om_ssh_line line;
	char type[64];

	check_frames((const char *)data, size);
	check_conf(text);
	if (!strchr(text, '\n') && om_ssh_line_parse(&line, text))
		expect(line.word[0] && line.numbers <= OM_ARRAY_LEN(line.number));
	if (om_ssh_key_text((const char *)data, size, type, sizeof(type), &key))
		expect(type[0] && strlen(key) % 4 == 0);
	return 0;
}
