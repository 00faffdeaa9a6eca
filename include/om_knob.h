/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: one table, one row per setting; parsing, `onemigrate settings`, the manual and the
 * README's sample are made from it. Pure. */
#ifndef OM_KNOB_H
#define OM_KNOB_H

#include "om_clock.h"
#include "om_err.h"
#include "om_util.h"

#include <stdint.h>

enum om_knob_id {
	OM_KNOB_MIGRATE_NETWORK,
	OM_KNOB_DEST_HOST_APPEND,
	OM_KNOB_MIGRATE_NETWORK_POLICY,
	OM_KNOB_MIGRATE_OPTIONS,
	OM_KNOB_LIBVIRT_URI,
	OM_KNOB_QEMU_PROTOCOL,
	OM_KNOB_VIRSH_TRIES,
	OM_KNOB_SYNC_TIME,
	OM_KNOB_CLEANUP_MEMORY_ON_STOP,
	OM_KNOB_MIGRATE_POLICY,
	OM_KNOB_MIGRATE_DOWNTIME_MAX_MS,
	OM_KNOB_MIGRATE_PAUSE_MAX_MS,
	OM_KNOB_MIGRATE_DEADLINE,
	OM_KNOB_MIGRATE_POSTCOPY,
	OM_KNOB_MIGRATE_AUTO_CONVERGE,
	OM_KNOB_MIGRATE_BANDWIDTH_MIBPS,
	OM_KNOB_MIGRATE_CONNECTIONS,
	OM_KNOB_MIGRATE_COMPRESSION,
	OM_KNOB_MIGRATE_ZEROCOPY,
	OM_KNOB_MIGRATE_TLS,
	OM_KNOB_MIGRATE_LOCAL_DISKS,
	OM_KNOB_MIGRATE_FILE_COMPRESSION,
	OM_KNOB_MIGRATE_CHECK,
	OM_KNOB_MIGRATE_CHECK_IGNORE,
	OM_KNOB_MIGRATE_NOTIFY,
	OM_KNOB_MIGRATE_HOOK_SECONDS,
	OM_KNOB_MIGRATE_VM_MAY_SET,
	OM_KNOB_MIGRATE_DEBUG,
	OM_KNOB_COUNT
};

enum om_knob_type {
	OM_KNOB_TEXT, /* at most 4096 bytes, no control characters but tab and newline; or chars */
	OM_KNOB_YES_NO,	  /* yes/no, true/false, 1/0, any case */
	OM_KNOB_NUMBER,	  /* unsigned, with range */
	OM_KNOB_CHOICE,	  /* one word of choices, any case */
	OM_KNOB_CIDRS,	  /* blank- or comma-separated networks, at most OM_CIDRS_MAX */
	OM_KNOB_DEADLINE, /* a duration or a wall-clock time, om_limits.h; number: ms left */
	OM_KNOB_NAMES,	  /* blank- or comma-separated names of settings that a VM may set */
	OM_KNOB_CHECKS,	  /* likewise, names of checks of om_check.h */
	OM_KNOB_TYPE_COUNT
};

/* Where a value came from; a later one wins over an earlier one. */
enum om_origin {
	OM_ORIGIN_DEFAULT,
	OM_ORIGIN_ENVIRONMENT, /* set by hand, or by who knows whom */
	OM_ORIGIN_KVMRC,
	OM_ORIGIN_RC, /* onemigraterc */
	OM_ORIGIN_DATASTORE,
	OM_ORIGIN_VM,
	OM_ORIGIN_COUNT
};
const char *om_origin_name(enum om_origin origin); /* "kvmrc" ... */

/* Which values of a VM's owner stay within those of the administrator. */
enum om_within {
	OM_WITHIN_LOWER,  /* not above; of yes and no: yes only where it is yes anyway */
	OM_WITHIN_LIMIT,  /* likewise, and 0 means that there is no limit */
	OM_WITHIN_POLICY, /* om_policy_within() */
};

