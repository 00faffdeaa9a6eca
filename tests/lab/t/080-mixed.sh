#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian 12 and Debian 13 together: one helper, two versions of libvirt and QEMU, both directions; and
# a CPU model that the older one does not know.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

begin --mgmt 1gbit --src debian12 --dst debian13 "$@"
lab guest start 31 --mem 128 --fill 32 --disk --snapshots 1 --verify 64
settings MIGRATE_NETWORK="10.77.1.0/24"
count
drive 31
check "from Debian 12 to Debian 13: the VM moves" moved 31 node02
check "from Debian 12 to Debian 13: by the fast leg" by_leg node01 fast
check "its snapshot arrives" lab exec node02 -- virsh -q snapshot-current --name one-31
settings MIGRATE_NETWORK="10.77.1.0/24" MIGRATE_OPTIONS="--unsafe --parallel --comp-methods zstd"
drive 31
check "an option that the older libvirt lacks is refused with a sentence" stayed 31 node02
check "the sentence names it" said 'Error migrating VM 31: .*zstd'
settings MIGRATE_NETWORK="fd77:1::/64"
drive 31
check "from Debian 13 to Debian 12: the VM moves" moved 31 node01
settings MIGRATE_OPTIONS=--auto-converge
drive 31
check "disks that libvirt below 10 calls unsafe: refused" stayed 31 node01
check "the sentence names them, and nothing was touched" \
	said 'Error migrating VM 31: disks: vda: .*calls the migration unsafe; nothing was touched'
settings MIGRATE_OPTIONS=--auto-converge MIGRATE_CHECK=off
drive 31
check "without checks libvirt refuses them indeed" said 'Error migrating VM 31: .*[Uu]nsafe migration.*the VM still runs on node01'
settings MIGRATE_NETWORK="10.77.1.0/24"
lab guest start 32 --mem 128 --fill 16 --snapshots 1 --verify 64 --cpu SapphireRapids --on node02
drive 32
check "a CPU model that the older libvirt does not know: the VM stays" stayed 32 node02
check "the sentence names it" said 'Error migrating VM 32: .*SapphireRapids; nothing was touched, the VM still runs on node02'
check "its snapshot is there still" lab exec node02 -- virsh -q snapshot-current --name one-32
check "its memory is whole" lab guest verify 32
check "memory is whole, and the guest has booted once" lab guest verify 31
lab guest start 33 --mem 96 --fill 8 --verify 16
settings MIGRATE_NETWORK="10.77.1.0/24" MIGRATE_POSTCOPY=yes
drive 33
check "post-copy towards libvirt 11.3: the VM moves" moved 33 node02
check "post-copy towards libvirt 11.3: not armed, and told why" said ' *migrate: no post-copy, although .*11\.3'
drive 33
check "a destination whose QEMU may not use userfaultfd: the VM moves" moved 33 node01
check "it is told with the setting of the kernel" said 'WARN: migrate: .*vm\.unprivileged_userfaultfd'
