/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what the guest runs on: CPU, QEMU and memory. */
#include "check_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- CPU ---- */

/* The host's own CPU: libvirt compares nothing. */
static bool is_hosts_own(const struct om_dom *dom)
{
	return strcmp(dom->cpu_mode, "host-passthrough") == 0 ||
	       strcmp(dom->cpu_mode, "maximum") == 0;
}

static void check_own_cpu(struct om_check *c)
{
	const char *src = c->src->cpu_model, *dst = c->dst->cpu_model;

	if (!*src || !*dst) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED,
			       "the guest has the CPU of %s (%s), and that of %s is not known",
			       c->src_host, c->dom->cpu_mode, c->dst_host);
	} else if (strcmp(src, dst) != 0) {
		om_check_found(c, OM_SEVERITY_WARNING,
			       "the guest has the CPU of %s (%s): %s there, %s on %s", c->src_host,
			       c->dom->cpu_mode, src, dst, c->dst_host);
		om_check_remedy(c, "use a CPU model that both hosts have (CPU_MODEL in the "
				   "template)");
	} else {
		om_check_found(c, OM_SEVERITY_OK, "%s on both hosts", src);
	}
}

/* Of a refusal that is certain the list of features stands after libvirt's last colon. */
static void check_missing_features(struct om_check *c)
{
	const char *why = c->dst->cpu_why, *colon = strrchr(why, ':');

	if (!om_dom_cpu_refused(c->dom, c->src->cpu, why))
		om_check_found(c, OM_SEVERITY_WARNING,
			       "libvirt of %s doubts that it can give the guest its CPU%s%s",
			       c->dst_host, *why ? ": " : "", why);
	else if (colon)
		om_check_found(c, OM_SEVERITY_BLOCKER, "%s lacks features of the guest's CPU:%s",
			       c->dst_host, colon + 1);
	else
		om_check_found(c, OM_SEVERITY_BLOCKER, "%s cannot give the guest its CPU: %s",
			       c->dst_host, why);
	om_check_remedy(c, "use a CPU model that both hosts have (CPU_MODEL in the template), and "
			   "start the VM anew with it");
}

void om_check_cpu(struct om_check *c)
{
	if (!om_check_needs_dom(c))
		return;
	if (!*c->dom->cpu && !*c->dom->cpu_mode)
		om_check_found(c, OM_SEVERITY_OK, "the VM names no CPU");
	else if (!om_check_needs_dst_libvirt(c))
		return;
	else if (c->dst->cpu == OM_ANSWER_NO)
		check_missing_features(c);
	else if (is_hosts_own(c->dom))
		check_own_cpu(c);
	else if (c->dst->cpu == OM_ANSWER_YES)
		om_check_found(c, OM_SEVERITY_OK, "%s can give the guest its CPU", c->dst_host);
	else
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "%s did not compare it%s%s", c->dst_host,
			       *c->dst->cpu_why ? ": " : "", c->dst->cpu_why);
}

/* ---- QEMU ---- */

static void check_known_there(struct om_check *c, const char *what, enum om_answer answer,
			      const char *why, const char *remedy)
{
	if (!om_check_needs_dom(c))
		return;
	if (!*what) {
		om_check_found(c, OM_SEVERITY_OK, "the VM names none");
	} else if (!om_check_needs_dst_libvirt(c)) {
		return;
	} else if (answer == OM_ANSWER_NO) {
		om_check_found(c, OM_SEVERITY_BLOCKER, "%s does not have %s%s%s", c->dst_host, what,
			       *why ? ": " : "", why);
		om_check_remedy(c, "%s", remedy);
	} else {
		om_check_found(c,
			       answer == OM_ANSWER_YES ? OM_SEVERITY_OK : OM_SEVERITY_NOT_CHECKED,
			       "%s%s%s", what, answer == OM_ANSWER_YES ? "" : ": not known",
			       answer == OM_ANSWER_YES ? "" : why);
	}
}

void om_check_machine(struct om_check *c)
{
	check_known_there(c, c->dom->machine, c->dst->machine, c->dst->machine_why,
			  "install a QEMU there that is not older than the VM's, or start the VM "
			  "anew with a machine type that both hosts have (OS/MACHINE)");
}

void om_check_emulator(struct om_check *c)
{
	check_known_there(c, c->dom->emulator, c->dst->emulator, c->dst->emulator_why,
			  "install QEMU there, at the same path, or link it to that path");
}

/* ---- memory ---- */

struct size {
	char text[32];
};

static struct size print_kib(uint64_t kib)
{
	struct size size;

	if (kib >= UINT64_C(10) << 20)
		snprintf(size.text, sizeof(size.text), "%" PRIu64 " GiB", kib >> 20);
	else
		snprintf(size.text, sizeof(size.text), "%" PRIu64 " MiB", kib >> 10);
	return size;
}

void om_check_memory(struct om_check *c)
{
	uint64_t available = c->dst->memory_available_kib, needed = c->dom->memory_kib;

	if (!om_check_needs_dom(c))
		return;
	if (c->dom->huge_page_kib) {
		om_check_found(c, OM_SEVERITY_OK, "the VM's %s are in huge pages",
			       print_kib(needed).text);
	} else if (!om_check_needs_dst(c)) {
		return;
	} else if (!available) {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "%s did not say what is available",
			       c->dst_host);
	} else if (available < needed) {
		om_check_found(c, OM_SEVERITY_WARNING,
			       "%s has %s of memory available, and the VM may take %s", c->dst_host,
			       print_kib(available).text, print_kib(needed).text);
		om_check_remedy(c, "free memory there, or see that there is swap for it");
	} else {
		om_check_found(c, OM_SEVERITY_OK, "%s available on %s, for %s",
			       print_kib(available).text, c->dst_host, print_kib(needed).text);
	}
}

