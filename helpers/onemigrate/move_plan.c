/* SPDX-License-Identifier: Apache-2.0 */
/* `onemigrate plan` of a move between datastores. */
#include "move.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_text(struct om_buf *buf, const char *key, const char *text, const char *end)
{
	om_buf_addf(buf, "\"%s\": ", key);
	if (text) {
		om_buf_addf(buf, "\"");
		om_buf_add_json(buf, text);
		om_buf_addf(buf, "\"%s", end);
	} else {
		om_buf_addf(buf, "null%s", end);
	}
}

static void add_disks(struct om_buf *buf, const struct om_move *move)
{
	static const char *const ways[OM_MOVE_WAY_COUNT] = {
		[OM_MOVE_STAYS] = "stays", [OM_MOVE_COPY] = "copied", [OM_MOVE_THERE] = "there"
	};

	om_buf_addf(buf, "\"disks\": [");
	for (size_t i = 0; i < move->disk_count; i++) {
		const struct om_move_disk *d = &move->disks[i];

		om_buf_addf(buf, "%s{", i ? ", " : "");
		add_text(buf, "target", d->target, ", ");
		add_text(buf, "way", ways[d->way], ", ");
		add_text(buf, "name", d->name, ", ");
		om_buf_addf(buf, "\"bytes\": %" PRIu64 ", \"writes_wait\": %s}", d->copy_bytes,
			    d->sync ? "true" : "false");
	}
	om_buf_addf(buf, "], ");
}

static void add_lines(struct om_buf *buf, const char *key, const struct om_strv *lines,
		      const char *end)
{
	om_buf_addf(buf, "\"%s\": [", key);
	for (size_t i = 0; i < lines->n; i++) {
		om_buf_addf(buf, "%s\"", i ? ", " : "");
		om_buf_add_json(buf, lines->v[i]);
		om_buf_addf(buf, "\"");
	}
	om_buf_addf(buf, "]%s", end);
}

static void print_json(struct om_buf *buf, const struct om_mover_session *ms, const char *stock)
{
	om_buf_addf(buf, "{");
	add_text(buf, "vm", ms->s->req.vm_id, ", ");
	add_text(buf, "host", ms->s->args.src, ", ");
	add_text(buf, "from", ms->src_dir, ", ");
	add_text(buf, "to", ms->dst_dir, ", ");
	add_text(buf, "stock", stock, ", ");
	om_buf_addf(buf, "\"copy_bytes\": %" PRIu64 ", \"file_bytes\": %" PRIu64 ", ",
		    ms->move.copy_bytes, ms->move.file_bytes);
	add_disks(buf, &ms->move);
	add_lines(buf, "notes", &ms->move.infos, ", ");
	add_lines(buf, "warnings", &ms->move.warnings, "}\n");
}

static void print_text(struct om_buf *buf, const struct om_mover_session *ms, const char *stock)
{
	const struct om_move *move = &ms->move;

	om_buf_addf(buf, "The disks of VM %s on %s go from %s to %s.\n", ms->s->req.vm_id,
		    ms->s->args.src, ms->src_dir, ms->dst_dir);
	if (stock) {
		om_buf_addf(buf, "It is left to OpenNebula's own script: %s.\n", stock);
		return;
	}
	for (size_t i = 0; i < move->infos.n; i++)
		om_buf_addf(buf, "%s\n", move->infos.v[i]);
	om_move_print(buf, move);
	for (size_t i = 0; i < move->warnings.n; i++)
		om_buf_addf(buf, "WARN: %s\n", move->warnings.v[i]);
}

bool om_mover_plan(struct om_session *s, bool json, struct om_err *err)
{
	struct om_mover_session ms = { .s = s };
	struct om_buf buf = { 0 };
	bool ok, stock;

	om_mover_set_limits(s);
	ok = om_mover_gather(&ms, OM_MOVER_LOOK, err) && om_move_decide(&ms.move, &ms.facts, err);
	stock = !ok && err->code == OM_E_STOCK;
	if (ok || stock) {
		(json ? print_json : print_text)(&buf, &ms, stock ? err->msg : NULL);
		fputs(buf.text, stdout);
	}
	free(buf.text);
	om_mover_free(&ms);
	return ok || stock;
}

bool om_mover_by_hand(const struct om_session *s, struct om_err *err)
{
	return strcmp(s->args.src, s->args.dst) != 0 ||
	       om_err_set(
		       err, OM_E_INPUT,
		       "VM %s is on %s: there it can move to another datastore, which "
		       "`onemigrate plan --document` tells of, as OpenNebula's document names it",
		       s->args.vm_id, s->args.src);
}
