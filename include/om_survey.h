/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host says of itself to one migration. The source asks itself by calls and the destination
 * by one ssh (`onemigrate survey` there), and both are answered by the same code, so that the two
 * answers can be set against each other. A survey changes nothing on either host, except where a
 * marker or a removal is asked for by name.
 */
#ifndef OM_SURVEY_H
#define OM_SURVEY_H

#include "om_addr.h"
#include "om_net.h"
#include "om_outcome.h"
#include "om_util.h"

#include <sys/types.h>

#define OM_SURVEY_VERSION 1
#define OM_SURVEY_TEXT_MAX (256u << 10) /* of an ask or of an answer */
#define OM_SURVEY_ADDRS_MAX 64
#define OM_SURVEY_PORTS_MAX 16
#define OM_SURVEY_NODES_MAX 64
#define OM_SURVEY_LIST_MAX 512 /* items of a list */

/* The range from which libvirt takes ports where qemu.conf does not say otherwise. */
#define OM_PORT_MIN 49152
#define OM_PORT_MAX 49215

/* Lists are answered in their order. Texts are owned and never NULL. */
struct om_survey_ask {
	char *uuid, *name;			     /* of the domain; "" = none */
	char *arch, *virt_type, *machine, *emulator; /* what it runs on; "" = do not ask */
	char *cpu;				     /* <cpu> element as XML, of the live domain */
	struct om_strv paths;			     /* absolute */
	struct om_strv bridges;			     /* names of devices */
	struct om_strv networks;		     /* libvirt's */
	struct om_strv secrets;			     /* "uuid:..." or "usage:TYPE:NAME" */
	uint16_t ports[OM_SURVEY_PORTS_MAX];	     /* TCP; is each free? */
	size_t port_count;
	uint64_t huge_page_kib;	 /* 0 = do not ask; 1 = the default size */
	bool tls, postcopy, tpm; /* what the migration needs */
	bool speed;		 /* how busy the processors are, how fast memory comes into use */
};
void om_survey_ask_free(struct om_survey_ask *ask);

enum om_file_kind {
	OM_FILE_UNKNOWN, /* could not be looked at: `why` */
	OM_FILE_MISSING,
	OM_FILE_REGULAR,
	OM_FILE_DIR,
	OM_FILE_BLOCK,
	OM_FILE_OTHER,
	OM_FILE_KIND_COUNT
};
/* FUSE has one type for all; these are not numbers of the kernel. */
#define OM_FS_FUSE 0x65735546u
#define OM_FS_FUSE_GLUSTER (UINT64_C(1) << 32 | OM_FS_FUSE)
#define OM_FS_FUSE_QUOBYTE (UINT64_C(2) << 32 | OM_FS_FUSE)

/* What a path leads to, links followed. */
struct om_file {
	enum om_file_kind kind;
	char why[80];
	uint64_t size_bytes;	/* of a regular file or a block device */
	uint64_t inode, device; /* device: of a block device its own number */
	/* statfs f_type of the file, or of the directory that would hold it; of a FUSE also which one,
	 * where libvirt tells it from others (OM_FS_FUSE_...) */
	uint64_t fs_type;
	uint64_t fs_id; /* statfs f_fsid; 0 where the file system has none */
	/* Words that an older helper does not know. */
	bool free_known;
	uint64_t free_bytes; /* for us, in that file system */
	char device_id
		[96]; /* of a block device, the same on each host: "LVM-...", a WWN; "" = none */
};

struct om_node_pages {
	uint32_t node;
	uint64_t total, free; /* pages of the size that was asked for */
};

struct om_survey {
	bool known;    /* the host answered; false: everything below is not known */
	char why[200]; /* where it did not */
	char hostname[256], boot_id[37], helper[32]; /* version of the helper */
	uid_t uid;
	uint64_t epoch_ms; /* its wall clock when it answered; CLOCK_REALTIME */

	struct om_addr addrs[OM_SURVEY_ADDRS_MAX]; /* without loopback and link-local ones */
	size_t addr_count;