/* Free pages of the size on all nodes of the destination, and on the one that has most. */
static uint64_t free_pages(const struct om_survey *dst, uint64_t *most)
{
	uint64_t sum = 0;

	*most = 0;
	for (size_t i = 0; i < dst->node_count; i++) {
		sum += dst->nodes[i].free;
		if (dst->nodes[i].free > *most)
			*most = dst->nodes[i].free;
	}
	return sum;
}

static void check_free_pages(struct om_check *c)
{
	uint64_t size_kib = c->dst->page_kib, most;
	uint64_t needed = (c->dom->memory_kib + size_kib - 1) / size_kib;
	uint64_t available = free_pages(c->dst, &most);

	if (available < needed) {
		om_check_found(c,
			       available + c->dst->overcommit_pages < needed ? OM_SEVERITY_BLOCKER
									     : OM_SEVERITY_WARNING,
			       "%s has %" PRIu64 " free huge pages of %" PRIu64
			       " KiB, and the VM needs %" PRIu64,
			       c->dst_host, available, size_kib, needed);
		om_check_remedy(c,
				"reserve more of them there: nr_hugepages below "
				"/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB",
				size_kib);
	} else if (c->dom->numa_strict && most < needed) {
		om_check_found(c, OM_SEVERITY_WARNING,
			       "the VM is bound to NUMA nodes, and of the %" PRIu64
			       " huge pages that it needs no node of %s has more than %" PRIu64
			       " free",
			       needed, c->dst_host, most);
		om_check_remedy(c, "reserve more of them on the nodes that the VM is bound to");
	} else {
		om_check_found(c, OM_SEVERITY_OK,
			       "%" PRIu64 " of %" PRIu64 " KiB free on %s, for %" PRIu64, available,
			       size_kib, c->dst_host, needed);
	}
}

void om_check_hugepages(struct om_check *c)
{
	if (!om_check_needs_dom(c))
		return;
	if (!c->dom->huge_page_kib)
		om_check_found(c, OM_SEVERITY_OK, "the VM does not use them");
	else if (!om_check_needs_dst(c))
		return;
	else if (!c->dst->page_kib)
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "%s did not say which it has",
			       c->dst_host);
	else
		check_free_pages(c);
}

/* The limit is that of a process of the source's libvirt, which only it can read. */
void om_check_memlock(struct om_check *c)
{
	bool by_option = c->flags & OM_FLAG_ZEROCOPY;
	bool by_setting = om_knob_number(c->facts->knobs, OM_KNOB_MIGRATE_ZEROCOPY) ==
			  OM_CHOICE_ZEROCOPY_YES;

	if (!by_option && !by_setting) {
		om_check_found(c, OM_SEVERITY_OK, "nothing asks for locked memory");
		return;
	}
	om_check_found(
		c, OM_SEVERITY_NOT_CHECKED,
		"%s locks up to %s in QEMU on %s; whether libvirt may raise the limit so far is "
		"not known%s",
		by_option ? "--zerocopy" : "MIGRATE_ZEROCOPY", print_kib(c->dom->memory_kib).text,
		c->src_host,
		by_option ? "" : ": where it may not, memory is copied before it is sent");
	om_check_remedy(c,
			"libvirt needs CAP_SYS_RESOURCE for it, and net.core.optmem_max has to be "
			"large");
}

/* ---- post-copy ---- */

/* By the device alone it may be had only since 8.0. */
static bool is_too_old(const struct om_survey *survey)
{
	return survey->userfaultfd == OM_ANSWER_YES && *survey->userfaultfd_why && survey->qemu &&
	       survey->qemu < OM_CHECK_VERSION(8, 0);
}

static void check_may_fault(struct om_check *c, bool only_setting)
{
	const char *why = c->dst->userfaultfd_why;

	if (is_too_old(c->dst))
		why = "vm.unprivileged_userfaultfd is 0, and QEMU before 8.0 does not use "
		      "/dev/userfaultfd";
	else if (c->dst->userfaultfd == OM_ANSWER_YES)
		why = NULL;
	if (!why) {
		om_check_found(c, OM_SEVERITY_OK, "QEMU on %s may have post-copy", c->dst_host);
	} else if (c->dst->userfaultfd != OM_ANSWER_NOT_CHECKED) {
		om_check_found(c, OM_SEVERITY_WARNING, "QEMU on %s may not have post-copy%s%s; %s",
			       c->dst_host, *why ? ": " : "", why,
			       only_setting ? "the migration goes on without it"
					    : "QEMU refuses --postcopy then");
		om_check_remedy(c,
				"sysctl vm.unprivileged_userfaultfd=1 on %s, and the same in "
				"/etc/sysctl.d",
				c->dst_host);
	} else {
		om_check_found(c, OM_SEVERITY_NOT_CHECKED, "%s did not say%s%s", c->dst_host,
			       *why ? ": " : "", why);
	}
}

void om_check_userfaultfd(struct om_check *c)
{
	bool by_option = c->flags & OM_FLAG_POSTCOPY;
	bool by_setting = om_knob_number(c->facts->knobs, OM_KNOB_MIGRATE_POSTCOPY);

	if (!by_option && !by_setting)
		om_check_found(c, OM_SEVERITY_OK, "post-copy is not allowed");
	else if (!by_option && c->dom->postcopy_obstacle)
		om_check_found(c, OM_SEVERITY_OK, "post-copy is not used: %s",
			       c->dom->postcopy_obstacle);
	else if (om_check_needs_dst(c))
		check_may_fault(c, !by_option);
}
