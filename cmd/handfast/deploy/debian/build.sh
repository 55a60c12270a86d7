#!/bin/sh
# build.sh BINARY FOLDER: makes a Debian package of a built handfast in FOLDER, with manual pages,
# completions and the unit, and prints its name. It is the same each time for a SOURCE_DATE_EPOCH.
set -eu
binary=$1 to=$2
here=$(cd "$(dirname "$0")/.." && pwd)
arch=${ARCH:-$(dpkg --print-architecture)}
# 0~dev sorts before every release.
version=${VERSION:-$("$binary" version | sed -n 's/^handfast v\([0-9][^ ]*\) .*/\1/p')}
version=${version:-0~dev}
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-0}"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
umask 022
chmod 755 "$root"

install -D -m 755 "$binary" "$root/usr/bin/handfast"
mkdir -p "$root/usr/share/man/man1"
"$root/usr/bin/handfast" man "$root/usr/share/man/man1" >/dev/null
gzip -9n "$root"/usr/share/man/man1/*
complete() {
	mkdir -p "$root/$(dirname "$2")"
	"$root/usr/bin/handfast" completion "$1" >"$root/$2"
}
complete bash usr/share/bash-completion/completions/handfast
complete zsh usr/share/zsh/vendor-completions/_handfast
complete fish usr/share/fish/vendor_completions.d/handfast.fish
install -D -m 644 "$here/systemd/handfast-guard.service" "$root/lib/systemd/system/handfast-guard.service"
install -D -m 644 "$here/systemd/handfast-guard.sysusers" "$root/usr/lib/sysusers.d/handfast-guard.conf"
install -D -m 640 "$here/guard.conf" "$root/etc/handfast/guard.conf"

mkdir "$root/DEBIAN"
echo /etc/handfast/guard.conf >"$root/DEBIAN/conffiles"
# Seeds and passwords may lie there: root writes, the guard reads.
cat >"$root/DEBIAN/postinst" <<'EOF'
#!/bin/sh
set -e
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers handfast-guard.conf
	chgrp -R handfast-guard /etc/handfast
	chmod 750 /etc/handfast
fi
EOF
chmod 755 "$root/DEBIAN/postinst"
cat >"$root/DEBIAN/control" <<EOF
Package: handfast
Version: $version
Architecture: $arch
Maintainer: The Handfast authors <handfast@localhost>
Section: net
Priority: optional
Installed-Size: $(du -sk --apparent-size "$root/usr" | cut -f1)
Description: TCP outside the kernel, to see and to use
 A TCP of its own in one program: shows handshakes and closes, runs programs on
 a bad network, reads captures, and stands in front of servers so that a SYN
 flood does not reach them.
EOF
dpkg-deb --root-owner-group "-Z${COMPRESSION:-xz}" --build "$root" "$to/handfast_${version}_$arch.deb" >/dev/null
echo "$to/handfast_${version}_$arch.deb"