#define OM_SCOPE_HOST 1u      /* kvmrc, onemigraterc */
#define OM_SCOPE_DATASTORE 2u /* template of the source's system datastore */
#define OM_SCOPE_VM 4u	      /* USER_TEMPLATE, where the administrator allows it */

struct om_knob_row {
	const char *name;
	enum om_knob_type type;
	const char *unit;    /* "" where there is none */
	uint64_t min, max;   /* OM_KNOB_NUMBER: inclusive; OM_KNOB_TEXT with chars: max bytes */
	const char *choices; /* OM_KNOB_CHOICE: "fallback|strict" */
	const char *chars;   /* OM_KNOB_TEXT: allowed characters, "a-z0-9+"; NULL = any */
	const char *def;     /* text of the default */
	const char *example; /* for the sample file, where the default is empty; or NULL */
	unsigned int scope;
	enum om_within within; /* OM_SCOPE_VM */
	bool lenient;	       /* a bad value takes the default (a number above max: max), as stock
			      * does, instead of an error */
	const char *help;      /* one sentence */
};
extern const struct om_knob_row om_knob_table[OM_KNOB_COUNT];

struct om_knob_value {
	const char *text; /* owned by om_knobs */
	uint64_t number;  /* OM_KNOB_NUMBER, OM_KNOB_YES_NO (0/1), OM_KNOB_CHOICE (index),
			     OM_KNOB_DEADLINE (ms from the clock's now; 0 = none) */
	enum om_origin origin;
};
struct om_knobs {
	struct om_knob_value v[OM_KNOB_COUNT];
	struct om_strv texts; /* owns every text above */
	/* Values of the VM's owner that do not count: warnings where the administrator lets the VM
	 * set them, notes where not. Sentences for the log. */
	struct om_strv warnings, notes;
};

/* One candidate value; sources may come in any order, precedence is by origin. */
struct om_knob_source {
	const char *name, *text;
	enum om_origin origin;
};

/*
 * Resolves all settings. Names that the table does not know are ignored, as is a source whose
 * origin the row's scope does not allow. A value out of range is OM_E_INPUT with a sentence that
 * names the setting, its value, its origin and what is allowed, unless the row is lenient.
 * A value of the VM's owner counts only where MIGRATE_VM_MAY_SET names the setting and where it
 * stays within the administrator's value; whatever it is, it is never a failure.
 * An empty or blank text counts as unset; of two sources of one origin the later one counts.
 * Blanks around a value are removed; yes/no and choices are put into the table's spelling. Without
 * a clock (NULL) a wall-clock time is a bad value. On failure *knobs owns nothing.
 */
bool om_knobs_resolve(struct om_knobs *knobs, const struct om_knob_source *sources, size_t count,
		      const struct om_clock *clock, struct om_err *err) OM_MUST_CHECK;
void om_knobs_free(struct om_knobs *knobs);

static inline const char *om_knob_text(const struct om_knobs *k, enum om_knob_id id)
{
	return k->v[id].text;
}
static inline uint64_t om_knob_number(const struct om_knobs *k, enum om_knob_id id)
{
	return k->v[id].number;
}

/* The forms that documentation needs; the result is malloc'ed text. */
enum om_knob_format {
	OM_KNOB_FORMAT_TEXT,
	OM_KNOB_FORMAT_JSON,
	OM_KNOB_FORMAT_MAN,
	OM_KNOB_FORMAT_SAMPLE
};
char *om_knob_print_table(enum om_knob_format format, const struct om_knobs *values_or_null);

/*
 * MIGRATE_OPTIONS as OpenNebula's Ruby reader (6.10.5, 7.0.1 and later) takes it from the text of
 * kvmrc, which need not be what bash makes of it. Returns malloc'ed text ("" where it is set to
 * nothing), or NULL where that reader sees no such variable. Last assignment wins. Bytes are taken
 * as they are; that reader stops at a line that is not valid in its locale, this one does not.
 */
char *om_kvmrc_ruby_value(const char *kvmrc_text, size_t len, const char *name);

#endif
