#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs onemigrate from a built tree into OpenNebula's tree of remote scripts, and takes it out
# again. Each file is written beside its place and renamed into it: a migration that starts in
# between finds either the old or the new one.

# shellcheck disable=SC2317 # each_row calls functions by name
set -eu -o pipefail
umask 022

SOURCE=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
VAR=${ONE_VAR:-${ONE_LOCATION:+$ONE_LOCATION/var}}
VAR=${VAR:-/var/lib/one}
BIN=${ONE_BIN:-${ONE_LOCATION:+$ONE_LOCATION/bin}}
BIN=${BIN:-/usr/bin}
TREE=$VAR/remotes
OURS=$TREE/onemigrate
MANIFEST=$OURS/MANIFEST
MANIFEST_HEAD='onemigrate-manifest 1'

# What is installed, one row each: kind, path below remotes.
#   stock    replaces a script of OpenNebula, which is saved beside it as <name>.stock
#   script   our own, executable
#   data     our own, not executable
#   probe    our own, executable, for monitoring; only where OpenNebula has that directory
#   other    a script of a TM driver that was not chosen: put back where it was replaced before
# A directory reached by two rows through a link is handled once, by the first of them.
ROWS='
data   onemigrate/driver.sh
data   onemigrate/rcread.sh
script onemigrate/run
script onemigrate/ssh
script onemigrate/frontend
probe  im/kvm-probes.d/vm/monitor/onemigrate
probe  im/qemu-probes.d/vm/monitor/onemigrate
stock  vmm/kvm/migrate
stock  vmm/kvm/migrate_local
'
# The TM drivers whose scripts are replaced, and these scripts.
TM_DRIVERS='ssh local ceph fs_lvm fs_lvm_ssh lvm shared qcow2'
TM_STEPS='premigrate postmigrate failmigrate'
# Programs that make up a helper for a platform; the first one must be there.
HELPER_FILES='onemigrate onemigrate-ssh'

usage()
{
	cat <<'END'
usage: install.sh [--dry-run] [--tm "DRIVER..."|none] [--helpers TARBALL...]
       install.sh --check [HOST...]
       install.sh --uninstall [--dry-run]

Installs onemigrate into OpenNebula's remotes, as root or oneadmin, on every front-end. Each stock
script is saved beside ours as <name>.stock. Run it again after each upgrade of OpenNebula. Then,
as oneadmin: onehost sync --force

  --tm "DRIVER..."      the storage drivers whose premigrate, postmigrate and failmigrate ask where the VM is
                        before OpenNebula's own run; kept for the next time (default: ssh local ceph fs_lvm
                        fs_lvm_ssh lvm shared qcow2, where they are there)
  --helpers TARBALL...  also installs the helpers that `make dist` packed on other platforms
  --check               intact: 0, partly undone: 1, not installed: 2
  --check HOST...       also: which hosts would run the stock script for want of a helper
  --uninstall           puts the stock scripts back, byte for byte
  --dry-run             says what would be done and does nothing

Environment: ONE_VAR (/var/lib/one), ONE_BIN (/usr/bin), ONE_LOCATION.
END
}

die()
{
	printf 'install.sh: %s\n' "$*" >&2
	exit 1
}

note()
{
	printf '%s\n' "$*"
}

# TEXT: says that something is done; true where it is to be done now.
doing()
{
	CHANGES=$((CHANGES + 1))
	if [[ -n $DRY ]]; then
		note "would: $1"
		return 1
	fi
	note "$1"
}

sum()
{
	sha256sum <"$1" | cut -d ' ' -f 1
}

# --------------------------------------------------------------------------------------------- ground