	bool libvirt_known; /* its libvirt answered */
	char libvirt_why[200];
	uint64_t libvirt, qemu;		       /* versions, as struct om_versions; 0 = not known */
	char host_uuid[37];		       /* libvirt's */
	char cpu_model[64];		       /* of the host */
	enum om_side_state side;	       /* of the domain with that UUID */
	bool defined;			       /* and it is defined persistently */
	char name_uuid[37];		       /* of another domain that has its name; "" = none */
	enum om_answer machine, emulator, tpm; /* known there; `..._why` for a NO */
	char machine_why[200], emulator_why[200];
	enum om_answer cpu;		    /* the guest's CPU can be had there */
	char cpu_why[400];		    /* what is missing, libvirt's words */
	enum om_answer *networks, *secrets; /* by ask; NULL where nothing was asked */

	uint64_t memory_total_kib, memory_available_kib; /* /proc/meminfo; 0 = not known */
	uint64_t page_kib;				 /* size of the pages below */
	struct om_node_pages nodes[OM_SURVEY_NODES_MAX]; /* huge pages */
	uint64_t overcommit_pages; /* that the kernel may make beyond these, if it finds memory */
	size_t node_count;

	struct om_file *files;			   /* by ask->paths */
	enum om_answer *bridges;		   /* by ask->bridges: is there such a device? */
	enum om_answer ports[OM_SURVEY_PORTS_MAX]; /* free? */
	uint32_t range_min, range_max; /* migration ports, from qemu.conf where it can be read */
	uint32_t range_free;	       /* of them nobody listens on */
	enum om_answer
		userfaultfd; /* QEMU's user may have post-copy; YES with a why: QEMU >= 8.0 */
	char userfaultfd_why[200];
	enum om_answer tls_server, tls_client; /* certificates are there */
	char tls_why[200];
	/* Some are not in the default directory; qemu.conf, which may name another, cannot be read. */
	bool tls_unseen;
	char lock_manager[64]; /* of qemu.conf; "" = none; "?" = not known */
	uint32_t cpus,
		cpu_free_permille; /* processors, and how idle they were just now; 0 = not known */
	uint32_t cpu_share_permille; /* of one that others run on; an older helper does not tell */
	uint32_t fresh_page_ns;	     /* to take a new page into use; 0 = not known */
	uint64_t optmem_bytes;	     /* net.core.optmem_max; 0 = not known */
	uint32_t migrations;	     /* that run here, of other VMs, by their state files */

	/* How many items the pointers above have. */
	size_t file_count, bridge_count, network_count, secret_count, port_count;
	size_t more_count; /* of the files, those of which more was said */
};
void om_survey_free(struct om_survey *survey);

/* ---- core/survey.c: pure. Lines of words, values percent-encoded, ended by a line "end". ---- */

/* malloc'ed, with the last line. */
char *om_survey_ask_print(const struct om_survey_ask *ask);
char *om_survey_print(const struct om_survey *survey);
/* Unknown words are skipped, so that releases can differ; false for what is cut off, over-long, has a
 * value out of range or a list that is longer than OM_SURVEY_LIST_MAX. On failure nothing is owned. */
bool om_survey_ask_parse(struct om_survey_ask *ask, const char *text,
			 struct om_err *err) OM_MUST_CHECK;
/* `ask` says how long the lists have to be; one that is not answered at all is "not checked". */
bool om_survey_parse(struct om_survey *survey, const struct om_survey_ask *ask, const char *text,
		     struct om_err *err) OM_MUST_CHECK;

/* Gives each list the length that was asked for, "not checked", where there is none; false for one of
 * another length. */
bool om_survey_fit(struct om_survey *survey, const struct om_survey_ask *ask);

/* First lines: of an ask, of an answer; and what the other end says where it has no helper. */
#define OM_SURVEY_ASK_FIRST "onemigrate-survey-ask 1"
#define OM_SURVEY_FIRST "onemigrate-survey 1"
#define OM_SURVEY_NONE "onemigrate-survey-none"

