/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would keep a VM from being migrated, found before anything is touched. Pure: facts of both
 * hosts in, findings out; one table, one row a check.
 *
 * A blocker is only what libvirt or QEMU is certain to refuse, or what would lose data. Whatever is
 * estimated, may end by itself, or may yet be made before the migration (bridges by `vnm pre`, a
 * directory by premigrate) is a warning. What could not be looked at is "not checked", never a
 * problem.
 */
#ifndef OM_CHECK_H
#define OM_CHECK_H

#include "om_buf.h"
#include "om_disks.h"
#include "om_dom.h"
#include "om_knob.h"
#include "om_opts.h"
#include "om_plan.h"
#include "om_survey.h"

enum om_severity {
	OM_SEVERITY_OK,
	OM_SEVERITY_NOT_CHECKED,
	OM_SEVERITY_WARNING,
	OM_SEVERITY_BLOCKER,
	OM_SEVERITY_COUNT
};
const char *om_severity_name(enum om_severity severity); /* "ok", "not checked", ... */

/* When the question is put: what is still to be made differs. */
enum om_check_moment {
	OM_CHECK_BY_HAND,    /* `onemigrate check`: premigrate and vnm pre are still to come */
	OM_CHECK_PREMIGRATE, /* likewise; on a blocker the migration ends */
	OM_CHECK_MIGRATE,    /* both have been: what is missing now stays missing */
};

/* What the way of the memory was found to be; gathered by the source. */
struct om_check_way {
	enum om_fast_source source;
	struct om_fast fast;	  /* as struct om_facts has it */
	bool strict;		  /* no other way may be taken */
	enum om_answer full_size; /* a datagram of the MTU arrives unfragmented; NO: `mtu_why` */
	char mtu_why[200];
	enum om_answer range; /* a listener on a port of the range was reached */
	uint16_t range_port;  /* which */
	char range_why[200];
};

struct om_check_facts {
	enum om_check_moment moment;
	const char *src_host, *dst_host; /* oned's names */
	const struct om_dom *dom;
	const struct om_survey_ask *ask;
	const struct om_survey *src, *dst;
	enum om_side_state src_state; /* of the domain, where it is known better than src->side */
	bool src_job;		      /* a migration of it is under way */
	const char *block_job;	      /* the disk that has one; NULL = none */
	bool snapshots_known;
	uint32_t snapshots; /* libvirt's, of the domain */
	bool persistent;
	bool shared;	   /* the document or the driver says so */
	bool shared_known; /* it does say */
	/* Where it is not shared: what would be copied, with the surveys above; NULL = not looked at. */
	const struct om_disks_facts *storage;
	bool other_way; /* premigrate brings the files there (ceph, fs_lvm_ssh, ...) */
	bool same_host; /* a move between datastores of one host */
	const struct om_opts *opts;
	const struct om_knobs *knobs;
	const struct om_check_way *way;
	uint64_t clock_error_ms; /* how far off the comparison of clocks can be: the round trip */
};

struct om_finding {
	const char *check; /* name of the row; static */
	enum om_severity severity;
	char *found;  /* what, a sentence without full stop; never NULL */
	char *remedy; /* what to do about it; "" where nothing is to be done */
};
struct om_findings {
	char *hosts; /* "node01 -> node02", for the line that sums up */
	struct om_finding *v;
	size_t n;
	size_t count[OM_SEVERITY_COUNT];
};
void om_findings_free(struct om_findings *findings);

/* In the order of MIGRATE_CHECK's choices. */
enum om_check_mode {
	OM_CHECK_BLOCK,
	OM_CHECK_WARN, /* each blocker is a warning */
	OM_CHECK_OFF,  /* only `onemigrate check` looks, and then as for OM_CHECK_WARN */
};

/*
 * All checks, in the table's order; each gives one finding at least (OK or NOT_CHECKED), and more
 * than one where several disks or networks are found wanting. MIGRATE_CHECK and
 * MIGRATE_CHECK_IGNORE have been obeyed: what they demote is a WARNING that says so. Pointers of
 * the facts that are NULL, and a domain without texts, stand for what is not known. Of a move on one
 * host only those rows run that `same_host` marks.
 */
void om_check_run(struct om_findings *findings, const struct om_check_facts *facts);

/* The rows, for the manual and for MIGRATE_CHECK_IGNORE. */
struct om_check;
struct om_check_info {
	const char *name;		     /* "host-uuid" */
	const char *help;		     /* one sentence: what is looked at */
	bool same_host;			     /* of a move between datastores of one host too */
	void (*run)(struct om_check *check); /* core/check_*.c */
};
const struct om_check_info *om_check_table(size_t *count);
bool om_check_name_valid(const char *name, size_t len);

/* For people (`all`: with what is in order), worst first, the last line sums up; as JSON; and as the
 * manual's table. */
void om_check_print_text(struct om_buf *buf, const struct om_findings *findings, bool all);
void om_check_print_json(struct om_buf *buf, const struct om_findings *findings, const char *vm,
			 const char *src_host, const char *dst_host);
void om_check_print_man(struct om_buf *buf);
/* "cpu: ...; disks: ..." of all blockers, for the one final sentence. */
void om_check_sentence(const struct om_findings *findings, char *text, size_t size);

/* What to ask both hosts, from the domain and the settings. `vm_dir` is looked at too, "" = none. */
void om_check_ask(struct om_survey_ask *ask, const struct om_dom *dom, const struct om_opts *opts,
		  const struct om_knobs *knobs, const char *vm_dir);

#endif
