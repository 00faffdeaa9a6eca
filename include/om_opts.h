/* SPDX-License-Identifier: Apache-2.0 */
/* MIGRATE_OPTIONS: split as a shell would, without a shell, and classed by a table that has every
 * option of `virsh migrate` from libvirt 9.0 to 11.3. Pure; knows no libvirt header. */
#ifndef OM_OPTS_H
#define OM_OPTS_H

#include "om_err.h"
#include "om_util.h"

#include <stdint.h>

/* Same bits as enum virDomainMigrateFlags, asserted in edge/vir_migrate.c. */
#define OM_FLAG_LIVE (1u << 0)
#define OM_FLAG_PEER2PEER (1u << 1)
#define OM_FLAG_TUNNELLED (1u << 2)
#define OM_FLAG_PAUSED (1u << 5)
#define OM_FLAG_NON_SHARED_DISK (1u << 6)
#define OM_FLAG_NON_SHARED_INC (1u << 7)
#define OM_FLAG_CHANGE_PROTECTION (1u << 8)
#define OM_FLAG_UNSAFE (1u << 9)
#define OM_FLAG_COMPRESSED (1u << 11)
#define OM_FLAG_ABORT_ON_ERROR (1u << 12)
#define OM_FLAG_AUTO_CONVERGE (1u << 13)
#define OM_FLAG_RDMA_PIN_ALL (1u << 14)
#define OM_FLAG_POSTCOPY (1u << 15)
#define OM_FLAG_TLS (1u << 16)
#define OM_FLAG_PARALLEL (1u << 17)
#define OM_FLAG_SYNC_WRITES (1u << 18) /* of the disks that are copied */
#define OM_FLAG_ZEROCOPY (1u << 20)

/* A typed parameter of libvirt's migration call. */
enum om_param_type { OM_PARAM_STRING, OM_PARAM_INT, OM_PARAM_U64 };
struct om_param {
	const char *name; /* libvirt's name, "migrate_uri"; static */
	enum om_param_type type;
	uint64_t number;
	char *text;	    /* OM_PARAM_STRING; owned by the list */
	const char *origin; /* "MIGRATE_OPTIONS", "FEATURES", "MIGRATE_NETWORK"; static */
};
#define OM_PARAMS_MAX 64 /* libvirt takes no more in one call */
struct om_params {
	struct om_param v[OM_PARAMS_MAX];
	size_t n;
};
/* Replaces a parameter of the same name, except those that may repeat: "compression", "migrate_disks",
 * "migrate_disks_detect_zeroes". */
void om_params_set_text(struct om_params *p, const char *name, const char *text,
			const char *origin);
void om_params_set_number(struct om_params *p, const char *name, enum om_param_type type,
			  uint64_t number, const char *origin);
const struct om_param *om_params_get(const struct om_params *p, const char *name);
void om_params_drop(struct om_params *p, const char *name);
void om_params_copy(struct om_params *to, const struct om_params *from);
void om_params_free(struct om_params *p);

enum om_timeout_action { OM_TIMEOUT_NONE, OM_TIMEOUT_SUSPEND, OM_TIMEOUT_POSTCOPY };

struct om_opts {
	unsigned int flags;	    /* OM_FLAG_*; OM_FLAG_LIVE always set */
	unsigned int feature_flags; /* those of flags that only the VM's FEATURES ask for */
	unsigned int setting_flags; /* those of flags that only a setting of ours asks for */
	struct om_params params;    /* everything that is a typed parameter, migrate_uri included */
	bool postcopy_after_precopy;
	uint32_t timeout_s; /* 0 = none */
	enum om_timeout_action timeout_action;
	/* Of disks that the hosts do not share. Those that are not parameters have no effect otherwise. */
	struct om_strv storage;	   /* the options about them, "--copy-storage-all" */
	struct om_strv zero_disks; /* of --migrate-disks-detect-zeroes; empty = all */
	bool sync_writes;
	struct om_strv warnings; /* dropped words: whole sentences for a WARN line */
	char *stock_reason;	 /* not NULL: left to stock, and why ("--offline is left ...") */
};

/*
 * Parses the option string. Words that virsh itself would refuse (unknown option, missing or bad
 * value, open quote) set stock_reason, so that the operator gets virsh's own answer from the stock
 * script. False (OM_E_INPUT) only for text that no shell would split: embedded NUL cannot occur,
 * over-long (> 4096 bytes) or more than 128 words.
 */
bool om_opts_parse(struct om_opts *opts, const char *text, struct om_err *err) OM_MUST_CHECK;
void om_opts_free(struct om_opts *opts);

