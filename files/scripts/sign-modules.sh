# sign-modules.sh: install the site's key for kernel modules. stdin: the certificate (DER, in base64, one
# line), then the private key (PEM). From then on DKMS signs what it builds, also for new kernels.
umask 077
place=$state/signing
mkdir -p "$place" && chmod 700 "$place" && IFS= read -r certificate &&
  printf '%s' "$certificate" | base64 -d > "$place/certificate.part" && cat > "$place/key.part" &&
  [ -s "$place/key.part" ] || exit 1
for file in certificate key; do
  cmp -s "$place/$file.part" "$place/$file" || audit "placed $place/$file"
  mv -f "$place/$file.part" "$place/$file" || exit 1
done
# if dkms is missing, it comes with the driver's package
dkms=$(command -v dkms) || exit 0
if grep -q mok_signing_key "$dkms"; then  # DKMS 3.0 and newer
  lines="mok_signing_key=$place/key
mok_certificate=$place/certificate"
elif command -v kmodsign >/dev/null && grep -q shim-signed/mok "$dkms"; then  # Ubuntu's DKMS
  for file in MOK.priv:key MOK.der:certificate; do
    theirs=/var/lib/shim-signed/mok/${file%:*}
    cmp -s "$place/${file#*:}" "$theirs" && continue
    [ ! -e "$theirs" ] || keep "$theirs"
    folders "${theirs%/*}" && changed "$theirs" "$(sha256sum < "$place/${file#*:}" | cut -d' ' -f1)" - driver && cp -p "$place/${file#*:}" "$theirs" && audit "placed $theirs" || exit 1
  done
  exit 0
elif grep -q sign_tool "$dkms"; then  # DKMS 2.8
  cat > "$place/sign" <<SIGN && chmod 700 "$place/sign" || exit 1
#!/bin/sh
# KERNEL MODULE
hash=\$(sed -n 's/^CONFIG_MODULE_SIG_HASH="\(.*\)"/\1/p' "/lib/modules/\$1/build/.config" 2>/dev/null)
exec "/lib/modules/\$1/build/scripts/sign-file" "\${hash:-sha512}" $place/key $place/certificate "\$2"
SIGN
  lines=sign_tool=$place/sign
else
  echo "@@code SIGNING"
  echo "$(dkms --version) does not sign modules"
  exit 1
fi
conf=/etc/dkms/framework.conf
[ ! -d $conf.d ] || conf=$conf.d/mlufleet.conf
umask 022
original=-
if [ -e $conf ] && ! grep -qsF "$place/" $conf; then
  original=$state/kept/$(printf %s $conf | tr / _)
  mkdir -p "$state/kept" && cp -p $conf "$original" || exit 1
fi
printf '%s\n' "$lines" | while read -r line; do
  grep -qsxF "$line" $conf || { printf '%s\n' "$line" >> $conf && audit "$conf: $line"; }
done
# the record has the original of the first time
grep -qsF "$(printf '\tconfig\t%s\t' $conf)" "$state/made" || changed $conf '' "$original" driver
