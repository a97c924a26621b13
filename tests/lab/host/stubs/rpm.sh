# A host of the rpm family: rpm's database gets what a driver requires from a repository of
# stubs, and dpkg and apt go where nothing finds them by accident.
here=$(dirname "$0")
top=$(mktemp -d)
repository=/usr/share/mlu-lab/repository
{
  cat <<END
Name: lab-stubs
Version: 1
Release: 1
Summary: what a server has installed, as far as a package asks for it
License: none
%description
%{summary}
END
  while read -r name version provides; do
    echo "%package -n $name"
    echo "Version: $version"
    echo "Summary: stub of $name"
    for provided in $provides; do echo "Provides: $provided"; done
    printf '%%description -n %s\n%%{summary}\n' "$name"
    if [ "$name" = dkms ]; then
      printf '%%files -n %s\n/usr/sbin/dkms\n%%dir /var/lib/dkms\n' "$name"
    else
      printf '%%files -n %s\n' "$name"
    fi
  done < "$here/rpm-packages"
  printf '%%install\ninstall -D -m 755 %s %%{buildroot}/usr/sbin/dkms\n' "$here/dkms"
  printf 'mkdir -p %%{buildroot}/var/lib/dkms\n'
} > "$top/stubs.spec"
rpmbuild --quiet -bb -D "_topdir $top" -D "_build_id_links none" "$top/stubs.spec"
mkdir -p $repository /etc/yum.repos.d
find "$top/RPMS" -name '*.rpm' -exec mv {} $repository ';'
createrepo_c --quiet $repository
cat > /etc/yum.repos.d/base.repo <<END
[base]
name=Base
baseurl=file://$repository
gpgcheck=0
END
ln -sf dnf /usr/bin/yum
# the release's number is the one of the CentOS that the host says it is
yum -y -q --releasever=7 install $(cut -d' ' -f1 "$here/rpm-packages")
echo 7 > /etc/dnf/vars/releasever
mkdir -p /usr/lib/mlu-lab/aside
for tool in /usr/bin/dpkg* /usr/bin/apt* /usr/sbin/dpkg*; do
  [ ! -e "$tool" ] || mv "$tool" /usr/lib/mlu-lab/aside/
done
rm -rf "$top" /etc/apt /etc/debian_version /etc/lsb-release /etc/modules
rm -f /etc/modules-load.d/modules.conf
