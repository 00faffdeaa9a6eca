/* SPDX-License-Identifier: Apache-2.0 */
#include "om_cmocka.h"

#include "om_move_host.h"

#include <stdlib.h>
#include <string.h>

#define HEAD "<domain type='kvm'><name>one-31</name><metadata><one:vm xmlns:one='http://x'>"           \
	     "<one:system_datastore>/in/the/metadata</one:system_datastore></one:vm></metadata>"       \
	     "<os><nvram template='/t/VARS.fd'> /d/x y_VARS.fd\n</nvram></os><devices>"
#define TAIL "<serial type='file'><source path='/log/console'/></serial></devices></domain>"
#define VDA                                                                                        \
	"<disk type='file' device='disk'><driver type='qcow2'/><source file='/d/2' index='5'/>"    \
	"<backingStore type='file'><format type='qcow2'/><source file='/d/1'/>"                    \
	"<backingStore type='network'><format type='raw'/><source name='pool/x'/>"                 \
	"<backingStore type='block'><format type='raw'/><source dev='/dev/x'/><backingStore/>"     \
	"</backingStore></backingStore></backingStore>"                                            \
	"<mirror type='file' file='/n/2' job='copy' ready='yes'><source file='/n/2'/>"             \
	"<backingStore><source file='/n/1'/></backingStore></mirror>"                              \
	"<target dev='vda'/></disk>"
#define VDB "<disk type='block'><source dev='/dev/y'/><mirror job='active-commit'/><target dev='vdb'/></disk>"
#define SDA                                                                                        \
	"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"                        \
	"<source file='/d/disk.1' index='7'/><backingStore/><target dev='sda' bus='sata'/>"        \
	"<readonly/></disk>"
#define SDB "<disk type='file' device='cdrom'><target dev='sdb'/></disk>"

static void disks_and_their_copies_are_read(void **unused)
{
	struct om_move_xml_disk *disks;
	struct om_err err;
	size_t count;

	(void)unused;
	assert_true(om_xml_move_disks(HEAD VDA VDB SDB TAIL, &disks, &count, &err));
	assert_int_equal(count, 3);
	assert_string_equal(disks[0].target, "vda");
	assert_string_equal(disks[0].source, "/d/2");
	assert_string_equal(disks[0].mirror, "/n/2");
	assert_true(disks[0].job && disks[0].ready);
	assert_int_equal(disks[0].formats.n, 2);
	assert_string_equal(disks[0].formats.v[0], "qcow2");
	assert_string_equal(disks[0].formats.v[1], "raw");
	assert_string_equal(disks[1].source, "/dev/y");
	assert_string_equal(disks[1].mirror, "");
	assert_true(disks[1].job && !disks[1].ready);
	assert_string_equal(disks[2].source, "");
	assert_false(disks[2].job);
	om_move_xml_disks_free(disks, count);
	assert_false(om_xml_move_disks("<domain", &disks, &count, &err));
	assert_int_equal(count, 0);
}

static bool has(const struct om_strv *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], text) == 0)
			return true;
	return false;
}

static void every_path_that_the_domain_names_is_found(void **unused)
{
	static const char *const there[] = { "/d/2", "/d/1", "/dev/x", "/n/2", "/n/1",
					     "/t/VARS.fd", "/d/x y_VARS.fd", "/log/console" };
	struct om_strv paths = { 0 };
	struct om_err err;

	(void)unused;
	assert_true(om_xml_move_paths(HEAD VDA TAIL, &paths, &err));
	for (size_t i = 0; i < OM_ARRAY_LEN(there); i++)
		if (!has(&paths, there[i]))
			fail_msg("%s", there[i]);
	assert_false(has(&paths, "/in/the/metadata"));
	om_strv_free(&paths);
}

#define METADATA(dir)                                                                              \
	"<vm>\n  <system_datastore>" dir "</system_datastore>\n"                                   \
	"  <name><![CDATA[a & <b>]]></name>\n  <uid>0</uid>\n</vm>"

static void one_text_of_the_metadata_changes_and_nothing_else(void **unused)
{
	struct om_err err;
	char *changed;

	(void)unused;
	assert_true(om_xml_move_metadata(METADATA("<![CDATA[/ds/0/31]]>"), "/ds/1/31", &changed,
					 &err));
	assert_string_equal(changed, METADATA("<![CDATA[/ds/1/31]]>"));
	free(changed);
	assert_true(om_xml_move_metadata(METADATA("/ds/0/31"), "/d&s/1/31", &changed, &err));
	assert_string_equal(changed, METADATA("/d&amp;s/1/31"));
	free(changed);
	assert_true(om_xml_move_metadata(METADATA(""), "/ds/1/31", &changed, &err));
	assert_string_equal(changed, METADATA("<![CDATA[/ds/1/31]]>"));
	free(changed);
	assert_false(om_xml_move_metadata("<vm/>", "/ds/1/31", &changed, &err));
	assert_false(om_xml_move_metadata("<!DOCTYPE vm><vm><system_datastore/></vm>", "/x",
					  &changed, &err));
}

static void a_medium_is_changed_in_its_disk(void **unused)
{
	struct om_err err;
	char *disk;

	(void)unused;
	assert_true(om_xml_move_media(HEAD VDA SDA SDB TAIL, "sda", "/n/it's", &disk, &err));
	assert_string_equal(disk, "<disk type=\"file\" device=\"cdrom\"><driver name=\"qemu\" "
				  "type=\"raw\"/><source file=\"/n/it's\"/><target dev=\"sda\" "
				  "bus=\"sata\"/><readonly/></disk>");
	free(disk);
	assert_false(om_xml_move_media(HEAD SDB TAIL, "sdb", "/n/x", &disk, &err));
	assert_false(om_xml_move_media(HEAD SDB TAIL, "sdc", "/n/x", &disk, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disks_and_their_copies_are_read),
		cmocka_unit_test(every_path_that_the_domain_names_is_found),
		cmocka_unit_test(one_text_of_the_metadata_changes_and_nothing_else),
		cmocka_unit_test(a_medium_is_changed_in_its_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
