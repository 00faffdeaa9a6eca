#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same where drivers and QEMU run as root: what has to do with users and files.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../driver.sh
. "$(dirname "$0")/../driver.sh"

begin --mgmt 1gbit --as-root "$@"
lab guest start 31 --mem 128 --fill 16 --disk --snapshots 1 --verify 64
settings DEST_HOST_APPEND=-10g1
count
drive 31
check "as root: the VM moves" moved 31 node02
check "as root: by the fast leg" by_leg node01 fast
check "as root: its snapshot arrives" lab exec node02 -- virsh -q snapshot-current --name one-31
settings MIGRATE_NETWORK=10.77.1.0/24 MIGRATE_OPTIONS="--unsafe --bandwidth 8"
slow 31 --local
check "as root: status on the source shows migrate_local" lab exec node02 -- /var/tmp/one/onemigrate/run status 31
lab exec fe -- pkill -TERM -o -f 'onemigrate migrate --local'
finish_drive
check "as root, SIGTERM in mid-copy: the answer is true" stayed 31 node02
settings MIGRATE_NETWORK=10.79.0.0/16 MIGRATE_NETWORK_POLICY=strict
drive 31
check "as root, strict: refused" stayed 31 node02
check "memory is whole, and the guest has booted once" lab guest verify 31
