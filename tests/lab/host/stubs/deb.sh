# A host of the deb family: only dkms has to be brought, with the version the drivers ask for.
root=$(mktemp -d)
install -D -m 755 "$(dirname "$0")/dkms" "$root/usr/sbin/dkms"
mkdir -p "$root/DEBIAN" "$root/var/lib/dkms"
chmod 755 "$root"
cat > "$root/DEBIAN/control" <<END
Package: dkms
Version: 2.8.4-3
Architecture: all
Maintainer: the lab <lab@localhost>
Description: stand-in that builds no module but keeps the books of one
END
dpkg-deb --build --root-owner-group "$root" /tmp/dkms.deb
dpkg -i /tmp/dkms.deb
rm -rf "$root" /tmp/dkms.deb
apt-mark hold dkms
