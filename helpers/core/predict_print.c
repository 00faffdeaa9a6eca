/* SPDX-License-Identifier: Apache-2.0 */
#include "om_predict.h"

#include <inttypes.h>

#define MIB 1048576.0

/* "0.4 s", "75 s", "12 min", "3.5 h". */
static void add_time(struct om_buf *buf, uint64_t ms)
{
	double s = (double)ms / 1000;

	if (s < 60)
		om_buf_addf(buf, "%.1f s", s);
	else if (s < 5400)
		om_buf_addf(buf, "%.1f min", s / 60);
	else
		om_buf_addf(buf, "%.1f h", s / 3600);
}

static void add_range(struct om_buf *buf, const struct om_range_ms *range)
{
	if (!range->high) {
		om_buf_addf(buf, "no end");
		return;
	}
	add_time(buf, range->low);
	om_buf_addf(buf, " to ");
	add_time(buf, range->high);
}

static void add_percent(struct om_buf *buf, const struct om_range_ms *range)
{
	if (range->percent)
		om_buf_addf(buf, " (%" PRIu32 " %% likely)", range->percent);
}

static void add_label(struct om_buf *buf, const char *label)
{
	om_buf_addf(buf, "  %-11s ", label);
}

static void print_bandwidth(struct om_buf *buf, const struct om_prediction *p)
{
	if (!p->bandwidth_high_bytes_ps)
		return;
	add_label(buf, "bandwidth");
	om_buf_addf(buf, "%.0f to %.0f MiB/s\n", (double)p->bandwidth_low_bytes_ps / MIB,
		    (double)p->bandwidth_high_bytes_ps / MIB);
}

static void print_guest(struct om_buf *buf, const struct om_prediction *p)
{
	add_label(buf, "the guest");
	if (p->hot_high_bytes)
		om_buf_addf(buf, "writes %.0f to %.0f MiB again and again, about %.0f MiB/s\n",
			    (double)p->hot_low_bytes / MIB, (double)p->hot_high_bytes / MIB,
			    (double)p->dirty_bytes_ps / MIB);
	else
		om_buf_addf(buf, "does not run\n");
}

static void print_disks(struct om_buf *buf, const struct om_prediction *p)
{
	if (!p->facts.disk_bytes)
		return;
	add_label(buf, "disks first");
	om_buf_addf(buf, "%.0f MiB, ", (double)p->facts.disk_bytes / MIB);
	add_range(buf, &p->disks);
	om_buf_addf(buf, "\n");
}

static void print_downtime(struct om_buf *buf, const struct om_prediction *p)
{
	add_label(buf, "downtime");
	if (!p->downtime.high)
		om_buf_addf(buf, "none, as it is not switched over");
	else if (p->downtime.high < 10000)
		om_buf_addf(buf, "%" PRIu64 " to %" PRIu64 " ms", p->downtime.low,
			    p->downtime.high);
	else
		add_range(buf, &p->downtime);
	add_percent(buf, &p->downtime);
	om_buf_addf(buf, "\n");
}

void om_predict_print_text(struct om_buf *buf, const struct om_prediction *p)
{
	om_buf_addf(buf, "Prediction\n");
	print_bandwidth(buf, p);
	if (!p->known) {
		om_buf_addf(buf, "  it cannot be said how it will go: %s\n", p->why);
		return;
	}
	print_guest(buf, p);
	print_disks(buf, p);
	add_label(buf, "first pass");
	add_range(buf, &p->bulk);
	om_buf_addf(buf, "\n");
	add_label(buf, "total");
	add_range(buf, &p->total);
	add_percent(buf, &p->total);
	om_buf_addf(buf, "\n");
	print_downtime(buf, p);
	add_label(buf, "converges");
	om_buf_addf(buf, "%s\n", p->converges ? "yes" : "no");
	add_label(buf, "action");
	om_buf_addf(buf, "%s\n", p->action);
	if (*p->note) {
		add_label(buf, "but");
		om_buf_addf(buf, "%s\n", p->note);
	}
}

static void json_text(struct om_buf *buf, const char *name, const char *text)
{
	om_buf_addf(buf, ",\"%s\":\"", name);
	om_buf_add_json(buf, text);
	om_buf_addf(buf, "\"");
}

static void json_range(struct om_buf *buf, const char *name, const struct om_range_ms *range)
{
	om_buf_addf(buf,
		    ",\"%s_low_ms\":%" PRIu64 ",\"%s_high_ms\":%" PRIu64 ",\"%s_percent\":%" PRIu32,
		    name, range->low, name, range->high, name, range->percent);
}

static void json_facts(struct om_buf *buf, const struct om_predict_facts *f)
{
	om_buf_addf(buf,
		    ",\"measured\":{\"resident_bytes\":%" PRIu64 ",\"link_bytes_ps\":%" PRIu64
		    ",\"reached_bytes_ps\":%" PRIu64 ",\"dirty_1s_bytes\":%" PRIu64
		    ",\"dirty_3s_bytes\":%" PRIu64 ",\"dirty_grain_bytes\":%" PRIu64 "}",
		    f->resident_bytes, f->link_bytes_ps, f->seen_bytes_ps, f->dirty_1s_bytes,
		    f->dirty_3s_bytes, f->dirty_grain_bytes);
}

/* An object without newline. */
void om_predict_print_json(struct om_buf *buf, const struct om_prediction *p)
{
	om_buf_addf(buf,
		    "{\"known\":%s,\"bandwidth_low_bytes_ps\":%" PRIu64
		    ",\"bandwidth_high_bytes_ps\":%" PRIu64,
		    p->known ? "true" : "false", p->bandwidth_low_bytes_ps,
		    p->bandwidth_high_bytes_ps);
	json_text(buf, "why", p->why);
	json_range(buf, "bulk", &p->bulk);
	om_buf_addf(buf,
		    ",\"disk_bytes\":%" PRIu64 ",\"disks_low_ms\":%" PRIu64
		    ",\"disks_high_ms\":%" PRIu64,
		    p->facts.disk_bytes, p->disks.low, p->disks.high);
	json_range(buf, "total", &p->total);
	json_range(buf, "downtime", &p->downtime);
	om_buf_addf(buf,
		    ",\"converges\":%s,\"hot_low_bytes\":%" PRIu64 ",\"hot_high_bytes\":%" PRIu64
		    ",\"dirty_bytes_ps\":%" PRIu64,
		    p->converges ? "true" : "false", p->hot_low_bytes, p->hot_high_bytes,
		    p->dirty_bytes_ps);
	json_text(buf, "action", p->action);
	json_text(buf, "note", p->note);
	json_facts(buf, &p->facts);
	om_buf_addf(buf, "}");
}