require_tree()
{
	[[ -d $TREE ]] || die "$TREE is not there: is OpenNebula installed here? (ONE_VAR names its directory)"
	[[ -f $TREE/VERSION && -f $TREE/scripts_common.sh && -d $TREE/vmm/kvm &&
		(-e $TREE/vmm/kvm/migrate || -e $TREE/vmm/kvm/migrate.stock) ]] ||
		die "$TREE is no tree of OpenNebula's remote scripts (VERSION, scripts_common.sh, vmm/kvm/migrate)"
	TREE=$(cd -P -- "$TREE" && pwd)
	OURS=$TREE/onemigrate
	MANIFEST=$OURS/MANIFEST
	CONF=${ONE_LOCATION:+$ONE_LOCATION}/etc/oned.conf
	[[ -n ${ONE_LOCATION-} ]] || CONF=/etc/one/oned.conf
	# Whoever owns the tree is who OpenNebula runs as; what it cannot read would stop all migrations.
	OWNER=$(stat -L -c %u -- "$TREE/vmm/kvm")
	if ((EUID != 0 && EUID != OWNER)); then
		die "run this as root or as $(stat -L -c %U -- "$TREE/vmm/kvm"), who owns $TREE"
	fi
	REFERENCE=$TREE/vmm/kvm
	[[ ! -L $OURS ]] || die "$OURS is a link"
	# OpenNebula's commands and ssh know oneadmin, not root.
	local entry user home
	if ((EUID == 0 && OWNER != 0)) && entry=$(getent passwd "$OWNER"); then
		IFS=: read -r user _ _ _ _ home _ <<<"$entry"
		AS=(runuser -u "$user" -- env "HOME=$home")
	fi
	# Packages of OpenNebula may close their scripts to others (0750); ours follow.
	OPEN=yes
	[[ -n $(find -L "$TREE/vmm/kvm" -maxdepth 0 -perm -005) ]] || OPEN=''
}

# A name that is no driver would protect nothing, unnoticed.
require_tm()
{
	local driver
	for driver in $TM; do
		[[ $driver == none || -d $TREE/tm/$driver ]] || die "--tm: $driver is no TM driver here, $TREE/tm/$driver is not there"
	done
}

load_library()
{
	[[ -r $SOURCE/remotes/onemigrate/driver.sh ]] ||
		die "$SOURCE/remotes/onemigrate/driver.sh is missing: this is no complete tree of onemigrate"
	# shellcheck source=remotes/onemigrate/driver.sh
	. "$SOURCE/remotes/onemigrate/driver.sh"
	om_platform
}

