/* SPDX-License-Identifier: Apache-2.0 */
#include "vir_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Since libvirt 8.1; an older library passes it on to a newer daemon. */
#if !LIBVIR_CHECK_VERSION(8, 1, 0)
#define VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_BITMAP (1 << 0)
#endif

#define LOOK_MS 50
#define LATE_MS 1500
#define SAMPLE_BYTES (2u << 20) /* QEMU compares 512 pages of each GiB */
#define SAMPLES 3		/* over one second each */
#define STATUS_MEASURED 2

static bool find_int(virDomainStatsRecordPtr record, const char *name, long long *value)
{
	virTypedParameterPtr param = virTypedParamsGet(record->params, record->nparams, name);

	if (!param)
		return false;
	switch (param->type) {
	case VIR_TYPED_PARAM_INT:
		*value = param->value.i;
		return true;
	case VIR_TYPED_PARAM_LLONG:
		*value = param->value.l;
		return true;
	default:
		return false;
	}
}

/* The result of the measurement over `seconds`; false: there is none yet. */
static bool read_result(virDomainPtr dom, int seconds, uint64_t *mibps)
{
	virDomainPtr doms[] = { dom, NULL };
	virDomainStatsRecordPtr *records = NULL;
	long long status = 0, period = 0, rate = -1;
	int count = virDomainListGetStats(doms, VIR_DOMAIN_STATS_DIRTYRATE, &records,
					  VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);

	if (count < 0)
		virResetLastError();
	if (count == 1) {
		find_int(records[0], "dirtyrate.calc_status", &status);
		find_int(records[0], "dirtyrate.calc_period", &period);
		find_int(records[0], "dirtyrate.megabytes_per_second", &rate);
	}
	if (count >= 0)
		virDomainStatsRecordListFree(records);
	*mibps = rate > 0 ? (uint64_t)rate : 0;
	return status == STATUS_MEASURED && period == seconds && rate >= 0;
}

static void note_why(struct om_vir_dirty *dirty, const char *what)
{
	struct om_err err;

	om_vir_fail(&err, OM_E_STOCK, what);
	om_str_copy(dirty->why, sizeof(dirty->why), err.msg);
	virResetLastError();
}

static bool start(virDomainPtr dom, int seconds, struct om_vir_dirty *dirty)
{
	if (!dirty->grain_bytes &&
	    virDomainStartDirtyRateCalc(dom, seconds, VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_BITMAP) == 0)
		return true;
	dirty->grain_bytes = SAMPLE_BYTES;
	if (virDomainStartDirtyRateCalc(dom, seconds, VIR_DOMAIN_DIRTYRATE_MODE_PAGE_SAMPLING) == 0)
		return true;
	note_why(dirty, "libvirt does not measure it");
	return false;
}

static bool measure(virDomainPtr dom, int seconds, struct om_vir_dirty *dirty, uint64_t *bytes)
{
	uint64_t mibps;

	if (!start(dom, seconds, dirty))
		return false;
	usleep((unsigned int)seconds * 1000000u);
	for (int waited_ms = 0; waited_ms <= LATE_MS; waited_ms += LOOK_MS) {
		if (read_result(dom, seconds, &mibps)) {
			*bytes = (mibps * (unsigned int)seconds) << 20;
			return true;
		}
		usleep(LOOK_MS * 1000);
	}
	snprintf(dirty->why, sizeof(dirty->why), "QEMU did not tell in %.1f s",
		 seconds + LATE_MS / 1000.0);
	return false;
}

/* Of a small set a sample finds a few pages: the mean of several tells more. */
static void sample_again(virDomainPtr dom, struct om_vir_dirty *dirty)
{
	uint64_t sum = dirty->in_1s_bytes, more;

	while (dirty->in_1s_times < SAMPLES && measure(dom, 1, dirty, &more)) {
		sum += more;
		dirty->in_1s_times++;
	}
	dirty->in_1s_bytes = sum / dirty->in_1s_times;
	dirty->why[0] = '\0';
}

void om_vir_measure_dirty(struct om_vir *vir, bool exact, struct om_vir_dirty *dirty)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);
	bool counted;

	memset(dirty, 0, sizeof(*dirty));
	dirty->grain_bytes = exact ? 0 : SAMPLE_BYTES;
	if (!dom) {
		note_why(dirty, "the domain is not found");
		return;
	}
	dirty->known = measure(dom, 1, dirty, &dirty->in_1s_bytes);
	dirty->in_1s_times = dirty->known;
	counted = !dirty->grain_bytes;
	if (dirty->known && !measure(dom, 3, dirty, &dirty->in_3s_bytes))
		dirty->in_3s_bytes = 0;
	if (dirty->known && dirty->in_3s_bytes && !counted)
		sample_again(dom, dirty);
	/* Of two measurements of different kinds the first one counts. */
	if (dirty->known && counted && dirty->grain_bytes) {
		dirty->grain_bytes = 0;
		dirty->in_3s_bytes = 0;
	}
}

bool om_vir_sampling_begin(struct om_vir *vir, uint32_t seconds)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);

	if (dom && virDomainStartDirtyRateCalc(dom, (int)seconds,
					       VIR_DOMAIN_DIRTYRATE_MODE_PAGE_SAMPLING) == 0)
		return true;
	virResetLastError();
	return false;
}

bool om_vir_sampling_end(struct om_vir *vir, uint32_t seconds, uint64_t *bytes)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_MON);
	uint64_t mibps;

	if (!dom || !read_result(dom, (int)seconds, &mibps)) {
		virResetLastError();
		return false;
	}
	*bytes = (mibps * seconds) << 20;
	return true;
}
