/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of the table of checks share; nothing outside of core/check*.c includes it. */
#ifndef CHECK_INTERNAL_H
#define CHECK_INTERNAL_H

#include "om_check.h"

/* One run of one row. No pointer is NULL, and no text of the domain is. */
struct om_check {
	const struct om_check_facts *facts;
	const struct om_dom *dom;
	bool have_dom; /* false: the domain is not on the source, or was not read */
	const struct om_survey *src, *dst;
	const struct om_survey_ask *ask;
	const struct om_check_way *way;
	unsigned int flags; /* OM_FLAG_* of MIGRATE_OPTIONS */
	const char *src_host, *dst_host;
	struct om_findings *findings;
	const char *name; /* of the row */
};

/* Adds a finding, a sentence without full stop; what is not fit for a terminal becomes '?'. */
void om_check_found(struct om_check *c, enum om_severity severity, const char *fmt, ...)
	OM_PRINTF(3, 4);
/* What is to be done about the last one. */
void om_check_remedy(struct om_check *c, const char *fmt, ...) OM_PRINTF(2, 3);

/* False: what the row looks at is not known, and that was added as the row's finding. */
bool om_check_needs_dom(struct om_check *c);
bool om_check_needs_src(struct om_check *c);
bool om_check_needs_dst(struct om_check *c);
bool om_check_needs_dst_libvirt(struct om_check *c);

/* Files as both hosts see them; NULL where a host was not asked or did not say. */
struct om_check_file {
	const struct om_file *src, *dst;
};
struct om_check_file om_check_file(const struct om_check *c, const char *path);

/* premigrate and `vnm pre` are still to come. */
static inline bool om_check_is_early(const struct om_check *c)
{
	return c->facts->moment != OM_CHECK_MIGRATE;
}

/* The domain on the source. */
enum om_side_state om_check_src_state(const struct om_check *c);
/* A copy of it that waits on the destination, or was left there: its CPUs never ran. */
static inline bool om_check_has_leftover(const struct om_check *c)
{
	return c->dst->side == OM_SIDE_INCOMING;
}

#define OM_CHECK_VERSION(major, minor) ((major)*UINT64_C(1000000) + (minor)*UINT64_C(1000))

/* The rows, in the files named. */
void om_check_domain(struct om_check *c); /* check_domain.c */
void om_check_job(struct om_check *c);
void om_check_snapshots(struct om_check *c);
void om_check_destination(struct om_check *c);
void om_check_devices(struct om_check *c);
void om_check_tpm(struct om_check *c);
void om_check_helper(struct om_check *c); /* check_host.c */
void om_check_host_uuid(struct om_check *c);
void om_check_versions(struct om_check *c);
void om_check_clock(struct om_check *c);
void om_check_lock_manager(struct om_check *c);
void om_check_migrations(struct om_check *c);
void om_check_cpu(struct om_check *c); /* check_machine.c */
void om_check_machine(struct om_check *c);
void om_check_emulator(struct om_check *c);
void om_check_memory(struct om_check *c);
void om_check_hugepages(struct om_check *c);
void om_check_memlock(struct om_check *c);
void om_check_userfaultfd(struct om_check *c);
void om_check_disks(struct om_check *c);    /* check_disks.c */
void om_check_storage(struct om_check *c);  /* check_storage.c, of om_check_disks() */
void om_check_firmware(struct om_check *c); /* check_files.c */
void om_check_nvram(struct om_check *c);
void om_check_secrets(struct om_check *c);
void om_check_networks(struct om_check *c); /* check_network.c */
void om_check_graphics(struct om_check *c);
void om_check_fast_network(struct om_check *c); /* check_way.c */
void om_check_mtu(struct om_check *c);
void om_check_ports(struct om_check *c);
void om_check_firewall(struct om_check *c);
void om_check_tls(struct om_check *c);
bool om_check_encrypts(const struct om_check *c); /* by an option or a setting */

#endif