# PATH: sets REAL to the same file below its real directory, so that two rows that meet in one place
# are seen as one. The last part is not followed: it may be a link itself, and is then saved as one.
real_path()
{
	REAL=''
	[[ -d ${1%/*} ]] || return 1
	REAL=$(cd -P -- "${1%/*}" && pwd)/${1##*/}
}

# Calls FUNCTION KIND PATH RELATIVE for each row, of the KINDS in $2 only, each real file once.
each_row()
{
	local kind path
	local -A seen=()
	while read -r kind path; do
		[[ -n $kind ]] || continue
		if real_path "$TREE/$path"; then
			[[ -z ${seen[$REAL]-} ]] || continue
			seen[$REAL]=1
		else
			REAL=$TREE/$path
		fi
		[[ -z ${2-} || " $2 " == *" $kind "* ]] || continue
		"$1" "$kind" "$REAL" "$path"
	done <<<"$ROWS"
}

# Adds the rows of the TM scripts: those of the chosen drivers before the others, because one directory may have
# two names.
add_tm_rows()
{
	local driver step dir
	local -A chosen=()
	[[ -n $TM ]] || TM=${TM_BEFORE:-$TM_DRIVERS}
	for driver in $TM; do
		[[ $driver != none ]] || continue
		chosen[$driver]=1
		for step in $TM_STEPS; do
			[[ ! -d $TREE/tm/$driver ]] || ROWS+="stock tm/$driver/$step"$'\n'
		done
	done
	for dir in "$TREE"/tm/*/; do
		dir=${dir%/} driver=${dir##*/}
		[[ -d $dir && -z ${chosen[$driver]-} && ! $driver =~ [[:space:]] ]] || continue
		for step in $TM_STEPS; do
			ROWS+="other tm/$driver/$step"$'\n'
		done
	done
}

# RELATIVE: the file of ours that goes there.
source_of()
{
	case $1 in
	tm/*) printf '%s' "$SOURCE/remotes/tm/step" ;;
	*) printf '%s' "$SOURCE/remotes/$1" ;;
	esac
}

# FILE MODE: owner as the rest of the tree. Only root can give files away; oneadmin need not.
dress()
{
	local mode=$2
	[[ -n $OPEN ]] || mode=$(printf '%04o' $((8#$mode & 8#0770)))
	chmod "$mode" -- "$1"
	((EUID != 0)) || chown -h --reference="$REFERENCE" -- "$1"
}

# FROM TO MODE [LIKE]: writes a copy beside its place and renames it into it, with mode and owner of the
# file LIKE where there is one. Dressed in a directory of our own, because the place belongs to oneadmin:
# root must not follow what may be put there meanwhile.
place()
{
	cp -- "$1" "$WORK/place"
	dress "$WORK/place" "$3"
	if [[ -n ${4-} ]]; then
		chmod --reference="$4" -- "$WORK/place"
		((EUID != 0)) || chown --reference="$4" -- "$WORK/place"
	fi
	move_in "$WORK/place" "$2"
}

# FROM TO: a link stays one.
move_in()
{
	TEMP=$2.new.$$
	cp -dp --remove-destination -- "$1" "$TEMP"
	mv -fT -- "$TEMP" "$2"
	TEMP=''
}

make_dir()
{
	[[ ! -d $1 && -z $DRY ]] || return 0
	mkdir -- "$1"
	dress "$1" 0755
}

# FROM TO MODE: puts a copy into its place; nothing where it is there already, so that a second run
# changes no file and rsync has nothing to do.
put()
{
	sweep "$2"
	if [[ -f $2 && ! -L $2 ]] && cmp -s -- "$1" "$2"; then
		[[ -n $DRY || ! $3 =~ ^07 || -x $2 ]] || dress "$2" "$3"
		return 0
	fi
	doing "install $2" || return 0
	place "$1" "$2" "$3"
}

# FILE: removes what an interrupted run left beside it.
sweep()
{
	local file
	[[ -z $DRY ]] || return 0
	for file in "$1".new.[0-9]* "$1".stock.new.[0-9]*; do
		[[ ! -f $file && ! -L $file ]] || rm -f -- "$file"
	done
}

# ------------------------------------------------------------------------------------------- manifest
#
# sha256, kind and path of what was installed. It counts only if its last line is there; without it
# everything still works by the mark in our files.

declare -A KNOWN=() KNOWN_KIND=()

manifest_read()
{
	local line sha kind path before=''
	local -A sums=() kinds=()
	MANIFEST_STATE=missing TM_BEFORE=''
	[[ -f $MANIFEST ]] || return 0
	MANIFEST_STATE=broken
	{
		IFS= read -r line || return 0
		[[ $line == "$MANIFEST_HEAD" ]] || return 0
		while IFS= read -r line; do
			if [[ $line == end ]]; then
				MANIFEST_STATE=good
				break
			fi
			[[ $line != tm\ * ]] || before=${line#tm }
			read -r sha kind path <<<"$line"
			[[ $sha =~ ^[0-9a-f]{64}$ && -n $path ]] || continue
			sums[$path]=$sha kinds[$path]=$kind
		done
	} <"$MANIFEST"
	[[ $MANIFEST_STATE == good ]] || return 0
	TM_BEFORE=$before
	for path in "${!sums[@]}"; do
		KNOWN[$path]=${sums[$path]} KNOWN_KIND[$path]=${kinds[$path]}
	done
}

manifest_row()
{
	local base=$TREE/
	[[ -f $2 && $1 != other ]] || return 0
	if [[ $1 == stock ]]; then
		om_is_ours "$2" || return 0
	fi
	printf '%s %s %s\n' "$(sum "$2")" "$1" "${2#"$base"}"
	if [[ $1 == stock && -f $2.stock ]]; then
		printf '%s %s %s\n' "$(sum "$2.stock")" saved "${2#"$base"}.stock"
	fi
}

manifest_write()
{
	local file temp=$WORK/manifest
	[[ -z $DRY ]] || return 0
	sweep "$MANIFEST"
	{
		printf '%s\ntm %s\n' "$MANIFEST_HEAD" "$TM"
		each_row manifest_row
		printf '%s data onemigrate/VERSION\n' "$(sum "$OURS/VERSION")"
		for file in "$OURS"/*/*; do
			[[ -f $file ]] || continue
			printf '%s helper %s\n' "$(sum "$file")" "${file#"$TREE"/}"
		done
		if om_is_ours "$BIN/onemigrate"; then
			printf '%s command %s\n' "$(sum "$BIN/onemigrate")" "$BIN/onemigrate"
		fi
		echo end
	} >"$temp"
	cmp -s -- "$temp" "$MANIFEST" || place "$temp" "$MANIFEST" 0644
}

