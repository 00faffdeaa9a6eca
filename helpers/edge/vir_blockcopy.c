/* SPDX-License-Identifier: Apache-2.0 */
#include "om_move_host.h"

#include "vir_internal.h"

#include "om_buf.h"

#include <stdlib.h>

static bool begin(virDomainPtr *dom, struct om_vir *vir, struct om_err *err)
{
	*dom = om_vir_lookup(vir, OM_VIR_SRC);
	return *dom || om_vir_fail(err, OM_E_SOURCE, "the domain");
}

/* Text as the value of an attribute in single quotes. */
static void add_quoted(struct om_buf *xml, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&':
			om_buf_add(xml, "&amp;", 5);
			break;
		case '<':
			om_buf_add(xml, "&lt;", 4);
			break;
		case '\'':
			om_buf_add(xml, "&apos;", 6);
			break;
		default:
			/* A newline would become a blank. */
			if ((unsigned char)*text < 0x20)
				om_buf_addf(xml, "&#%d;", *text);
			else
				om_buf_add(xml, text, 1);
		}
}

static char *describe(const struct om_vir_copy *copy)
{
	struct om_buf xml = { 0 };

	om_buf_addf(&xml, "<disk type='file'><driver name='qemu' type='");
	add_quoted(&xml, copy->format);
	om_buf_addf(&xml, "'/><source file='");
	add_quoted(&xml, copy->to);
	om_buf_addf(&xml, "'/></disk>");
	return xml.text;
}

/* A job of a domain that is defined would not outlive its end, which libvirt wants to be told. */
static unsigned int flags_of(const struct om_vir_copy *copy)
{
	unsigned int flags = VIR_DOMAIN_BLOCK_COPY_REUSE_EXT;

	if (copy->shallow)
		flags |= VIR_DOMAIN_BLOCK_COPY_SHALLOW;
	if (copy->sync)
		flags |= VIR_DOMAIN_BLOCK_COPY_SYNCHRONOUS_WRITES;
	if (copy->persistent)
		flags |= VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB;
	return flags;
}

bool om_vir_copy_start(struct om_vir *vir, const struct om_vir_copy *copy, struct om_err *err)
{
	OM_AUTOFREE char *xml = describe(copy);
	OM_AUTODOMAIN dom = NULL;
	virTypedParameterPtr params = NULL;
	int count = 0, max = 0;
	bool ok;

	if (!begin(&dom, vir, err))
		return false;
	if (copy->bps && virTypedParamsAddULLong(&params, &count, &max,
						 VIR_DOMAIN_BLOCK_COPY_BANDWIDTH, copy->bps) < 0)
		return om_vir_fail(err, OM_E_SOURCE, "the limit of the copy");
	ok = virDomainBlockCopy(dom, copy->target, xml, params, count, flags_of(copy)) == 0 ||
	     om_vir_fail(err, OM_E_SOURCE, "it cannot be copied");
	virTypedParamsFree(params, count);
	return ok;
}

bool om_vir_copy_speed(struct om_vir *vir, const char *target, uint64_t bps, struct om_err *err)
{
	OM_AUTODOMAIN dom = NULL;

	return begin(&dom, vir, err) &&
	       (virDomainBlockJobSetSpeed(dom, target, bps,
					  VIR_DOMAIN_BLOCK_JOB_SPEED_BANDWIDTH_BYTES) == 0 ||
		om_vir_fail(err, OM_E_SOURCE, "the limit of the copy"));
}

bool om_vir_copy_progress(struct om_vir *vir, const char *target, uint64_t *cur, uint64_t *end)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);
	virDomainBlockJobInfo info;

	if (!dom || virDomainGetBlockJobInfo(dom, target, &info, 0) != 1)
		return false;
	*cur = info.cur;
	*end = info.end;
	return true;
}

bool om_vir_copy_abort(struct om_vir *vir, const char *target, struct om_err *err)
{
	OM_AUTODOMAIN dom = NULL;

	return begin(&dom, vir, err) && (virDomainBlockJobAbort(dom, target, 0) == 0 ||
					 om_vir_fail(err, OM_E_SOURCE, "the copy goes on"));
}

bool om_vir_copy_pivot(struct om_vir *vir, const char *target, struct om_err *err)
{
	OM_AUTODOMAIN dom = NULL;

	return begin(&dom, vir, err) &&
	       (virDomainBlockJobAbort(dom, target, VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT) == 0 ||
		om_vir_fail(err, OM_E_SOURCE, "it does not go on on the copy"));
}

/* A guest that has it mounted holds the drive closed. To force it would make its reads fail. */
bool om_vir_media(struct om_vir *vir, const char *disk, struct om_err *err)
{
	OM_AUTODOMAIN dom = NULL;

	return begin(&dom, vir, err) &&
	       (virDomainUpdateDeviceFlags(dom, disk, VIR_DOMAIN_AFFECT_LIVE) == 0 ||
		om_vir_fail(err, OM_E_SOURCE, "the medium"));
}

static bool is_missing(void)
{
	virErrorPtr last = virGetLastError();

	return last && last->code == VIR_ERR_NO_DOMAIN;
}

enum om_move_domain om_vir_move_xml(struct om_vir *vir, char **xml)
{
	OM_AUTODOMAIN dom = om_vir_lookup(vir, OM_VIR_SRC);
	int active;

	*xml = NULL;
	if (!dom)
		return vir->conn[OM_VIR_SRC] && is_missing() ? OM_MOVE_ENDED : OM_MOVE_SILENT;
	active = virDomainIsActive(dom);
	if (active == 0)
		return OM_MOVE_ENDED;
	*xml = active == 1 ? virDomainGetXMLDesc(dom, 0) : NULL;
	if (*xml)
		return OM_MOVE_ACTIVE;
	return is_missing() ? OM_MOVE_ENDED : OM_MOVE_SILENT;
}