/* A text as one word of a line: blanks, '%', control characters and what is not ASCII become %XX. */
char *om_survey_word(const char *text);
/* Back again, in place; false: that is none (%00 is none either). */
bool om_survey_unword(char *word) OM_MUST_CHECK;

/* ---- core/same.c: pure. ---- */

enum om_same { OM_SAME_UNKNOWN, OM_SAME_YES, OM_SAME_NO };
/*
 * Do the same path's two ends, seen from two hosts, hold the same file? `one_kernel`: both have the
 * same boot id, so that device numbers can be compared. NO only where it is certain: both on file systems
 * of one kernel each (ext4, xfs, ...). A NFS server sees its own files as local ones, so that one
 * local end proves nothing. Two network file systems: YES where type, id, inode and size are equal; of
 * directories only where there is an id. A block device is never told apart from another.
 */
enum om_same om_file_same(const struct om_file *a, const struct om_file *b, bool one_kernel);
/* A file system that no other host can have mounted with its own files in it. */
bool om_fs_is_local(uint64_t fs_type);
/* "ext4", "nfs", ...; "type 0x1234" in `text` for one that is not in the table. */
const char *om_fs_name(uint64_t fs_type, char text[32]);
/* Would libvirt take it for shared? (qemu.conf can name more directories.) */
bool om_fs_is_shared_for_libvirt(uint64_t fs_type);

/* ---- edge/survey_host.c and edge/vir_survey.c ---- */

/* Everything but what libvirt is asked for. */
void om_survey_host(struct om_survey *survey, const struct om_survey_ask *ask);
/* What libvirt is asked for, over a connection of its own to `uri` that is closed again. */
void om_survey_libvirt(struct om_survey *survey, const struct om_survey_ask *ask, const char *uri);
/* edge/survey_here.c: both, beside each other, of this host. A libvirt that does not answer within
 * timeout_ms is left alone (a thread of this process stays behind with it) and is not known. */
void om_survey_here(struct om_survey *survey, const struct om_survey_ask *ask, const char *uri,
		    uint32_t timeout_ms);

/* ---- edge/survey_link.c: the same, on another host, by one ssh ---- */

struct om_survey_link;
/* Starts the ssh at once, so that its handshake costs no time of its own; never fails. NULL where `host`
 * is no valid host name. */
struct om_survey_link *om_survey_link_open(const char *host);
/* Closes what the scripts have begun (ONEMIGRATE_LINK), for a process that will not open it. */
void om_survey_link_disown(void);
/* Asks. False: it could not be had, and why is in survey->why (known is then false); where the other
 * end has no helper, its addresses are in survey->addrs all the same. timeout_ms counts from now. */
bool om_survey_link_ask(struct om_survey_link *link, const struct om_survey_ask *ask,
			struct om_survey *survey, uint32_t timeout_ms) OM_MUST_CHECK;
/*
 * One more question of the same session, one line each way: "listen ADDR" (a port of the migration range is
 * opened there until the link is closed, for at most OM_SURVEY_LISTEN_MS; answer: its number),
 * "mark DIR TOKEN" (makes a file), "look DIR TOKEN" (is it there?), "unmark DIR TOKEN",
 * "forget-end UUID" (om_state_forget()), and those of om_tm_host.h. Paths as om_survey_word(). False: "no" was answered, or nothing; `answer` says why.
 */
bool om_survey_link_call(struct om_survey_link *link, const char *question, uint32_t timeout_ms,
			 char *answer, size_t size) OM_MUST_CHECK;
void om_survey_link_close(struct om_survey_link *link); /* NULL is fine */

/* ---- the other end: onemigrate/cmd_survey.c ---- */

#define OM_SURVEY_LISTEN_MS 15000

/* edge/survey_ports.c: the lowest port of the range on which nobody listens, taken by us; -1: errno.
 * For the test of a firewall. */
int om_survey_listen(const struct om_addr *addr, uint32_t min, uint32_t max, uint16_t *port);

#endif
