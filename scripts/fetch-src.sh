#!/bin/sh
# SPDX-License-Identifier: MIT
#
# fetch-src.sh NAME VERSION DESTDIR [PATCH]: unpack a pinned Debian source package, Debian's patches and PATCH
# (from inside the package, -p1) applied, into DESTDIR. Needs no root and leaves /etc/apt alone: apt runs with its own lists under build/apt, the host's
# mirror and the host's archive keyring. A second call does nothing; calls may run in parallel. When the
# mirror no longer has VERSION, the newest revision of the same upstream version is taken.
# Exit 2 with one line on stderr when the source cannot be had.
set -eu

die()
{
	echo "fetch-src: $*" >&2
	exit 2
}

[ $# -eq 3 ] || [ $# -eq 4 ] || die "usage: fetch-src.sh NAME VERSION DESTDIR [PATCH]"
name=$1 version=$2 dest=$3 patch=${4-}
upstream=${version%-*}
stamp=$dest/.mayfly-source
want="$name $version"
[ -z "$patch" ] || want="$want $(cksum <"$patch")"
[ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && exit 0
for tool in apt-get dpkg-source flock patch; do
	command -v $tool >/dev/null || die "$tool is missing: apt-get install dpkg-dev patch util-linux"
done

root=$(cd "$(dirname "$0")/.." && pwd)
apt=${MAYFLY_APT_DIR:-$root/build/apt}
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/src" "$(dirname "$dest")" ||
	die "cannot create $apt"
exec 9>"$apt/lock"
flock 9
[ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && exit 0

# The first URI among the host's sources whose path ends in $1 (debian, debian-security).
host_uri()
{
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
		sed -n 's/^[[:space:]]*#.*//; s|.*\(https\{0,1\}://[^] ]*/'"$1"'\)/\{0,1\}\([[:space:]].*\)\{0,1\}$|\1|p' | head -n 1
}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r $keyring ] || die "$keyring is missing: apt-get install debian-archive-keyring"
main=$(host_uri debian)
security=$(host_uri debian-security)
main=${main:-http://deb.debian.org/debian}
security=${security:-http://deb.debian.org/debian-security}
cat >"$apt/sources.list.new" <<EOT
deb-src [signed-by=$keyring] $main bookworm main
deb-src [signed-by=$keyring] $main bookworm-updates main
deb-src [signed-by=$keyring] $security bookworm-security main
EOT

run_apt()
{
	apt-get -q -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o Debug::NoLocking=1 \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=3 "$@" \
		>"$apt/log" 2>&1
}

refresh()
{
	mv "$apt/sources.list.new" "$apt/sources.list"
	run_apt update || die "apt-get update failed: $(sed -n 's/^E: //p' "$apt/log" | head -n 1) (see $apt/log)"
	: >"$apt/fresh"
}

download()
{
	(cd "$apt/src" && run_apt source --download-only "$name=$1")
}

if ! cmp -s "$apt/sources.list.new" "$apt/sources.list" || [ ! -e "$apt/fresh" ]; then
	refresh
	updated=1
fi
got=$version
if ! download "$got"; then
	if [ -z "${updated-}" ]; then
		cp "$apt/sources.list" "$apt/sources.list.new"
		refresh
	fi
	if ! download "$got"; then
		got=$(apt-cache -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
			-o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" showsrc "$name" 2>/dev/null |
			sed -n 's/^Version: //p' | grep -F -e "$upstream-" -e "$upstream+" | sort -V | tail -n 1) || true
		[ -n "$got" ] || die "$name $version: no source with upstream version $upstream on $main"
		download "$got" ||
			die "$name $got: $(sed -n 's/^E: //p' "$apt/log" | head -n 1) (see $apt/log)"
	fi
fi

# The .dsc was checked by apt against the signed Sources index, hence --no-check.
tmp=$dest.tmp
rm -rf "$tmp"
dpkg-source --no-check -x "$apt/src/${name}_$(echo "$got" | sed 's/^[0-9]*://').dsc" "$tmp" >"$apt/log" 2>&1 ||
	die "$name $got does not unpack (see $apt/log)"
if [ -n "$patch" ]; then
	# A patch is lines; the package's may end in CR LF.
	(cd "$tmp" && sed -n 's|^+++ b/||p' | xargs sed -i 's/\r$//') <"$patch"
	patch -d "$tmp" -p1 -s --no-backup-if-mismatch <"$patch" >"$apt/log" 2>&1 ||
		die "$patch does not apply to $name $got (see $apt/log)"
fi
echo "$want" >"$tmp/.mayfly-source"
rm -rf "$dest"
mv "$tmp" "$dest"
