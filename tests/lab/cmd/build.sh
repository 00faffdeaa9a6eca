# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The cache: root file systems of the hosts and what the guest boots. Sourced by `lab`.
#
# A tree's name holds the hash of its recipe: a changed recipe is another directory, so a lab that
# is up keeps the one it runs on. Trees are built beside their place and renamed into it.

readonly BUILD_PACKAGES=(
	libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils seabios ipxe-qemu
	openssh-server openssh-client netcat-openbsd rsync sudo tini procps iproute2 nftables
	ruby ruby-rexml libxml2 gnutls-bin tcpdump strace
)
# Packages that the machine itself needs.
readonly MACHINE_PACKAGES=(
	mmdebstrap cpio gcc libc6-dev util-linux procps iproute2 openssh-client xz-utils
)

lab_deps() {
	printf '%s\n' "${MACHINE_PACKAGES[@]}"
}

build_suite() {
	case $1 in
	debian12) echo bookworm ;;
	debian13) echo trixie ;;
	*) die "unknown host system '$1' (debian12 or debian13)" ;;
	esac
}

# libssh2 was renamed by Debian 13's time_t transition.
build_packages() {
	printf '%s\n' "${BUILD_PACKAGES[@]}"
	case $1 in
	debian12) echo libssh2-1 ;;
	*) echo libssh2-1t64 ;;
	esac
}

build_root_path() {
	local hash
	build_suite "$1" >/dev/null
	hash=$({ build_packages "$1"; cat "$LAB_SRC/customize"; } | sha256sum)
	echo "$CACHE/root-$1-${hash:0:12}"
}

build_guest_path() {
	local hash
	hash=$(cat "$LAB_SRC"/guest/* | sha256sum)
	echo "$CACHE/guest-${hash:0:12}"
}

# The mirror, keys and proxies are those that apt on this machine uses for its own release.
build_source() {
	local codename line uri release component key
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016 # the $(...) are apt's own
	while read -r line; do
		read -r uri release component key <<<"$line"
		# A field that the target lacks is printed as its own name.
		[[ ${key:-} != *SIGNED_BY* ]] || key=
		if [[ $release == "$codename" && $component == main ]]; then
			echo "deb${key:+ [signed-by=$key]} $uri $1 main"
			return
		fi
	done < <(apt-get indextargets --format \
		'$(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)' 'Created-By: Packages')
	die "apt knows no main section of '$codename' on this machine"
}

build_root() {
	local path suite source tmp opt aptopts=()
	path=$(build_root_path "$1")
	[[ ! -e $path ]] || return 0
	suite=$(build_suite "$1")
	source=$(build_source "$suite")
	while read -r opt; do
		aptopts+=(--aptopt="${opt%;}")
	done < <(apt-config dump | grep -E '^Acquire::(https?::|Check-)' || true)
	tmp=$(mktemp -d "$CACHE/.new-XXXXXX")
	note "building $path"
	mmdebstrap --quiet --mode=root --variant=apt "${aptopts[@]}" \
		--include="$(build_packages "$1" | paste -sd,)" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook="$LAB_SRC/customize" \
		"$suite" "$tmp/root" "$source" >&2 || { build_drop "$tmp"; die "mmdebstrap failed"; }
	mv "$tmp/root" "$path"
	rmdir "$tmp"
}

# Nothing is ever mounted in a tree that is being built once mmdebstrap has ended; stay on the
# one file system all the same.
build_drop() {
	rm -rf --one-file-system -- "$1"
}

build_guest() {
	local path tmp
	path=$(build_guest_path)
	[[ ! -e $path ]] || return 0
	tmp=$(mktemp -d "$CACHE/.new-XXXXXX")
	note "building $path"
	"$LAB_SRC/guest/build" "$tmp" >&2 || { build_drop "$tmp"; die "the guest did not build"; }
	chmod 755 "$tmp"
	mv "$tmp" "$path"
}

# Trees of old recipes go, unless a lab that is up stands on them.
build_prune() {
	local current=$1 path
	for path in "${current%-*}"-*; do
		if [[ $path != "$current" ]] && ! grep -qsxF "$path" "$RUN_BASE"/*/trees; then
			build_drop "$path"
		fi
	done
}

lab_build() {
	local system=${1:-debian13} lock
	mkdir -p "$CACHE"
	exec {lock}>"$CACHE/.lock"
	flock "$lock"
	# With the lock held, what is half built is what was broken off.
	find "$CACHE" -maxdepth 1 -name '.new-*' -exec rm -rf --one-file-system -- {} +
	build_root "$system"
	build_guest
	build_prune "$(build_root_path "$system")"
	build_prune "$(build_guest_path)"
	exec {lock}>&-
}