# -------------------------------------------------------------------------------------------- install

install_own()
{
	[[ $1 != probe || -d ${2%/*} ]] || return 0
	put "$SOURCE/remotes/$3" "$2" "$([[ $1 == data ]] && echo 0644 || echo 0755)"
}

# FILE: saves a stock script beside it, with its mode, owner and time; a link is saved as a link.
save_stock()
{
	doing "save $1 as $1.stock${2:+ ($2)}" || return 0
	move_in "$1" "$1.stock"
}

same_file()
{
	[[ -L $1 && -L $2 && $(readlink -- "$1") == "$(readlink -- "$2")" ]] && return 0
	[[ ! -L $1 && ! -L $2 && -f $2 ]] && cmp -s -- "$1" "$2"
}

# FILE: true where a stock script was saved beside it. One of ours under that name is none.
saved()
{
	[[ -e $1.stock || -L $1.stock ]] && ! om_is_ours "$1.stock"
}

install_stock()
{
	local source like
	source=$(source_of "$3")
	sweep "$2"
	if [[ ! -e $2 && ! -L $2 && ! -e $2.stock ]]; then
		[[ $3 == tm/* ]] || note "left out: $2 is not in this OpenNebula"
		return 0
	fi
	if [[ -e $2 || -L $2 ]] && ! om_is_ours "$2"; then
		if ! saved "$2"; then
			save_stock "$2"
		elif ! same_file "$2" "$2.stock"; then
			save_stock "$2" 'a newer one than was saved before'
		fi
	fi
	# A saved copy that is ours would run itself for ever.
	if om_is_ours "$2.stock"; then
		if doing "remove $2.stock, which is no stock script"; then
			rm -f -- "$2.stock"
		fi
	fi
	like=$2.stock
	if [[ ! -e $like && -z $DRY ]]; then
		note "WARNING: there is no stock script for $2; put back OpenNebula's file and run this again"
		PROBLEMS=$((PROBLEMS + 1))
		like=''
	fi
	if [[ -f $2 && ! -L $2 ]] && cmp -s -- "$source" "$2"; then
		[[ -x $2 || -n $DRY ]] || chmod --reference="${like:-$source}" -- "$2"
		return 0
	fi
	doing "install $2" || return 0
	place "$source" "$2" 0755 "$like"
}

# DIRECTORY PLATFORM: the helper of one platform, with its VERSION.
install_helper()
{
	local name
	make_dir "$OURS/$2"
	for name in $HELPER_FILES; do
		[[ ! -f $1/$name ]] || put "$1/$name" "$OURS/$2/$name" 0755
	done
	put "$1/VERSION" "$OURS/$2/VERSION" 0644
}

# The helper that was built here.
stage_built()
{
	local build=$SOURCE/build name
	if [[ ! -e $build/onemigrate ]]; then
		((${#TARBALLS[@]})) || compgen -G "$OURS/*/onemigrate" >/dev/null ||
			die "$build/onemigrate is missing: run make first, or give helpers of other platforms by --helpers"
		note "no helper was built here ($OM_PLATFORM); those of other platforms are installed"
		return 0
	fi
	om_helper_works "$build/onemigrate" || die "$build/onemigrate $OM_REASON"
	mkdir -p -- "$WORK/built/$OM_PLATFORM"
	for name in $HELPER_FILES; do
		[[ ! -f $build/$name ]] || cp -- "$build/$name" "$WORK/built/$OM_PLATFORM/$name"
	done
	cp -- "$SOURCE/VERSION" "$WORK/built/$OM_PLATFORM/VERSION"
	STAGED+=("$WORK/built/$OM_PLATFORM")
}

# TARBALL: only plain files <platform>/<program> and <platform>/VERSION; anything else in it refuses it.
stage_tarball()
{
	local stage entry platform name='' allowed="VERSION $HELPER_FILES"
	[[ -f $1 && -r $1 ]] || die "$1: cannot be read"
	stage=$(mktemp -d -- "$WORK/tar.XXXXXX")
	tar --force-local -tf "$1" >"$stage.list" 2>/dev/null || die "$1: is no tar archive"
	tar --force-local -tvf "$1" >"$stage.types" 2>/dev/null || die "$1: is no tar archive"
	while IFS= read -r entry; do
		entry=${entry#./}
		[[ -n $entry ]] || continue
		[[ $entry =~ ^[A-Za-z0-9][A-Za-z0-9._-]*(/|/([A-Za-z0-9._-]+))?$ ]] ||
			die "$1: holds \"$(om_clean "$entry")\", which no archive of make dist does"
		name=${BASH_REMATCH[2]}
		[[ -z $name || " $allowed " == *" $name "* ]] ||
			die "$1: holds \"$entry\", which no archive of make dist does"
	done <"$stage.list"
	! grep -q '^[^d-]' "$stage.types" || die "$1: holds links or special files"
	tar --force-local -xf "$1" -C "$stage" --no-same-owner --no-same-permissions 2>/dev/null ||
		die "$1: cannot be unpacked"
	name=''
	for entry in "$stage"/*/; do
		[[ -d $entry ]] || continue
		entry=${entry%/} platform=${entry##*/}
		for name in "${HELPER_FILES%% *}" VERSION; do
			[[ -s $entry/$name ]] || die "$1: $platform/$name is missing"
		done
		if [[ $platform == "$OM_PLATFORM" ]]; then
			chmod 0755 -- "$entry/${HELPER_FILES%% *}"
			om_helper_works "$entry/${HELPER_FILES%% *}" || die "$1: $platform/onemigrate $OM_REASON"
		fi
		STAGED+=("$entry")
	done
	[[ -n $name ]] || die "$1: holds no helper"
}

install_command()
{
	local to=$BIN/onemigrate
	if [[ -e $to || -L $to ]] && ! om_is_ours "$to"; then
		note "left out: $to is there and is not ours; $OURS/frontend does the same"
	elif [[ ! -d $BIN || ! -w $BIN ]]; then
		note "left out: $to, because $BIN cannot be written; $OURS/frontend does the same"
	elif [[ -f $to && ! -L $to ]] && cmp -s -- "$SOURCE/remotes/onemigrate/frontend" "$to"; then
		:
	elif doing "install $to"; then
		cp -- "$SOURCE/remotes/onemigrate/frontend" "$WORK/command"
		chmod 0755 -- "$WORK/command"
		move_in "$WORK/command" "$to"
	fi
}

# NAME: its value in oned.conf.
setting()
{
	[[ ! -r $CONF ]] || sed -n "s/^[^#]*\\b$1[[:blank:]]*=[[:blank:]]*\"\\{0,1\\}\\([^]\",#[:blank:]]*\\).*/\\1/p" "$CONF" | tail -n 1
}

# Each front-end of an HA zone pushes its own tree when it leads, so each one needs this.
hint()
{
	local zone names
	local -a limit=()
	note 'next: put it onto the hosts, as oneadmin: onehost sync --force'
	type -P onezone >/dev/null && type -P ruby >/dev/null || return 0
	zone=$(setting ZONE_ID)
	type -P timeout >/dev/null && limit=(timeout 10)
	# shellcheck disable=SC2016 # Ruby
	names=$(cd / && "${limit[@]}" "${AS[@]}" onezone show -x "${zone:-0}" 2>/dev/null </dev/null | ruby -r rexml/document -r socket -e '
		me = Socket.gethostname
		names = REXML::XPath.match(REXML::Document.new($stdin.read), "/ZONE/SERVER_POOL/SERVER/NAME").map { |n| n.texts.map(&:value).join }
		others = names.reject { |n| n == me || n.split(".").first == me.split(".").first }
		puts others.join(" ").gsub(/[^ -~]/, "?") if names.size > 1' 2>/dev/null) || names=''
	[[ -z $names ]] || note "next: this zone has several front-ends; do the same on: $names"
}

do_install()
{
	local tarball old staged
	[[ -r $SOURCE/VERSION ]] || die "$SOURCE/VERSION is missing: this is no complete tree of onemigrate"
	stage_built
	for tarball in "${TARBALLS[@]}"; do
		stage_tarball "$tarball"
	done
	# Helpers before scripts: a script must never find its tree half there.
	make_dir "$OURS"
	for staged in "${STAGED[@]}"; do
		install_helper "$staged" "${staged##*/}"
	done
	put "$SOURCE/VERSION" "$OURS/VERSION" 0644
	each_row install_own 'data script probe'
	each_row install_stock stock
	each_row uninstall_stock other
	install_command
	manifest_write
	for old in "$OURS"/*/VERSION; do
		[[ ! -f $old ]] || cmp -s -- "$old" "$SOURCE/VERSION" ||
			note "note: ${old%/VERSION} is of version $(om_clean "$(<"$old")"), this is $(<"$SOURCE/VERSION"); --helpers brings a newer one"
	done
	((CHANGES)) || note 'nothing to do, all is in place'
	hint
	((PROBLEMS == 0))
}

# ------------------------------------------------------------------------------------------ uninstall

uninstall_stock()
{
	# Somebody else's file may be called .stock in a directory that was never ours.
	if [[ $3 == tm/* && -z ${KNOWN[${2#"$TREE"/}]-} ]]; then
		om_is_ours "$2" || return 0
	fi
	sweep "$2"
	if ! saved "$2"; then
		if om_is_ours "$2"; then
			note "WARNING: $2 is ours and no stock script was saved; put back OpenNebula's file"
			PROBLEMS=$((PROBLEMS + 1))
		fi
	elif [[ -e $2 || -L $2 ]] && ! om_is_ours "$2"; then
		note "left alone: $2 is not ours any more"
		if doing "remove $2.stock"; then
			rm -f -- "$2.stock"
		fi
	elif doing "put back $2"; then
		mv -fT -- "$2.stock" "$2"
	fi
}

remove_own()
{
	[[ -e $1 || -L $1 ]] || return 0
	if doing "remove $1"; then
		rm -f -- "$1"
	fi
}

uninstall_own()
{
	remove_own "$2"
}

do_uninstall()
{
	local dir name
	each_row uninstall_stock 'stock other'
	if om_is_ours "$BIN/onemigrate"; then
		if [[ -w $BIN ]]; then
			remove_own "$BIN/onemigrate"
		else
			note "left: $BIN/onemigrate, because $BIN cannot be written"
			PROBLEMS=$((PROBLEMS + 1))
		fi
	fi
	if ((PROBLEMS)) && [[ -n $(each_row print_ours 'stock other') ]]; then
		note "left: $OURS, because a script of ours still needs it"
		return 1
	fi
	each_row uninstall_own 'data script probe'
	for dir in "$OURS"/*/; do
		[[ -f $dir/${HELPER_FILES%% *} || -f $dir/VERSION ]] || continue
		for name in $HELPER_FILES VERSION; do
			remove_own "$dir$name"
		done
		[[ -n $DRY ]] || rmdir -- "$dir" 2>/dev/null || note "left: $dir, it holds other files"
	done
	remove_own "$OURS/VERSION"
	remove_own "$MANIFEST"
	if [[ -z $DRY && -d $OURS ]]; then
		rm -f -- "$OURS"/*.new.[0-9]*
		rmdir -- "$OURS" 2>/dev/null || note "left: $OURS, it holds other files"
	fi
	[[ ! -e $TREE/etc/vmm/kvm/onemigraterc ]] || note "left: $TREE/etc/vmm/kvm/onemigraterc, it is yours"
	[[ ! -e $TREE/vmm/kvm/migrate.d ]] || note "left: $TREE/vmm/kvm/migrate.d, it is yours"
	((CHANGES)) || note 'nothing to do, onemigrate is not installed'
	((CHANGES == 0)) || note 'next: take it off the hosts, as oneadmin: onehost sync --force'
	((PROBLEMS == 0))
}

# ---------------------------------------------------------------------------------------------- check

print_ours()
{
	[[ ! -f $2 ]] || ! om_is_ours "$2" || printf '%s\n' "$2"
}

bad()
{
	BAD=$((BAD + 1))
	note "$1"
}

# FILE: true where it is what the manifest says it should be.
as_installed()
{
	local key=${1#"$TREE"/}
	[[ -z ${KNOWN[$key]-} || $(sum "$1") == "${KNOWN[$key]}" ]]
}

check_own()
{
	[[ $1 != probe || -d ${2%/*} ]] || return 0
	if [[ ! -f $2 ]]; then
		bad "undone: $2 is missing"
	elif ! as_installed "$2"; then
		bad "undone: $2 was changed"
	elif [[ $1 != data && ! -x $2 ]]; then
		bad "undone: $2 is not executable"
	fi
}

check_stock()
{
	if [[ ! -e $2 && ! -L $2 && ! -e $2.stock ]]; then
		[[ -z ${KNOWN[${2#"$TREE"/}]-} ]] || bad "undone: $2 is missing"
	elif [[ ! -e $2 && ! -L $2 ]]; then
		bad "undone: $2 is missing"
	elif ! om_is_ours "$2"; then
		bad "undone: $2 is not ours any more (was OpenNebula upgraded?)"
	elif ! as_installed "$2"; then
		bad "undone: $2 was changed"
	elif [[ ! -x $2 ]]; then
		bad "undone: $2 is not executable"
	elif [[ ! -e $2.stock ]]; then
		bad "undone: $2.stock is missing"
	elif om_is_ours "$2.stock"; then
		bad "undone: $2.stock is no stock script"
	else
		note "intact: $2"
	fi
}

# What a host answers with: its platform, whether a helper of its own starts, whether that of the synced
# tree starts. Runs there, after the text of driver.sh.
host_probe()
{
	local tree=$1 why
	om_platform
	if om_helper_works "${ONEMIGRATE_LIBEXEC:-/usr/libexec/onemigrate}/onemigrate"; then
		printf 'onemigrate-probe %s own\n' "$OM_PLATFORM"
		return
	fi
	om_helper_works "$tree/onemigrate/$OM_PLATFORM/onemigrate" || why=$OM_REASON
	printf 'onemigrate-probe %s %s\n' "$OM_PLATFORM" "${why:-tree}"
}

check_host()
{
	local host=$1 dir=${SCRIPTS_REMOTE_DIR:-} answer platform rest
	dir=${dir:-$(setting SCRIPTS_REMOTE_DIR)} dir=${dir:-/var/tmp/one}
	answer=$({
		cat -- "$SOURCE/remotes/onemigrate/driver.sh"
		declare -f host_probe
		printf 'host_probe %q\n' "$dir"
	} | "${AS[@]}" ssh -o BatchMode=yes -o ConnectTimeout=5 -o ServerAliveInterval=5 -- "$host" bash -s 2>/dev/null) ||
		answer=''
	answer=$(grep -a -m 1 '^onemigrate-probe ' <<<"$answer") || answer=''
	if [[ -z $answer ]]; then
		bad "$host: cannot be asked by ssh"
		return 0
	fi
	read -r _ platform rest <<<"$answer"
	rest=$(om_clean "$rest")
	if [[ $rest == own || $rest == tree ]]; then
		note "$host: $platform, has a helper that starts"
	elif [[ ! -e $OURS/$platform/onemigrate ]]; then
		bad "$host: $platform, would run the stock script: no helper for this platform is installed (--helpers)"
	elif [[ $rest == 'not there' ]]; then
		note "$host: $platform, a helper is installed here and not yet on the host (onehost sync --force)"
	else
		bad "$host: $platform, would run the stock script: the helper there $rest"
	fi
}

do_check()
{
	local path file host
	if [[ -z $(each_row print_ours) && ! -e $OURS ]]; then
		note "not installed in $TREE"
		return 2
	fi
	each_row check_stock stock
	each_row check_own 'data script probe'
	case $MANIFEST_STATE in
	missing) bad "undone: $MANIFEST is missing" ;;
	broken) bad "undone: $MANIFEST is not whole" ;;
	esac
	for path in "${!KNOWN[@]}"; do
		case ${KNOWN_KIND[$path]} in
		helper) check_own "$([[ $path == */VERSION ]] && echo data || echo script)" "$TREE/$path" ;;
		command) check_own script "$path" ;;
		saved)
			[[ $path == /* ]] && file=$path || file=$TREE/$path
			[[ ! -f $file ]] || as_installed "$file" || bad "undone: $file was changed"
			;;
		esac
	done
	compgen -G "$OURS/*/onemigrate" >/dev/null || bad 'undone: no helper is installed for any platform'
	((BAD == 0)) || note 'partly undone: run install.sh again'
	for host in "${HOSTS[@]}"; do
		check_host "$host"
	done
	((BAD == 0))
}

# ----------------------------------------------------------------------------------------------- main

MODE=install DRY='' CHANGES=0 PROBLEMS=0 BAD=0
TEMP='' TARBALLS=() HOSTS=() STAGED=() AS=() TM=''
expect='' wanted=''
while (($#)); do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--dry-run) DRY=yes expect='' ;;
	--uninstall) MODE=uninstall expect='' ;;
	--check) MODE=check expect=HOSTS ;;
	--helpers) expect=TARBALLS wanted=yes ;;
	--tm)
		expect=''
		[[ ${2-} =~ ^[A-Za-z0-9._\ -]*[A-Za-z0-9]\ *$ && ! $2 =~ (^|\ )[.-] ]] ||
			die '--tm needs the names of TM drivers, or none'
		TM=$2
		shift
		;;
	-*) die "unknown option $1 (see --help)" ;;
	*)
		case $expect in
		HOSTS) HOSTS+=("$1") ;;
		TARBALLS) TARBALLS+=("$1") ;;
		*) die "unexpected argument $1 (see --help)" ;;
		esac
		;;
	esac
	shift
done
[[ -z $wanted ]] || ((${#TARBALLS[@]})) || die '--helpers needs the names of tarballs'
[[ $MODE == install ]] || ((${#TARBALLS[@]} == 0)) || die '--helpers goes with an installation only'
[[ $MODE == install || -z $TM ]] || die '--tm goes with an installation only'

load_library
require_tree
require_tm
if [[ $MODE != check && -z $DRY ]] && type -P flock >/dev/null; then
	exec 9<"$TREE/vmm/kvm"
	flock -n 9 || die "another install.sh is at work on $TREE"
fi
WORK=$(mktemp -d)
trap 'rm -rf -- "$WORK" ${TEMP:+"$TEMP"}' EXIT
manifest_read
add_tm_rows
# Not in a condition: that would switch `set -e` off in all of it.
case $MODE in
install) do_install ;;
uninstall) do_uninstall ;;
check) do_check ;;
esac