/* Does a shell give virsh the word --tls for sure? Not where it would do more to the text than split it. */
bool om_opts_say_tls(const char *text);

/* How an option of virsh is handled. */
enum om_opt_kind {
	OM_OPT_FLAG,	      /* a bit of flags */
	OM_OPT_TEXT,	      /* a typed parameter */
	OM_OPT_NUMBER,	      /* a typed parameter, 0..max */
	OM_OPT_METHODS,	      /* --comp-methods */
	OM_OPT_TIMEOUT,	      /* --timeout */
	OM_OPT_ON_TIMEOUT,    /* --timeout-suspend, --timeout-postcopy */
	OM_OPT_AFTER_PRECOPY, /* --postcopy-after-precopy */
	OM_OPT_STORAGE,	      /* --copy-storage-*, --migrate-disks* */
	OM_OPT_IGNORED,	      /* accepted without effect */
	OM_OPT_DROPPED,	      /* left out with a warning */
	OM_OPT_STOCK,	      /* left to stock */
	OM_OPT_KIND_COUNT
};
struct om_opt_row {
	const char *name; /* without the two dashes */
	enum om_opt_kind kind;
	bool takes_value;
	unsigned int flag; /* OM_OPT_FLAG: OM_FLAG_*; OM_OPT_ON_TIMEOUT: om_timeout_action;
			    * OM_OPT_STORAGE: OM_FLAG_SYNC_WRITES or none */
	const char *param; /* OM_OPT_TEXT, OM_OPT_NUMBER: libvirt's name */
	enum om_param_type type;
	uint64_t max;
	const char
		*help; /* one sentence; for OM_OPT_DROPPED the reason, for OM_OPT_STOCK as well */
};
#define OM_OPT_ROWS_MAX 64
extern const struct om_opt_row om_opt_table[];
extern const size_t om_opt_table_rows;

/* Splits like a POSIX shell without expansion: blanks, '...', "..." and \. False: an open quote or
 * a trailing backslash. */
bool om_shell_split(struct om_strv *words, const char *text) OM_MUST_CHECK;

/* The first character that a shell would not only split at: an unquoted ; & | < > ( ), a $ or ` not
 * in single quotes, a # or ~ that begins a word; '\0' if none. Such a text is left to stock. */
char om_shell_active(const char *text);

/*
 * FEATURES/MIGRATE_AUTO_CONVERGE ("initial[,increment]", or yes/blank as written before 7.4; what
 * is 0 or no switches nothing on) and MIGRATE_COMPRESSED (YES, yes, blanks). They stand after MIGRATE_OPTIONS as in stock: a
 * value given there for the same parameter is replaced. Numbers are clamped to QEMU's 1..99;
 * what cannot be read is left out with a warning in opts->warnings, as it is the VM owner's text.
 */
void om_opts_add_features(struct om_opts *opts, const char *auto_converge, const char *compressed);

/* Versions as libvirt writes them: 11.3.0 is 11003000; 0 = not known. */
struct om_versions {
	uint64_t src_libvirt, dst_libvirt, src_qemu, dst_qemu;
	/* Where nobody can see which QEMU the guest runs in: src_qemu is the least that it may be, and this
	 * the most; 0: src_qemu is it. */
	uint64_t src_qemu_most;
};

/*
 * Refuses (OM_E_INPUT, a sentence that names the two options) a combination that these versions of
 * libvirt and QEMU refuse, or take and do not encrypt as asked, and no other one; an unknown version
 * refuses nothing. Sets
 * *never_switch where PARALLEL stands with POSTCOPY and a QEMU below 10.1 or not known: everything
 * of post-copy is taken out of opts (flag, --postcopy-after-precopy, --timeout-postcopy) and a
 * warning added, so that it migrates and nobody can start post-copy. QEMU 8.0 to 10.0 would refuse
 * the pair, older ones accept it and cannot switch safely.
 */
bool om_opts_check(struct om_opts *opts, const struct om_versions *versions, bool *never_switch,
		   struct om_err *err) OM_MUST_CHECK;

/* Would OM_FLAG_POSTCOPY beside these options be taken, and be safe to switch, for all that is known?
 * False: `why` is the reason, a part of a sentence. Changes nothing. */
bool om_opts_can_postcopy(const struct om_opts *opts, const struct om_versions *versions,
			  struct om_err *why) OM_MUST_CHECK;

/* The table, for the manual: option, class and one sentence, malloc'ed. */
char *om_opts_print_table(bool man);

#endif
